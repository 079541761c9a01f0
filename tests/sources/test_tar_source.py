"""Tar archives as a source: what `tarfile` reads, by number, in any process."""

import json
import os
import pickle
import random
import tarfile
import tempfile
from pathlib import Path
from unittest import mock

import cloudpickle
import conformance
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import worker_processes
from tar_files import FORMATS, Bucket, write

from dataload import Loader, TarSource
from dataload.errors import ConfigError, FieldError, ReplacedError, SourceError, SourceNotFound
from dataload.shards.index import NAME, find_index, write_index
from dataload.shards.tar import scan_tar
from dataload.storage.places import find_shards


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "dataload" / "index"


def record(folder, shards=3, samples=10):
    """Write archives of samples with audio, a class, text, and metadata in every other sample."""
    folder.mkdir(exist_ok=True)
    for shard in range(shards):
        content = []
        for i in range(samples):
            number = shard * samples + i
            key = f"part{shard}/{number:04}"
            content += [(f"{key}.flac", bytes([number % 256]) * (number * 37 % 5000)), (f"{key}.cls", b"%d\n" % number)]
            content += [(f"{key}.txt", f"text {number} é".encode())]
            if number % 2:
                content += [(f"{key}.meta.json", json.dumps({"n": number}).encode())]
        write(folder / f"train-{shard:03}.tar", content)
    return folder


@pytest.fixture
def folder(tmp_path):
    return record(tmp_path / "data")


def with_tarfile(path):
    """All samples of an archive, as tarfile reads them."""
    samples = {}
    with tarfile.open(path) as archive:
        for info in archive:
            key, _, suffix = info.name.partition(".")
            samples.setdefault(key, {"__key__": key})[suffix] = archive.extractfile(info).read()
    return list(samples.values())


def test_a_sample_without_fields_is_all_that_webdataset_gives(folder):
    source = TarSource(folder)
    expected = [sample for path in sorted(folder.glob("*.tar")) for sample in with_tarfile(path)]
    assert [source[i] for i in range(len(source))] == expected == source.__getitems__(range(30))
    assert list(source[1]) == ["__key__", "flac", "cls", "txt", "meta.json"] and "meta.json" not in source[0]
    conformance.check_source(source, length=30)


def test_fields_are_suffixes_choices_of_them_functions_and_the_key(folder):
    source = TarSource(
        f"{folder}/train-{{000..002}}.tar",
        audio="flac",
        label=("cls", int),
        text=("TXT", bytes.decode),
        meta="meta.json|txt",
        name="__key__",
        short=("__key__", lambda key: key[-2:]),
    )
    assert source[13] == {
        "audio": b"\x0d" * 481,
        "label": 13,
        "text": "text 13 é",
        "meta": b'{"n": 13}',
        "name": "part1/0013",
        "short": "13",
    }
    assert source[12]["meta"] == "text 12 é".encode()
    conformance.check_source(source, length=30)


MEMBERS = st.lists(st.sets(st.sampled_from(["a", "b", "seg.png", "日"]), min_size=1), min_size=1, max_size=8)


@pytest.mark.slow
@settings(max_examples=100)
@given(MEMBERS, st.sampled_from(sorted(FORMATS)), st.sampled_from(["", "deep/", "x" * 90 + "/"]), st.integers(0, 2**32))
def test_what_is_read_is_what_tarfile_reads(content, format, prefix, seed):
    rng = random.Random(seed)
    found = [
        (f"{prefix}{i:03}.{suffix}", rng.randbytes(rng.choice([0, 1, 511, 512, 513, 3000])))
        for i, suffixes in enumerate(content)
        for suffix in sorted(suffixes)
    ]
    with tempfile.TemporaryDirectory() as place, mock.patch.dict(os.environ, XDG_CACHE_HOME=place):
        path = write(Path(place) / "a.tar", found, format)
        source = TarSource(path)
        assert [source[i] for i in range(len(source))] == with_tarfile(path)
        order = rng.choices(range(len(source)), k=20)
        assert source.__getitems__(order) == [source[i] for i in order]


def test_a_suffix_that_no_sample_has_is_refused_with_those_that_there_are(folder):
    with pytest.raises(
        ConfigError, match=r"field image: .*000\.tar' and 2 more has the suffix 'jpg\|png'; there are 'fl"
    ):
        TarSource(folder, audio="flac", image="jpg|png")


def test_a_sample_that_lacks_a_field_is_named_with_those_that_it_has(folder):
    source = TarSource(folder, text="txt", meta="meta.json")
    assert source[1]["meta"] == b'{"n": 1}'
    with pytest.raises(
        FieldError, match=r"train-000\.tar: part0/0004: has no 'meta\.json' for field 'meta', only 'flac', 'cls', 'txt'"
    ):
        source.__getitems__([1, 4, 6])
    with Loader(source, batch_size=10, on_error="skip", collate_fn=list) as loader:
        assert [sample["text"] for batch in loader for sample in batch] == [
            f"text {n} é".encode() for n in range(1, 30, 2)
        ]


def test_a_function_that_raises_keeps_its_type_and_gets_a_note(folder):
    source = TarSource(folder, meta=("txt", json.loads))
    with pytest.raises(json.JSONDecodeError) as caught:
        source[12]
    assert caught.value.__notes__ == [f"while making field 'meta' of {folder}/train-001.tar: part1/0012"]


@pytest.mark.parametrize(
    "field", [3, "", ("cls",), ("cls", 3), int, ("cls", None), ("cls", int, 3), None, "__key__|cls"]
)
def test_fields_that_are_none_are_refused_with_what_to_write(field, folder):
    with pytest.raises(ConfigError, match=r"field label="):
        TarSource(folder, label=field)


def test_there_must_be_archives_and_samples_in_them(tmp_path):
    with pytest.raises(SourceNotFound, match="no such file"):
        TarSource(tmp_path / "a.tar")
    path = write(tmp_path / "a.tar", [("folder", tarfile.DIRTYPE[0]), ("plain", b"1")])
    with pytest.raises(SourceNotFound, match=r"no sample in .*a\.tar.*such as 000\.jpg"):
        TarSource(path)


def test_an_archive_that_was_replaced_since_is_an_error_that_names_it(folder):
    source = TarSource(folder, audio="flac")
    write(folder / "new", [("other.flac", b"x" * 100_000)]).rename(folder / "train-001.tar")
    # This process has the old file open, and reads that; a worker finds the new one.
    assert source[15]["audio"] == b"\x0f" * 555
    with Loader(source, batch_size=1, num_workers=1, worker="process", collate_fn=list) as loader:
        epoch = iter(loader)
        assert [next(epoch)[0]["audio"] for _ in range(10)][9] == b"\x09" * 333
        with pytest.raises(ReplacedError, match=r"train-001\.tar"):
            next(epoch)
    assert len(TarSource(folder, audio="flac")) == 21


def test_samples_have_names_runs_and_a_fingerprint_of_the_archives(folder, tmp_path):
    source = TarSource(folder, audio="flac")
    assert source.describe(20) == f"{folder}/train-002.tar: part2/0020"
    assert source.runs().tolist() == [10, 10, 10] and "30 samples" in repr(source)
    folder.rename(tmp_path / "moved")
    assert TarSource(tmp_path / "moved").fingerprint() == source.fingerprint()
    write(tmp_path / "moved" / "train-001.tar", [("new.flac", b"")])
    assert TarSource(tmp_path / "moved").fingerprint() != source.fingerprint()


def test_it_pickles_as_the_names_of_its_files(folder):
    source = TarSource(folder, audio="flac", label=("cls", int))
    assert len(pickle.dumps(source)) < 2000
    copy = pickle.loads(pickle.dumps(source))
    assert copy.__getitems__([3, 29]) == source.__getitems__([3, 29]) and repr(copy) == repr(source)


def test_an_index_given_or_beside_is_used(folder, cache):
    made = TarSource(folder)
    write_index(find_index(find_shards(str(folder), ".tar"), "tar", scan_tar), folder / NAME)
    for path in cache.iterdir():
        path.unlink()
    assert TarSource(folder).fingerprint() == made.fingerprint() and not list(cache.iterdir())
    (folder / NAME).rename(folder / "mine.arrow")
    assert TarSource(folder, index=folder / "mine.arrow")[7] == made[7] and not list(cache.iterdir())
    with pytest.raises(ConfigError, match="storage_options goes with a URL"):
        TarSource(folder, storage_options={"region": "x"})


def test_archives_of_several_stores_are_one_source(folder, tmp_path, monkeypatch):
    other = record(tmp_path / "other", shards=1)
    found = [*Bucket(folder).shards(), *Bucket(other).shards()]
    monkeypatch.setattr("dataload.sources.tar.find_shards", lambda *_: found)
    source = TarSource("bucket://", audio="flac", label=("cls", int))
    samples = source.__getitems__([35, 3, 28, 31])
    assert [sample["label"] for sample in samples] == [5, 3, 28, 1] and samples[0]["audio"] == b"\x05" * 185
    conformance.check_source(source, length=40)


def test_reads_are_in_the_order_of_the_archive_and_none_is_empty(folder):
    (shard,) = [shard for shard in Bucket(folder).shards() if "001" in shard.place.name]
    bucket = shard.place.store
    with mock.patch("dataload.sources.tar.find_shards", lambda *_: [shard]):
        source = TarSource("bucket://")
    bucket.reads.clear()
    samples = source.__getitems__([5, 2, 9, 0])
    starts = [start for _, start, _ in bucket.reads]
    assert starts == sorted(starts) and len(starts) == 14 and all(stop > start for _, start, stop in bucket.reads)
    assert [sample["cls"] for sample in samples] == [b"15\n", b"12\n", b"19\n", b"10\n"]


def loader(folder, **options):
    source = TarSource(
        folder, audio=("flac", lambda data: np.frombuffer(data, np.uint8)[:3]), label=("cls", int), key="__key__"
    )
    return Loader(source, batch_size=7, shuffle=True, seed=3, collate_fn=list, **options)


def same(a, b):
    return cloudpickle.dumps(a) == cloudpickle.dumps(b) or conformance.equal(a, b)


@pytest.mark.parametrize(
    "options",
    [
        {"worker": "thread", "num_workers": 2},
        {"worker": "process", "num_workers": 1},
        {"worker": "process", "num_workers": 2},
    ],
    ids=str,
)
def test_batches_are_the_same_for_any_workers_and_after_a_resume(options, folder):
    with loader(folder) as plain:
        expected = [list(plain), list(plain)]
    assert sorted(sample["label"] for batch in expected[0] for sample in batch) == list(range(30))
    with loader(folder, **options) as other:
        assert same(list(other), expected[0])
        epoch = iter(other)
        assert same([next(epoch), next(epoch)], expected[1][:2])
        state = json.loads(json.dumps(other.state_dict()))
        if options["worker"] == "process":
            assert worker_processes()
    with loader(folder, **options) as resumed:
        resumed.load_state_dict(state)
        assert same(list(resumed), expected[1][2:])


def test_a_resume_with_other_archives_is_refused(folder):
    with loader(folder) as first:
        next(iter(first))
        state = first.state_dict()
    record(folder, shards=4)
    with loader(folder) as other, pytest.raises(ValueError, match="TarSource"):
        other.load_state_dict(state)


@pytest.mark.slow
def test_damaged_archives_give_the_same_samples_or_an_error(tmp_path, budget):
    rng = random.Random(0)
    path = write(tmp_path / "a.tar", [(f"{i}.{suffix}", rng.randbytes(200)) for i in range(8) for suffix in ("a", "b")])
    whole, expected = path.read_bytes(), with_tarfile(path)
    bodies = 0
    for trial in range(1000 * budget):
        damaged = bytearray(whole)
        at = rng.randrange(len(damaged))
        if trial % 2:
            damaged[at] ^= 1 << rng.randrange(8)
        else:
            del damaged[at:]
        path.write_bytes(damaged)
        try:
            source = TarSource(path, a="a", b="b")
            found = source.__getitems__(range(len(source)))
        except (SourceError, FieldError, ConfigError):
            continue
        # What a tar archive does not protect is the bodies.
        changed = sum(
            sample[suffix] != other[suffix] for sample, other in zip(found, expected, strict=False) for suffix in "ab"
        )
        bodies += changed
        assert changed <= trial % 2
        assert len(found) == 8 or not trial % 2
    assert bodies > 10
