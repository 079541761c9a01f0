"""`dataload demo`: a data set, a measurement and a classifier in two minutes, without network and without data of
the user's own. It measures as `dataload bench` does.
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from dataload import FileSource, Loader, TarSource
from dataload.commands.bench import compare, write_figures
from dataload.commands.doctor import show
from dataload.commands.plots import plot_batch, plot_throughput
from dataload.commands.sweep import Row, Setting, make_settings, worker_counts
from dataload.commands.task import Task, frame_statistics
from dataload.commands.tones import NAMES, SAMPLE_RATE, SYMBOLS, label_of, make_tones
from dataload.commands.training import FRAMEWORKS, Trained, train_all
from dataload.doctor import examine
from dataload.extras import installed, pip_line
from dataload.machine import usable_cores
from dataload.measuring import Table
from dataload.measuring.server import running_server
from dataload.report import write_report
from dataload.shards.pack import Packing
from dataload.terminal import Terminal, open_terminal
from dataload.transforms import DecodeAudio, LogMel
from dataload.workers import CANDIDATES

BATCH_SIZE = 32
N_MELS = 40
SUBJECT = "keypad tones"
SHARD_BYTES = 1_000_000
# Of a small model on an accelerator.
STEP_SECONDS = 0.005


def run(arguments: Namespace) -> None:
    """Run the command."""
    terminal = open_terminal()
    out = Path(arguments.out)
    terminal.line("Telephone keypad tones in noise, 12 classes: made here, measured, learnt.")
    with terminal.progress(f"making {arguments.files} audio files", arguments.files) as advance:
        folders = make_tones(out, arguments.files, arguments.seed, advance)
    loader = tone_loader(folders.train, arguments.seed, shuffle=True)
    terminal.line(str(loader))

    terminal.line("\nThroughput (decode, log-mel, padded batches)")
    settings = make_settings(worker_counts(usable_cores()), CANDIDATES)
    rows, advice = compare(loader, settings, arguments, terminal)
    write_figures(out / "bench.json", SUBJECT, rows, advice)
    draw(out, loader, rows, terminal)

    terminal.line(f"\nTraining on {folders.train}, tested on {folders.held_out}")
    results = train(folders.train, folders.held_out, advice.setting, arguments.seed, terminal)
    cells = [(result.name, f"{result.accuracy:.3f}", f"{result.seconds:.1f} s") for result in results]
    Table(("model", "held-out accuracy", "time"), cells).print(terminal)
    shards = folders.root.with_name(f"{folders.root.name}-tar")
    train_from_the_web(shards, folders.train, folders.held_out, advice.setting, arguments.seed, terminal)
    diagnose(out, loader, arguments.seconds, terminal)
    summarize(out, folders.root, shards, terminal)


def tone_loader(folder: Path, seed: int, *, shuffle: bool) -> Loader:
    """Return a loader of one folder of tones: batches of log-mel spectrograms, their lengths and labels."""
    return features_of(FileSource(folder, "*_*.*", audio=str, label=label_of), seed, shuffle=shuffle)


def features_of(source: Any, seed: int, *, shuffle: bool) -> Loader:
    """Return the same loader of tones that lie elsewhere."""
    return Loader(
        source,
        transforms={"audio": [DecodeAudio(SAMPLE_RATE), LogMel(SAMPLE_RATE, n_mels=N_MELS)]},
        batch_size=BATCH_SIZE,
        shuffle=shuffle,
        seed=seed,
    )


def draw(out: Path, loader: Loader, rows: list[Row], terminal: Terminal) -> None:
    """Draw the pictures, or say which extra would."""
    if not installed("matplotlib"):
        terminal.line(f"pictures: skipped, matplotlib is not installed; {pip_line('bench')} brings it")
        return
    with loader.with_options() as fresh:
        batch = next(iter(fresh))
    plot_throughput(out / "throughput.png", SUBJECT, rows)
    titles = [SYMBOLS[label] for label in batch["label"]]
    plot_batch(out / "batch.png", batch["audio"], batch["audio_lengths"], titles)


def train(train_folder: Path, held_out_folder: Path, setting: Setting, seed: int, terminal: Terminal) -> list[Trained]:
    """Train a classifier with every framework that is installed, on loaders with the fastest setting."""
    options = setting.options()
    with (
        tone_loader(train_folder, seed, shuffle=True).with_options(**options) as train_loader,
        tone_loader(held_out_folder, seed, shuffle=False).with_options(**options) as held_out_loader,
    ):
        mean, std = frame_statistics(train_loader)
        task = Task(train_loader, held_out_loader, len(NAMES), mean, std, seed)
        return train_all(task, terminal)


def train_from_the_web(
    shards: Path, train_folder: Path, held_out_folder: Path, setting: Setting, seed: int, terminal: Terminal
) -> None:
    """Pack the tones into tar files, and train the first classifier from these over a web server of this machine."""
    if not installed("obstore"):
        terminal.line(f"\nTraining from tar files: skipped, obstore is not installed; {pip_line('remote')} brings it")
        return
    terminal.line("\nThe same from tar files on a web server")
    loader = tone_loader(train_folder, seed, shuffle=True)
    packing = Packing(loader.source, str(shards), size=SHARD_BYTES, name="tones")
    with terminal.progress(f"packing {packing.remaining} samples", max(packing.remaining, 1)) as advance:
        count = len(packing.run(advance).shards)
    with running_server(shards) as server:
        names = f"{server.url}/tones-{{000000..{count - 1:06}}}.tar"
        terminal.line(f'TarSource("{names}", audio="wav|flac", label=("cls", int))')
        source = TarSource(names, audio="wav|flac", label=("cls", int))
        with (
            features_of(source, seed, shuffle=True).with_options(**setting.options()) as train_loader,
            tone_loader(held_out_folder, seed, shuffle=False) as held_out_loader,
        ):
            task = Task(train_loader, held_out_loader, len(NAMES), *frame_statistics(train_loader), seed)
            [result] = train_all(task, terminal, FRAMEWORKS[:1])
    terminal.line(f"held-out accuracy {result.accuracy:.3f} in {result.seconds:.1f} s, from {count} tar files")


def diagnose(out: Path, loader: Loader, seconds: float, terminal: Terminal) -> None:
    """Look at the loader as it was made under a step of some milliseconds, and write the report."""
    terminal.line(f"\nThe doctor, on {loader!r} and a training step of {1000 * STEP_SECONDS:g} ms")
    report = examine(loader, step=STEP_SECONDS, seconds=seconds / 2, rounds=2, subject=SUBJECT)
    show(report, terminal)
    write_report(report, out / "report.html")


def summarize(out: Path, data: Path, shards: Path, terminal: Terminal) -> None:
    """Say where the files are and what to do next."""
    made = [
        (data, "data set"),
        (out / "bench.json", "figures"),
        (out / "throughput.png", "samples per second"),
        (out / "batch.png", "one batch of spectrograms"),
        (out / "report.html", "what bounds the loader, to open in a browser"),
        (shards, "its training part as tar files"),
    ]
    terminal.line("\nWritten:")
    width = max(len(str(path)) for path, _ in made)
    for path, what in made:
        if path.exists():
            terminal.line(f"  {path!s:{width}}  {what}")
    terminal.line("Next, measure your own: dataload bench FOLDER, or dataload doctor module:loader")
