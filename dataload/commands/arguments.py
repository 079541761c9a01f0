"""The arguments of the command line, and what wrong usage is.

Apart from the commands so that `dataload --help` needs none of them. Values that argparse can check are checked here;
`UsageError` is for those that only show once the user's folder or module is looked at.
"""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from collections.abc import Callable

from dataload import __version__, sizes
from dataload.errors import ConfigError
from dataload.workers import CANDIDATES, KINDS

DESCRIPTION = "Data loading for machine learning: see it work, measure it on your own data, and pack that into shards."
EXAMPLES = """\
examples:
  dataload demo                        make a data set, measure it, train on it; about a minute
  dataload bench recordings/           the fastest setting for a folder of audio files
  dataload bench train:loader          the same for the Loader named loader in train.py
  dataload bench train:make_loader --workers 0,2,4 --worker process --json bench.json
  dataload doctor train:loader --step 0.04 --html report.html
                                       what bounds the loop, and which change makes it faster, tried
  dataload info recordings/            what is there: samples, fields, sizes, lengths
  dataload pack train:loader shards/   the samples of a Loader's source as tar files
  dataload index s3://bucket/shards/   where every sample is, so that no reader looks through the shards
  dataload cache list features/        what is kept there of remote bytes and of the results of transforms
"""
EXITS = "exit codes: 0 done, 1 failed, 2 wrong usage, 130 stopped with Ctrl-C"


class UsageError(Exception):
    """An argument that names nothing, or the wrong thing; the message says what was expected."""


def make_parser() -> ArgumentParser:
    """Return the parser of the whole command line."""
    parser = ArgumentParser(
        "dataload",
        description=DESCRIPTION,
        epilog=f"{EXAMPLES}\n{EXITS}",
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"dataload {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    _add_demo(commands.add_parser("demo", help="make a small data set, measure loading, train classifiers"))
    _add_bench(commands.add_parser("bench", help="find the fastest number and kind of workers for your own data"))
    _add_doctor(commands.add_parser("doctor", help="find out what bounds a training loop, and try what helps"))
    _add_pack(commands.add_parser("pack", help="write the samples of a source into shards"))
    _add_info(commands.add_parser("info", help="say what a folder, a table or shards hold"))
    _add_index(commands.add_parser("index", help="write the index of shards beside them"))
    _add_cache(commands.add_parser("cache", help="say what a cache holds, or clear it"))
    return parser


def _add_demo(demo: ArgumentParser) -> None:
    demo.description = (
        "Make about 2000 audio files of telephone keypad tones in noise, measure how fast they load with "
        "each number and kind of workers, and train a classifier in numpy and in every framework that is "
        "installed. No network."
    )
    demo.add_argument("--out", default="demo", metavar="DIR", help="folder for the results (default: ./demo)")
    demo.add_argument("--seed", type=at_least(0), default=0, metavar="N", help="of data and training (default: 0)")
    demo.add_argument(
        "--files",
        type=at_least(60),
        default=2000,
        metavar="N",
        help="audio files, 60 or more (default: 2000)",
    )
    _add_common(demo)


def _add_bench(bench: ArgumentParser) -> None:
    bench.description = (
        "Measure samples per second and the time to the first batch with each number and kind of workers, "
        "and say which to use. Settings take turns; the medians of all rounds are shown."
    )
    _add_target(bench)
    bench.add_argument(
        "--workers",
        type=worker_counts,
        metavar="N,N,...",
        help="numbers of workers; 0 is always measured too (default: up to the number of cores, 8 at most)",
    )
    bench.add_argument(
        "--worker",
        type=kinds,
        default=CANDIDATES,
        metavar="KIND,...",
        help=f"{', '.join(CANDIDATES)} (default: all)",
    )
    bench.add_argument("--json", metavar="FILE", help="write the figures to FILE")
    bench.add_argument("--plot", metavar="FILE", help="draw them to FILE: PNG, SVG or PDF by its name")
    _add_common(bench)


SOURCE = (
    "a folder of audio files, a table, tar files or TFRecords, each by path, pattern or URL; or a source, a Loader, or "
    "a function returning one, in a module or a file: module:attribute, file.py:attribute"
)


def _add_pack(pack: ArgumentParser) -> None:
    pack.description = (
        "Write the samples of a source, untransformed, into shards of a size, and print the line of Python that reads "
        "them. The same command goes on where a run was stopped, and the shards are those of a run that was not."
    )
    pack.add_argument("source", metavar="SOURCE", help=SOURCE)
    pack.add_argument("out", metavar="OUT", help="folder for the shards: a path, or a URL of a bucket")
    pack.add_argument("--format", choices=("tar", "tfrecord", "parquet"), default="tar", help="(default: tar)")
    pack.add_argument(
        "--size",
        type=byte_size,
        default=byte_size("500MB"),
        metavar="SIZE",
        help="bytes that a shard holds at most, such as 500MB or 1GiB; a larger sample has a shard of its own "
        "(default: 500MB)",
    )
    pack.add_argument("--name", default="shard", help="what the names of the shards begin with (default: shard)")
    pack.add_argument(
        "--file",
        action="append",
        default=[],
        metavar="FIELD",
        help="a field that holds the path or URL of a file, which is packed in its place; known without this where a "
        "FileSource gives its own path, and for a pathlib.Path",
    )
    pack.add_argument(
        "--suffix",
        type=field_suffix,
        action="append",
        default=[],
        metavar="FIELD=SUFFIX",
        help="tar only: the suffix of a field, such as audio=flac; otherwise that of the file, the field's name for "
        "bytes, and txt, cls, json or npy",
    )
    _add_verbose(pack)


def _add_info(info: ArgumentParser) -> None:
    info.description = (
        "Say how many samples there are, which fields they have, of which kind and how large, and how long the sound "
        "in them is."
    )
    info.add_argument("source", metavar="SOURCE", help=SOURCE)
    info.add_argument(
        "--samples",
        type=at_least(1),
        default=100,
        metavar="N",
        help="how many samples, spread evenly, the figures are of (default: 100)",
    )
    info.add_argument("--json", action="store_true", help="print JSON in place of tables")
    info.add_argument(
        "--plot",
        metavar="FILE",
        help="draw the first samples to FILE, PNG, SVG or PDF by its name: spectrograms of sound, and images",
    )
    _add_verbose(info)


def _add_index(index: ArgumentParser) -> None:
    index.description = (
        "Write the index of shards, dataload-index.arrow, beside them. It says where every field of every sample is; "
        "without it, who first opens the shards reads through them once."
    )
    index.add_argument(
        "shards", metavar="URL", nargs="+", help="tar files or TFRecords: paths, URLs, folders, patterns; all of a kind"
    )
    index.add_argument("--out", metavar="FILE", help="path or URL of the index (default: beside the shards)")
    _add_verbose(index)


def _add_target(parser: ArgumentParser) -> None:
    parser.add_argument(
        "target",
        metavar="PATH|module:attribute",
        help="a folder of WAV, FLAC, OGG or MP3 files, searched with the folders in it, for log-mel "
        "spectrograms; or a Loader, or a function returning one, in a module here or an installed one",
    )
    parser.add_argument(
        "--batch-size",
        type=at_least(1),
        metavar="N",
        help="samples per batch (default: the Loader's; folder: 32)",
    )
    parser.add_argument("--sample-rate", type=at_least(1), metavar="HZ", help="folder only (default: 16000)")


def _add_doctor(doctor: ArgumentParser) -> None:
    doctor.description = (
        "Look at a loader under a training loop: what bounds it, how much faster it would be with batches for free, "
        "where the work goes, and what changes bring, each tried in turns on the same source."
    )
    _add_target(doctor)
    loop = doctor.add_mutually_exclusive_group()
    loop.add_argument("--step", type=duration, default=0.0, metavar="SECONDS", help="how long a training step takes")
    loop.add_argument("--loop", metavar="MODULE:FUNCTION", help="the training step, a function of a batch")
    doctor.add_argument("--html", metavar="FILE.html", help="write a page")
    doctor.add_argument("--json", metavar="FILE.json", help="write all figures")
    doctor.add_argument("--trace", metavar="FILE.trace.json", help="write a trace for Perfetto and chrome://tracing")
    doctor.add_argument(
        "--fail-below",
        type=share,
        metavar="SHARE",
        help="exit with 1 where the loop reaches less than this share of its speed with batches for free, such as 0.9",
    )
    _add_common(doctor)


def _add_cache(cache: ArgumentParser) -> None:
    cache.description = (
        "Say what is in the folder of a cache, and when it was used: remote bytes that sources have kept (cache=) and "
        "results of transforms (Cache in a chain)."
    )
    cache.add_argument("action", choices=("list", "clear"), help="say what is there; delete it, other files stay")
    cache.add_argument("folder", metavar="FOLDER", help="the folder")
    _add_verbose(cache)


def _add_common(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--rounds", type=at_least(1), default=3, metavar="N", help="measurements of each setting (default: 3)"
    )
    parser.add_argument(
        "--seconds", type=duration, default=1.0, metavar="S", help="length of a measurement (default: 1)"
    )
    _add_verbose(parser)


def _add_verbose(parser: ArgumentParser) -> None:
    parser.add_argument("-v", "--verbose", action="store_true", help="show the traceback of an error")


def at_least(least: int) -> Callable[[str], int]:
    """Return a reader of whole numbers from `least` up."""

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise ArgumentTypeError(f"{text!r} is not a whole number of at least {least}")
        return int(text)

    return read


def duration(text: str) -> float:
    """Read a number of seconds above 0."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return seconds


def share(text: str) -> float:
    """Read a share: a number above 0, at most 1."""
    value = duration(text)
    if value > 1:
        raise ArgumentTypeError(f"{text!r} is not a share above 0 and at most 1, such as 0.9")
    return value


def byte_size(text: str) -> int:
    """Read a number of bytes: 1000000, 500MB, 1GiB."""
    try:
        return sizes.byte_size(text)
    except ConfigError as error:
        raise ArgumentTypeError(str(error)) from None


def field_suffix(text: str) -> tuple[str, str]:
    """Read a field and a suffix: `audio=flac`, with or without a dot."""
    field, equals, suffix = text.partition("=")
    if not (field and equals and suffix.strip(".")):
        raise ArgumentTypeError(f"{text!r} is not a field and a suffix, such as audio=flac")
    return field, suffix.removeprefix(".")


def worker_counts(text: str) -> tuple[int, ...]:
    """Read numbers of workers: `0,1,2`."""
    parts = text.split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise ArgumentTypeError(f"{text!r} is not a list of numbers of workers, such as 0,1,2")
    return tuple(int(part) for part in parts)


def kinds(text: str) -> tuple[str, ...]:
    """Read kinds of workers, with commas: `thread,process`."""
    parts = tuple(part.strip() for part in text.split(","))
    known = [name for name in KINDS if name != "auto"]
    if not set(parts) <= set(known):
        raise ArgumentTypeError(f"{text!r} is not {', '.join(known)} or several of them: {','.join(known)}")
    return parts
