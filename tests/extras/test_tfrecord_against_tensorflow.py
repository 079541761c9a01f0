"""TFRecord files that TensorFlow writes and reads, and what protobuf makes of any bytes."""

import random

import numpy as np
import pytest
import tensorflow as tf
from example_bytes import VALID, mutated, varint
from google.protobuf import message
from hypothesis import given

from dataload import TFRecordSource
from dataload.errors import DecodeError
from dataload.shards.example import encode_example, parse_example, parse_sequence_example
from dataload.shards.messages import features
from dataload.shards.tfrecord import frame

pytestmark = pytest.mark.slow

KINDS = {"bytes_list": None, "float_list": np.float32, "int64_list": np.int64}
KEYS = ["image/encoded", "label", "ü/名前", "", "k" * 200, "x", "y"]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def of_feature(feature):
    kind = feature.WhichOneof("kind")
    if kind is None:
        return None
    values = list(getattr(feature, kind).value)
    return values if KINDS[kind] is None else np.array(values, KINDS[kind])


def by_protobuf(data):
    """What protobuf makes of bytes: the features, None where it takes them for no Example."""
    try:
        found = tf.train.Example.FromString(data)
    except message.DecodeError:
        return None
    values = {key: of_feature(feature) for key, feature in found.features.feature.items()}
    return {key: value for key, value in values.items() if value is not None}


def ours(data, read=parse_example):
    try:
        return read(data)
    except DecodeError:
        return None


def plain(found):
    """Features that compare equal to others: every NaN is alike, since Python's floats do not keep all of its bits."""
    if found is None:
        return None
    return {key: value if isinstance(value, list) else _plain_array(value) for key, value in sorted(found.items())}


def _plain_array(value):
    same = np.where(np.isnan(value), np.float32("nan"), value) if value.dtype == np.float32 else value
    return same.dtype.str, same.tobytes()


def random_example(rng):
    example = tf.train.Example()
    for key in rng.sample(KEYS, rng.randrange(5)):
        feature = example.features.feature[key]
        n = rng.choice([0, 1, 1, 1, 2, 30, 200])
        kind = rng.choice([*KINDS, None])
        if kind == "bytes_list":
            feature.bytes_list.value.extend(rng.randbytes(rng.choice([0, 3, 127, 128, 300])) for _ in range(n % 31))
        elif kind == "float_list":
            special = [float("nan"), float("inf"), -float("inf"), -0.0, 1e-45]
            feature.float_list.value.extend(rng.choice([rng.gauss(0, 1e10), *special]) for _ in range(n))
        elif kind == "int64_list":
            feature.int64_list.value.extend(
                rng.choice([rng.randrange(10), rng.randrange(-(2**63), 2**63), -1, 2**63 - 1, -(2**63), 2**35])
                for _ in range(n)
            )
        if kind is not None and n == 0:
            getattr(feature, kind).SetInParent()
    return example


def unpacked(example):
    """The bytes of an Example whose numbers are not packed, as its lists could be declared too."""

    def inside(number, content):
        return varint(number << 3 | 2) + varint(len(content)) + content

    entries = b""
    for key, feature in example.features.feature.items():
        kind = feature.WhichOneof("kind")
        if kind == "float_list":
            content = b"".join(b"\x0d" + np.float32(one).tobytes() for one in feature.float_list.value)
        elif kind == "int64_list":
            content = b"".join(b"\x08" + varint(one) for one in feature.int64_list.value)
        else:
            content = getattr(feature, kind).SerializeToString() if kind else b""
        value = inside([None, *KINDS].index(kind), content) if kind else b""
        entries += inside(1, inside(1, key.encode()) + inside(2, value))
    return inside(1, entries)


def test_what_tensorflow_writes_is_read_as_protobuf_reads_it(tmp_path):
    rng = random.Random(0)
    examples = [random_example(rng) for _ in range(10_000)]
    written = [
        unpacked(example) if number % 4 == 0 else example.SerializeToString() for number, example in enumerate(examples)
    ]
    for shard in range(3):
        with tf.io.TFRecordWriter(str(tmp_path / f"train-{shard:05}-of-00003")) as writer:
            for data in written[shard::3]:
                writer.write(data)
    written = [data for shard in range(3) for data in written[shard::3]]
    source = TFRecordSource(f"{tmp_path}/train-*-of-00003")
    raw = TFRecordSource(f"{tmp_path}/train-*-of-00003", raw=True)
    assert len(source) == 10_000 and raw.__getitems__(range(10_000)) == written
    # The order of a dataset of TensorFlow, shard by shard.
    dataset = tf.data.TFRecordDataset([str(path) for path in sorted(tmp_path.glob("train-*"))])
    assert [record.numpy() for record in dataset] == written
    counts = dict.fromkeys(["list", "float32", "int64", "empty", "unpacked"], 0)
    for number, (found, data) in enumerate(zip(source.__getitems__(range(10_000)), written, strict=True)):
        assert plain(found) == plain(by_protobuf(data)), number
        assert plain(features(data, 1)) == plain(found)
        counts["unpacked"] += tf.train.Example.FromString(data).ByteSize() != len(data)
        for value in found.values():
            counts["list" if isinstance(value, list) else str(value.dtype)] += 1
            counts["empty"] += not len(value)
    assert min(counts.values()) > 1_000, counts


def test_what_parse_single_example_gives_is_what_a_source_gives(tmp_path):
    rng = np.random.default_rng(0)
    samples = [
        {
            "image": rng.bytes(50),
            "label": int(rng.integers(-5, 5)),
            "weight": float(rng.normal()),
            "box": rng.normal(size=4).astype("f4"),
            "tokens": rng.integers(-(2**62), 2**62, rng.integers(0, 30)),
        }
        for _ in range(200)
    ]
    path = str(tmp_path / "a.tfrecord")
    (tmp_path / "a.tfrecord").write_bytes(b"".join(frame(encode_example(sample)) for sample in samples))
    wanted = {
        "image": tf.io.FixedLenFeature([], tf.string),
        "label": tf.io.FixedLenFeature([], tf.int64),
        "weight": tf.io.FixedLenFeature([], tf.float32),
        "box": tf.io.FixedLenFeature([4], tf.float32),
        "tokens": tf.io.VarLenFeature(tf.int64),
    }
    source = TFRecordSource(
        path,
        image=("image", bytes),
        label=("label", int),
        weight=("weight", float),
        box="box",
        tokens="tokens",
    )
    for found, record in zip(source, tf.data.TFRecordDataset(path), strict=True):
        parsed = tf.io.parse_single_example(record, wanted)
        assert found["image"] == parsed["image"].numpy()
        assert found["label"] == parsed["label"].numpy() and found["label"].dtype == parsed["label"].dtype
        assert found["weight"] == parsed["weight"].numpy() and found["weight"].dtype == parsed["weight"].dtype
        assert np.array_equal(found["box"], parsed["box"].numpy())
        assert np.array_equal(found["tokens"], tf.sparse.to_dense(parsed["tokens"]).numpy())


def test_what_is_encoded_here_is_what_protobuf_writes_but_for_the_order_of_names():
    rng = random.Random(1)
    for _ in range(2_000):
        example = random_example(rng)
        stored = parse_example(example.SerializeToString())
        sample = {key: np.array(value, object) if isinstance(value, list) else value for key, value in stored.items()}
        data = encode_example(sample)
        assert plain(by_protobuf(data)) == plain(stored)
        for key, value in sample.items():
            one = encode_example({key: value})
            assert tf.train.Example.FromString(one).SerializeToString() == one or np.isnan(value).any()
        assert tf.train.Example.FromString(data).ByteSize() == len(data)


def test_tensorflow_reads_frames_that_are_written_here_and_the_other_way_round(tmp_path):
    datas = [b"", b"x", bytes(100_000), *(random.Random(i).randbytes(i) for i in range(300))]
    (tmp_path / "ours").write_bytes(b"".join(map(frame, datas)))
    with tf.io.TFRecordWriter(str(tmp_path / "theirs")) as writer:
        for data in datas:
            writer.write(data)
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()
    assert [record.numpy() for record in tf.data.TFRecordDataset(str(tmp_path / "ours"))] == datas


@pytest.mark.parametrize("kind", ["GZIP", "ZLIB"])
def test_what_tensorflow_compresses_is_refused_by_name(tmp_path, kind):
    with tf.io.TFRecordWriter(str(tmp_path / "a.tfrecord"), kind) as writer:
        writer.write(b"x" * 1000)
    with pytest.raises(DecodeError, match=f"is compressed with {kind.lower()}"):
        TFRecordSource(tmp_path, raw=True)


@given(VALID)
def test_every_way_of_writing_an_example_is_read_as_protobuf_reads_it(data):
    wanted = by_protobuf(data)
    assert wanted is not None
    assert plain(ours(data)) == plain(wanted)


def without_upb_entries(data, found):
    """Whether protobuf left an entry of the map out, as its Python does where that has an unknown field."""
    kept = tf.train.Example.FromString(data)
    size = kept.ByteSize()
    kept.DiscardUnknownFields()
    return found is not None and kept.ByteSize() < size


def test_garbage_is_taken_and_refused_as_by_protobuf(budget):
    rng = random.Random(2)
    seeds = [random_example(rng).SerializeToString() for _ in range(300)]
    seeds = [data for data in seeds if len(data) < 600]
    accepted = refused = apart = 0
    for _ in range(20_000 * budget):
        data = mutated(rng.choice(seeds), rng) if rng.random() < 0.9 else rng.randbytes(rng.randrange(30))
        found, wanted = ours(data), by_protobuf(data)
        assert plain(found) == plain(ours(data, lambda data: features(data, 1)))
        assert (found is None) == (wanted is None), data
        accepted, refused = accepted + (found is not None), refused + (found is None)
        if plain(found) != plain(wanted):
            assert without_upb_entries(data, found), data
            apart += 1
    assert accepted > 3_000 and refused > 3_000 and apart < 0.01 * accepted


def test_a_sequence_example_is_read_as_protobuf_reads_it():
    rng = random.Random(4)
    for _ in range(300):
        sequence = tf.train.SequenceExample(context=random_example(rng).features)
        for key in rng.sample(KEYS, 2):
            steps = sequence.feature_lists.feature_list[key].feature
            for _ in range(rng.randrange(4)):
                steps.extend(random_example(rng).features.feature.values())
        data = sequence.SerializeToString()
        context, lists = parse_sequence_example(data)
        wanted = {key: of_feature(feature) for key, feature in sequence.context.feature.items()}
        assert plain(context) == plain({key: value for key, value in wanted.items() if value is not None})
        assert set(lists) == set(sequence.feature_lists.feature_list)
        for key, steps in sequence.feature_lists.feature_list.items():
            found = [{} if step is None else {"": step} for step in lists[key]]
            values = map(of_feature, steps.feature)
            assert [plain(one) for one in found] == [plain({} if v is None else {"": v}) for v in values]
