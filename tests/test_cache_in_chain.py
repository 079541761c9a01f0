"""`Cache` in a chain: the same batches with and without it, never stale, whatever happens to its files."""

import json
import logging
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from cached_chains import Scaled, epochs, same
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dataload import Cache, Chain, FileSource, Loader, RandomTransform
from dataload.chain_json import register
from dataload.commands import main
from dataload.errors import ChainError, ConfigError, TransformError
from dataload.kept import _decode, _encode
from dataload.transforms import DecodeAudio, LogMel, SpecAugment

SPEECH = Path(__file__).parent / "data" / "speech"
KINDS = [{}, {"num_workers": 2, "worker": "thread"}, {"num_workers": 2, "worker": "process"}]


@register
@dataclass(frozen=True)
class Sizes:
    """The content of a file, as numbers."""

    log: str = ""

    def __call__(self, path):
        if self.log:
            with Path(self.log).open("a") as file:
                file.write(".")
        return np.frombuffer(Path(path).read_bytes(), np.uint8)


@register
@dataclass(frozen=True)
class WholeSample:
    def __call__(self, sample):
        return {**sample, "sum": float(np.sum(sample["x"]))}


class Noise(RandomTransform):
    def __call__(self, value, rng):
        value += rng.normal(size=value.shape)  # in place: what is kept must not be what is changed
        return value

    def __repr__(self):
        return "Noise()"


def calls(log):
    return len(log.read_text()) if log.exists() else 0


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_speech_is_decoded_once_and_its_batches_are_the_same_to_the_bit(options, tmp_path):
    def run(*cache):
        chain = [DecodeAudio(8_000), LogMel(8_000, n_mels=40), *cache, SpecAugment()]
        source = FileSource(SPEECH, "*_theo_*.wav", audio=str, label=lambda path: int(path.stem[0]))
        return epochs({"audio": chain}, source=source, **options)

    cache = Cache(str(tmp_path / "kept"), "1GB")
    expected, _ = run()
    got, stats = run(cache)
    assert same(got, expected) and stats.from_cache == stats.samples > 20
    got, stats = run(cache)  # another loader, with workers of its own
    assert same(got, expected) and stats.from_cache == stats.samples


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_what_is_computed_is_computed_once_also_with_several_caches_and_on_whole_samples(options, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    caches = [Cache(str(tmp_path / name), "10MB") for name in "abc"]

    def transforms(*caches):
        a, b, c = caches or (None, None, None)
        rows = [Scaled(2.0, str(first)), a, Scaled(3.0, str(second)), b]
        return [{"x": [one for one in rows if one]}, WholeSample(), *([c] if c else []), {"x": [Noise()]}]

    expected, _ = epochs(transforms(), **options)
    for log in (first, second):
        log.unlink()
    got, stats = epochs(transforms(*caches), **options)
    assert same(got, expected)
    assert calls(first) == calls(second) == 20 and stats.from_cache == 20
    # Without the last cache the one before it is asked, and without that the first.
    assert same(
        epochs(
            [{"x": [Scaled(2.0, str(first)), caches[0], Scaled(3.0, str(second))]}, WholeSample(), {"x": Noise()}], 1
        )[0],
        expected[:1],
    )
    assert calls(first) == 20 and calls(second) == 40


def test_a_file_that_changes_is_read_again_also_with_the_same_size_and_time(tmp_path):
    log, data = tmp_path / "log", tmp_path / "data"
    data.mkdir()
    for number in range(3):
        (data / f"{number}.bin").write_bytes(bytes([number] * 4))
    source, chain = FileSource(data, "*.bin", x=str), {"x": [Sizes(str(log)), Cache(str(tmp_path / "kept"), "1MB")]}

    def numbers():
        [[batch]], _ = epochs(chain, 1, source)
        return sorted(batch["x"][:, 0].tolist())

    assert numbers() == numbers() == [0, 1, 2] and calls(log) == 3
    path = data / "1.bin"
    about = path.stat()
    path.write_bytes(bytes([9] * 4))
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert numbers() == numbers() == [0, 2, 9] and calls(log) == 4
    other = tmp_path / "other"
    other.write_bytes(bytes([7] * 4))
    os.utime(other, ns=(about.st_atime_ns, about.st_mtime_ns))
    other.replace(path)
    assert numbers() == numbers() == [0, 2, 7] and calls(log) == 5


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
    | arrays.arrays(arrays.scalar_dtypes(), arrays.array_shapes(min_dims=0, min_side=0)),
    lambda inner: st.lists(inner, max_size=3)
    | st.tuples(inner, inner)
    | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def identical(a, b):
    if isinstance(a, np.ndarray | np.generic):
        return (
            type(a) is type(b)
            and a.dtype == b.dtype
            and a.shape == b.shape
            and a.flags.f_contiguous == b.flags.f_contiguous
            and a.tobytes() == b.tobytes()
        )
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(identical(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(identical, a, b))
    return type(a) is type(b) and a == b


@given(VALUES, st.booleans())
def test_values_come_back_as_they_were(value, copies):
    if isinstance(value, np.ndarray) and value.ndim > 1:
        value = [value, np.asfortranarray(value)]
    assert identical(_decode(memoryview(_encode(value)), copies), value)


CHANGES = st.sampled_from(["value", "dtype", "parameter", "order", "added", "numerics", "nothing"])


@given(change=CHANGES, number=st.integers(0, 3))
def test_a_change_of_input_chain_or_version_is_never_answered_with_what_was_before(change, number, tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("kept"))
    source = [{"x": np.arange(3.0) + n} for n in range(4)]
    before, now = [Scaled(2.0), Scaled(3.0)], [Scaled(2.0), Scaled(3.0)]
    later = [dict(sample) for sample in source]
    with pytest.MonkeyPatch.context() as patch:
        epochs({"x": [*before, Cache(folder, "1MB")]}, 1, source)
        if change == "value":
            later[number]["x"] = later[number]["x"] + 100
        elif change == "dtype":
            later[number]["x"] = later[number]["x"].astype(np.float32)
        elif change == "parameter":
            now[number % 2] = Scaled(5.0)
        elif change == "order":
            now.reverse()
        elif change == "added":
            now.insert(number % 3, Scaled(1.0))
        elif change == "numerics":
            patch.setattr("dataload.kept_recipes.NUMERICS", 99)
        got, stats = epochs({"x": [*now, Cache(folder, "1MB")]}, 1, later)
    expected, _ = epochs({"x": now}, 1, later)
    assert same(got, expected)
    assert stats.from_cache == {"nothing": 4, "value": 3, "dtype": 3}.get(change, 0)


def test_a_transform_of_ones_own_whose_code_changes_is_called_again(tmp_path):
    program = """
import sys
from dataclasses import dataclass
from dataload import Cache, Loader
from dataload.chain_json import register
from dataload.commands import main

@register
@dataclass(frozen=True)
class Own:
    def __call__(self, value):
        return value + {number}

with Loader([1, 2], transforms=[Own(), Cache(sys.argv[1], "1MB")], batch_size=2) as loader:
    print([batch.tolist() for batch in loader], loader.stats.from_cache)
"""
    said = [
        subprocess.run(
            [sys.executable, "-c", program.replace("{number}", number), str(tmp_path)],
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        for number in ("1", "1", "5")
    ]
    assert [one.stdout.strip() for one in said] == ["[[2, 3]] 0", "[[2, 3]] 2", "[[6, 7]] 0"]
    assert "the code of your own transforms has changed" in said[2].stderr


def test_what_changed_is_said_once(tmp_path, caplog):
    cache = Cache(str(tmp_path), "1MB")
    for _ in range(2):
        epochs({"x": [Scaled(2.0), cache]}, 1)
    assert not caplog.records
    with caplog.at_level(logging.WARNING, "dataload"):
        for _ in range(2):
            epochs({"x": [Scaled(4.0), cache]}, 1)
        [record] = caplog.records
        assert (
            "factor of Scaled on 'x' was 2.0 and is 4.0" in record.getMessage() and str(tmp_path) in record.getMessage()
        )
        caplog.clear()
        epochs([{"x": [Scaled(4.0)]}, WholeSample(), cache], 1)
        [record] = caplog.records
        assert "the chain was Scaled on 'x' and is Scaled on 'x', WholeSample" in record.getMessage()


@pytest.mark.parametrize(
    ("transforms", "error", "message"),
    [
        (lambda cache: {"x": [Noise(), cache]}, ChainError, "Noise() is random"),
        (lambda cache: {"x": [np.abs, cache]}, ChainError, "whether absolute has changed"),
        (lambda cache: {"x": [lambda x: x, cache]}, ChainError, "register"),
        (lambda cache: {"x": [cache]}, ChainError, "no transform before it"),
        (lambda cache: [{"x": Scaled(1.0)}, {"y": Scaled(1.0)}, {"x": cache}], ChainError, "one list"),
        (lambda cache: [WholeSample(), {"x": [Scaled(1.0), cache]}], ChainError, "one list"),
    ],
)  # fmt: skip
def test_what_cannot_be_kept_is_refused_when_the_loader_is_made(transforms, error, message, tmp_path):
    with pytest.raises(error) as refused:
        Loader([{"x": 1.0, "y": 2.0}], transforms=transforms(Cache(str(tmp_path), "1MB")))
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("", "1MB"), "folder=''"),
        (("s3://bucket/kept", "1MB"), "a disk of this machine"),
        ((3, "1MB"), "folder=3"),
        (("kept", "much"), "max_bytes='much'"),
        (("kept", "10kB"), "at least 1 MB"),
        (("kept", -1), "max_bytes=-1"),
        (("kept", 1.5e9), "max_bytes="),
    ],
)
def test_arguments_that_cannot_work_are_named(arguments, message):
    with pytest.raises(ConfigError, match=message.replace("(", r"\(")):
        Cache(*arguments)


def test_a_folder_that_cannot_be_written_to_is_named_when_the_loader_is_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written to"):
        Loader([1.0], transforms=[Scaled(1.0), Cache(str(tmp_path / "file"), "1MB")])


def test_values_that_cannot_be_kept_or_told_apart_are_named(tmp_path):
    @register
    @dataclass(frozen=True)
    class Opaque:
        def __call__(self, value):
            return object()

    cache = Cache(str(tmp_path), "1MB")
    with pytest.raises(TransformError, match="not object"):
        list(Loader([1.0], transforms=[Opaque(), cache], collate_fn=list))
    with pytest.raises(TransformError, match="cannot tell one object from another"):
        list(Loader([object()], transforms=[Opaque(), cache], collate_fn=list))


def test_bytes_that_were_damaged_are_computed_anew(tmp_path):
    log, kept = tmp_path / "log", tmp_path / "kept"
    chain = {"x": [Scaled(2.0, str(log)), Cache(str(kept), "1MB")]}
    epochs(chain, 1)
    [data] = kept.glob("*.data")
    content = bytearray(data.read_bytes())
    content[len(content) // 3] ^= 1
    data.write_bytes(content)
    program = f"import sys; sys.path[:0] = {sys.path!r}; import cached_chains as t; t.again(*sys.argv[1:])"
    command = [sys.executable, "-c", program, str(log), str(kept)]
    subprocess.run(command, check=True, timeout=120, cwd=Path(__file__).parent)
    assert calls(log) in (20, 21)


def test_results_that_are_too_large_are_not_kept_and_those_that_are_old_go(tmp_path):
    source = [{"x": np.full(1000 + (n == 0) * 100_000, n, np.float64)} for n in range(300)]
    chain = {"x": [Scaled(1.0), Cache(str(tmp_path), 1_000_000)]}
    with Loader(source, transforms=chain, batch_size=1) as loader:
        for _ in range(2):
            assert [int(batch["x"][0, 0]) for batch in loader] == list(range(300))
    assert sum(path.stat().st_size for path in tmp_path.glob("segment-*")) <= 1_000_000


def test_it_prints_and_travels_as_json_and_passes_values_through():
    cache = Cache("kept", "50GB")
    assert repr(cache) == "Cache('kept', '50GB')" and Cache(Path("kept"), 10**9).folder == "kept"
    chain = Chain([Scaled(2.0), cache])
    assert Chain.from_json(chain.to_json()) == chain and json.loads(chain.to_json())
    assert chain(np.ones(2)).tolist() == [2.0, 2.0]
    assert Chain([LogMel(8_000), cache]).spec == Chain([LogMel(8_000)]).spec


def test_the_draws_behind_it_are_those_without_it(tmp_path):
    with_it, _ = epochs({"x": [Scaled(2.0), Cache(str(tmp_path), "1MB"), Noise(), Noise()]})
    without, _ = epochs({"x": [Scaled(2.0), Noise(), Noise()]})
    assert same(with_it, without)


def test_the_command_lists_chains_and_clears_what_is_kept(tmp_path, capsys):
    chain = {"x": [Scaled(2.0), Cache(str(tmp_path), "1MB")]}
    epochs(chain, 1)
    assert main(["cache", "list", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "results of transforms: 20\n" in said and "Scaled on 'x', used last: 20" in said
    assert main(["cache", "clear", str(tmp_path)]) == 0 and not list(tmp_path.glob("*.json"))
    assert epochs(chain, 1)[1].from_cache == 0
