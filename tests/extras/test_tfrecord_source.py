"""TFRecord files as a source: fields of Examples by number, each record compared with its checksums."""

import multiprocessing
import os
import pickle
import shutil

import numpy as np
import pytest
from example_bytes import entry, inside, varint

from dataload import ConcatSource, Loader, TFRecordSource
from dataload.errors import ConfigError, DecodeError, FieldError, ReplacedError, SourceNotFound
from dataload.shards.example import encode_example
from dataload.shards.tfrecord import frame
from dataload.storage.local import LOCAL


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def sample(i):
    return {"image": bytes([i]) * (i % 7 + 1), "label": i, "score": i / 2, "name": f"ü{i}", "box": np.arange(4) + i}


@pytest.fixture
def folder(tmp_path):
    """Three files of 10, 0 and 25 Examples."""
    folder = tmp_path / "shards"
    folder.mkdir()
    for number, indices in enumerate([range(10), (), range(10, 35)]):
        records = [frame(encode_example(sample(i))) for i in indices]
        (folder / f"{number}.tfrecord").write_bytes(b"".join(records))
    return folder


def test_a_sample_without_fields_is_all_features_as_stored_in_the_order_of_their_names(folder):
    source = TFRecordSource(folder)
    assert len(source) == 35 and source.runs().tolist() == [10, 25]
    found = source[12]
    assert list(found) == ["box", "image", "label", "name", "score"]
    assert found["image"] == [b"\x0c" * 6] and found["name"] == ["ü12".encode()]
    for name, wanted in (("label", np.array([12])), ("score", np.array([6], "f4")), ("box", np.arange(12, 16))):
        assert found[name].dtype == wanted.dtype and np.array_equal(found[name], wanted)


def test_the_order_of_features_is_that_of_their_names_however_they_are_written(tmp_path):
    one, two = (entry(name, inside(1, inside(1, name))) for name in (b"one", b"two"))
    (tmp_path / "a.tfrecord").write_bytes(frame(inside(1, two, one)) + frame(inside(1, one, two)))
    assert [list(found) for found in TFRecordSource(tmp_path)] == [["one", "two"]] * 2


def test_fields_are_lists_as_stored_one_value_or_what_a_function_makes(folder):
    source = TFRecordSource(
        folder,
        image=("image", bytes),
        text=("name", str),
        label=("label", int),
        score=("score", float),
        corners=("box", lambda values: values.reshape(2, 2)),
        box="box",
        names="name",
    )
    found = source[34]
    assert list(found) == ["image", "text", "label", "score", "corners", "box", "names"]
    assert found["image"] == b"\x22" * 7 and found["text"] == "ü34" and found["names"] == ["ü34".encode()]
    assert type(found["label"]) is np.int64 and found["label"] == 34
    assert type(found["score"]) is np.float32 and found["score"] == 17
    assert found["corners"].tolist() == [[34, 35], [36, 37]] and found["box"].tolist() == [34, 35, 36, 37]


def test_raw_gives_the_bytes_of_records_whatever_they_are(tmp_path):
    (tmp_path / "a.tfrecord").write_bytes(frame(b"anything") + frame(b"") + frame(bytes(10**6)))
    assert list(TFRecordSource(tmp_path, raw=True)) == [b"anything", b"", bytes(10**6)]


def test_many_at_once_are_those_one_by_one(folder):
    source = TFRecordSource(folder, label=("label", int))
    order = np.random.default_rng(0).permutation(np.arange(70) % 35).tolist()
    assert [found["label"] for found in source.__getitems__(order)] == order
    assert source.__getitems__([]) == []


def test_names_of_shards_may_end_in_numbers(folder):
    (folder / "0.tfrecord").rename(folder / "train.tfrecord-00000-of-00002")
    (folder / "2.tfrecord").rename(folder / "train.tfrecord-00001-of-00002")
    source = TFRecordSource(f"{folder}/train.tfrecord-*-of-00002", label=("label", int))
    assert [found["label"] for found in source] == list(range(35))
    braces = TFRecordSource(f"{folder}/train.tfrecord-{{00001..00000}}-of-00002", label=("label", int))
    assert braces[0]["label"] == 10 and braces.runs().tolist() == [25, 10]


def test_messages_name_file_and_record(folder):
    source = TFRecordSource(folder)
    assert source.describe(0) == f"{folder}/0.tfrecord: record 0"
    assert source.describe(9) == f"{folder}/0.tfrecord: record 9"
    assert source.describe(10) == f"{folder}/2.tfrecord: record 0"
    assert source.describe(34) == f"{folder}/2.tfrecord: record 24"
    assert repr(TFRecordSource(folder, x="label")) == (
        f"TFRecordSource('{folder}/0.tfrecord' and 2 more, x='label': 35 records)"
    )
    for index in (35, -1):
        with pytest.raises(IndexError, match="reach outside of 35 samples"):
            source[index]


@pytest.mark.parametrize(
    ("field", "message"),
    [
        (("label", float), "holds int64, and float asks for float32: ask for int"),
        (("label", bytes), "holds int64, and bytes asks for bytes: ask for int"),
        (("score", int), "holds float32, and int asks for int64: ask for float"),
        (("image", int), "holds bytes, and int asks for int64: ask for bytes or str"),
        (("box", int), "has 4 values, and int asks for one: give its name alone for the list"),
        (("image", str), "is no UTF-8 .*: ask for bytes"),
    ],
)
def test_a_value_that_is_not_the_one_asked_for_is_an_error_that_names_the_record(tmp_path, field, message):
    (tmp_path / "a.tfrecord").write_bytes(frame(encode_example(sample(200))))
    with pytest.raises(DecodeError, match=rf"a\.tfrecord: record 0: feature '[a-z]+' of field 'x' {message}"):
        TFRecordSource(tmp_path, x=field)[0]


def test_an_empty_list_is_not_one_value(tmp_path):
    (tmp_path / "a.tfrecord").write_bytes(frame(encode_example({"x": np.array([], int)})))
    with pytest.raises(DecodeError, match="record 0: feature 'x' of field 'x' has 0 values, and int asks for one"):
        TFRecordSource(tmp_path, x=("x", int))[0]
    assert TFRecordSource(tmp_path, x="x")[0]["x"].shape == (0,)


def test_a_missing_feature_is_an_error_that_names_those_that_are_there(folder):
    with pytest.raises(
        FieldError,
        match=r"2\.tfrecord: record 1: has no feature 'lable' for field 'y', only 'box', 'image', 'label', 'name', 's",
    ):
        TFRecordSource(folder, y=("lable", int))[11]


def test_a_feature_list_is_named_as_what_it_is(tmp_path):
    steps = inside(1, inside(3, inside(1, varint(5))))
    data = inside(2, inside(1, inside(1, b"tokens"), inside(2, steps)))
    (tmp_path / "a.tfrecord").write_bytes(frame(data))
    with pytest.raises(FieldError, match=r"record 0: 'tokens' of field 'x' is a feature list of a tf\.train\.Seq"):
        TFRecordSource(tmp_path, x="tokens")[0]
    with pytest.raises(FieldError, match="has no feature 'other' for field 'x', and no other"):
        TFRecordSource(tmp_path, x="other")[0]


def test_a_function_that_fails_keeps_its_error_and_names_field_and_record(folder):
    with pytest.raises(ZeroDivisionError) as caught:
        TFRecordSource(folder, x=("label", lambda values: 1 // 0))[11]
    assert caught.value.__notes__ == [f"while making field 'x' of {folder}/2.tfrecord: record 1"]


def test_a_record_that_is_no_example_is_named(tmp_path):
    (tmp_path / "a.tfrecord").write_bytes(frame(encode_example({"x": 1})) + frame(b"text"))
    source = TFRecordSource(tmp_path)
    with pytest.raises(DecodeError, match=r"a\.tfrecord: record 1: byte .* no tf\.train\.Example.*raw=True gives"):
        source[1]
    assert source[0]["x"].tolist() == [1]


@pytest.mark.slow
def test_every_flipped_bit_of_a_file_is_an_error_that_names_file_and_record(tmp_path):
    records = [frame(encode_example({"x": i, "y": "abc"})) for i in range(3)]
    data = bytearray(b"".join(records))
    ends = np.cumsum([len(record) for record in records])
    path = tmp_path / "a.tfrecord"
    for bit in range(8 * len(data)):
        data[bit // 8] ^= 1 << bit % 8
        path.write_bytes(data)
        number = int(np.searchsorted(ends, bit // 8, side="right"))
        with pytest.raises(DecodeError, match=rf"a\.tfrecord: record {number} at byte "):
            list(TFRecordSource(path))
        data[bit // 8] ^= 1 << bit % 8


def test_bits_that_flip_after_the_index_was_made_are_found_too(tmp_path):
    records = [frame(encode_example({"x": i, "y": "abc"})) for i in range(3)]
    path = tmp_path / "a.tfrecord"
    path.write_bytes(b"".join(records))
    source = TFRecordSource(path)
    at = len(records[0])
    before = path.stat()

    def flush(file):
        # What flips bits on a disk does not change the time of the file.
        file.flush()
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    with path.open("r+b") as file:
        for byte in range(len(records[1])):
            file.seek(at + byte)
            file.write(bytes([records[1][byte] ^ 16]))
            flush(file)
            with pytest.raises(DecodeError, match=rf"a\.tfrecord: record 1 at byte {at} .*damaged"):
                source[1]
            assert source[0]["x"].tolist() == [0] and source[2]["x"].tolist() == [2]
            file.seek(at + byte)
            file.write(records[1][byte : byte + 1])
            flush(file)
    assert source[1]["x"].tolist() == [1]


def test_a_file_that_was_replaced_is_an_error_and_a_new_source_has_the_new_one(folder, tmp_path):
    source = TFRecordSource(folder, label=("label", int))
    (folder / "new").write_bytes(frame(encode_example(sample(77))))
    (folder / "new").replace(folder / "0.tfrecord")
    # A file that is open stays what it was, so others are opened until it is not.
    assert source[0]["label"] == 0
    for number in range(100):
        (tmp_path / str(number)).write_bytes(b"x")
        LOCAL.read(str(tmp_path / str(number)))
    with pytest.raises(ReplacedError, match=r"0\.tfrecord"):
        source[0]
    again = TFRecordSource(folder, label=("label", int))
    assert len(again) == 26 and again[0]["label"] == 77
    assert again.fingerprint() != source.fingerprint()


def test_the_fingerprint_is_that_of_the_files_wherever_they_are(folder, tmp_path):
    source = TFRecordSource(folder)
    shutil.copytree(folder, tmp_path / "copy")
    assert TFRecordSource(tmp_path / "copy").fingerprint() == source.fingerprint()
    assert source.fingerprint().startswith("TFRecordSource:tfrecord[35]:")
    assert TFRecordSource(folder / "2.tfrecord").fingerprint() != source.fingerprint()


def test_an_index_of_tfrecord2idx_is_read(folder, monkeypatch):
    sizes = [len(frame(encode_example(sample(i)))) for i in range(10)]
    lines = "".join(f"{sum(sizes[:i])} {size}\n" for i, size in enumerate(sizes))
    (folder / "0.tfrecord.index").write_text(lines)
    monkeypatch.setattr("dataload.shards.tfrecord_index.scan_tfrecord", None)
    source = TFRecordSource(folder / "0.tfrecord", label=("label", int))
    assert [found["label"] for found in source] == list(range(10))


def test_the_index_is_kept_and_found_again(folder, monkeypatch):
    wanted = [found["label"].tolist() for found in TFRecordSource(folder)]
    monkeypatch.setattr("dataload.shards.tfrecord_index.scan_tfrecord", None)
    assert [found["label"].tolist() for found in TFRecordSource(folder)] == wanted


def test_it_pickles_with_its_fields(folder):
    source = TFRecordSource(folder, label=("label", int), text=("name", str))
    again = pickle.loads(pickle.dumps(source))
    assert again[20] == source[20] and again.fingerprint() == source.fingerprint() and repr(again) == repr(source)


@pytest.mark.slow
@pytest.mark.parametrize("worker", ["serial", "thread", "process"])
def test_batches_are_the_same_from_every_kind_of_worker(folder, worker):
    source = TFRecordSource(folder, label=("label", int), box="box", text=("name", str))
    options = {"num_workers": 2, "worker": worker} if worker != "serial" else {"num_workers": 0}
    batches = list(Loader(source, batch_size=8, shuffle=True, seed=1, **options))
    assert sorted(np.concatenate([batch["label"] for batch in batches]).tolist()) == list(range(35))
    for batch in batches:
        assert batch["label"].dtype == np.int64 and np.array_equal(batch["box"][:, 0], batch["label"])
        assert batch["text"] == [f"ü{label}" for label in batch["label"]]
    assert not multiprocessing.active_children()


def test_a_record_that_is_damaged_is_skipped_where_that_is_asked_for(folder):
    path = folder / "2.tfrecord"
    data = bytearray(path.read_bytes())
    data[20] ^= 1
    path.write_bytes(data)
    source = TFRecordSource(folder, label=("label", int))
    batches = list(Loader(source, batch_size=35, shuffle=False, num_workers=0, on_error="skip", max_errors=1))
    assert batches[0]["label"].tolist() == [*range(10), *range(11, 35)]


def test_files_of_several_folders_are_one_source(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")
    both = TFRecordSource([folder, tmp_path / "copy" / "0.tfrecord"], label=("label", int))
    assert [found["label"] for found in both] == [*range(35), *range(10)]
    assert len(ConcatSource(both, both)) == 90


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"x": 3}, "field x=3 must be the name of a feature"),
        ({"x": ("label",)}, "must be the name of a feature"),
        ({"x": ("label", None)}, "must be the name of a feature"),
        ({"x": ("label", "int")}, "must be the name of a feature"),
        ({"x": (int, "label")}, "must be the name of a feature"),
        ({"raw": "image"}, "raw='image' must be True or False: give a field another name"),
        ({"raw": True, "x": "image"}, "raw=True gives the bytes of a record, which has no field 'x'"),
    ],
)
def test_fields_that_are_none_are_refused(folder, fields, message):
    with pytest.raises(ConfigError, match=message):
        TFRecordSource(folder, **fields)


def test_no_file_and_no_record_are_errors(tmp_path):
    with pytest.raises(SourceNotFound, match=r"ends in '\.tfrecord'"):
        TFRecordSource(tmp_path)
    (tmp_path / "a.tfrecord").write_bytes(b"")
    with pytest.raises(SourceNotFound, match=r"no record in '.*a\.tfrecord'"):
        TFRecordSource(tmp_path)
