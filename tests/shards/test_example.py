"""tf.train.Example, read and written without protobuf: what protobuf makes of the same is in tests/extras."""

import itertools
import random
import tracemalloc

import numpy as np
import pytest
from example_bytes import EIGHT, FOUR, GROUP, LENGTH, VALID, VARINT, entry, example, field, inside, mutated, varint
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dataload.errors import ConfigError, DecodeError
from dataload.shards.example import encode_example, parse_example, parse_sequence_example
from dataload.shards.layouts import Layouts
from dataload.shards.messages import features


def same(found, wanted):
    assert list(found) == list(wanted)
    for name, value in wanted.items():
        if isinstance(value, list):
            assert found[name] == value
        else:
            assert found[name].dtype == value.dtype and found[name].tobytes() == value.tobytes()


def ints(*parts):
    return example(entry(b"x", inside(3, *parts)))


def test_lists_come_as_bytes_float32_and_int64():
    found = parse_example(encode_example({"b": [b"\xff", b""], "f": [0.5, -1.0], "i": [3, -7, 2**62]}))
    same(found, {"b": [b"\xff", b""], "f": np.array([0.5, -1], "f4"), "i": np.array([3, -7, 2**62])})


def test_arrays_are_writable_and_do_not_hold_the_record():
    found = parse_example(encode_example({"f": np.ones(40), "i": np.arange(300), "one": 1}))
    for value in found.values():
        value += 1
        assert value.base is None or value.base.nbytes == value.nbytes


def test_packed_and_single_values_are_one_list():
    data = ints(field(1, VARINT, varint(5)), inside(1, varint(-1), varint(300)), field(1, VARINT, varint(2**63)))
    same(parse_example(data), {"x": np.array([5, -1, 300, -(2**63)])})
    data = example(entry(b"x", inside(2, field(1, FOUR, b"\0\0\x80?"), inside(1, b"\0\0\0@" * 2))))
    same(parse_example(data), {"x": np.array([1, 2, 2], "f4")})


def test_lists_of_one_kind_are_joined_and_another_kind_takes_their_place():
    first, second, other = (inside(kind, inside(1, text)) for kind, text in ((1, b"a"), (1, b"b"), (3, b"\7")))
    same(parse_example(example(entry(b"x", first + second))), {"x": [b"a", b"b"]})
    same(parse_example(example(entry(b"x", first, second))), {"x": [b"a", b"b"]})
    same(parse_example(example(entry(b"x", first + other))), {"x": np.array([7])})
    same(parse_example(example(entry(b"x", first + other + second))), {"x": [b"b"]})


def test_the_last_entry_of_a_name_counts():
    one, two = (inside(1, inside(1, text)) for text in (b"1", b"2"))
    same(parse_example(example(entry(b"x", one), entry(b"y", one), entry(b"x", two))), {"x": [b"2"], "y": [b"1"]})
    same(parse_example(example(entry(b"x", one)) + example(entry(b"x", two))), {"x": [b"2"]})
    same(parse_example(example(inside(1, inside(1, b"x"), inside(1, b"y"), inside(2, one)))), {"y": [b"1"]})


def test_a_feature_without_a_list_is_missing_and_one_without_a_name_has_the_empty_one():
    full = inside(1, inside(1, b"1"))
    assert parse_example(example(entry(b"x", b""), entry(b"y"))) == {}
    assert parse_example(example(entry(b"x", full), entry(b"x"))) == {}
    assert parse_example(example(inside(1, inside(2, full)))) == {"": [b"1"]}
    assert parse_example(b"") == parse_example(example()) == {}


def test_an_empty_list_is_a_list():
    same(
        parse_example(example(*(entry(b"%d" % kind, inside(kind)) for kind in (1, 2, 3)))),
        {"1": [], "2": np.zeros(0, "f4"), "3": np.zeros(0, "i8")},
    )
    same(parse_example(ints(inside(1))), {"x": np.zeros(0, "i8")})


def test_fields_that_nobody_knows_are_passed_over():
    group = field(9, GROUP, field(1, VARINT, b"\1") + field(3, LENGTH, b"abc") + varint(9 << 3 | 4))
    strange = (
        group + field(8, EIGHT, b"8" * 8) + field(7, FOUR, b"4" * 4) + field(6, VARINT, varint(-1)) + inside(5, b"")
    )
    value = inside(1, strange, inside(1, b"v"), strange)
    data = strange + inside(
        1, strange, inside(1, strange, inside(1, b"x"), inside(2, strange, value), strange), strange
    )
    assert parse_example(data) == {"x": [b"v"]}


def test_a_field_in_another_encoding_is_another_field():
    data = example(entry(b"x", inside(1, field(1, VARINT, b"\5"), inside(1, b"v")) + field(3, VARINT, b"\1")))
    assert parse_example(data) == {"x": [b"v"]}
    same(parse_example(ints(field(1, FOUR, b"abcd"))), {"x": np.zeros(0, "i8")})


def test_numbers_may_be_written_longer_than_needed():
    same(parse_example(ints(inside(1, varint(5, 10), varint(-1), varint(1, 3)))), {"x": np.array([5, -1, 1])})
    value = entry(b"x", inside(1, inside(1, b"v")))
    assert parse_example(b"\x8a\x80\x80\x80\0" + varint(len(value), 5) + value) == {"x": [b"v"]}


@given(hnp.arrays(np.int64, st.integers(0, 60)))
def test_every_int64_comes_back(values):
    same(parse_example(encode_example({"x": values})), {"x": values})


@pytest.mark.slow
@given(hnp.arrays(np.float32, st.integers(0, 60)))
def test_every_float32_comes_back_nan_and_infinity_too(values):
    found = parse_example(encode_example({"x": values}))["x"]
    np.testing.assert_array_equal(found, values)
    assert found.dtype == np.float32


@pytest.mark.slow
@given(st.dictionaries(st.text(max_size=20), st.lists(st.binary(max_size=300), min_size=1, max_size=3), max_size=5))
def test_bytes_come_back_under_any_name(sample):
    found = parse_example(encode_example(sample))
    assert found == sample and list(found) == sorted(sample)
    assert encode_example(dict(reversed(sample.items()))) == encode_example(sample)


@pytest.mark.slow
@given(VALID)
def test_what_is_valid_is_read_alike_in_one_loop_and_field_by_field(data):
    same(parse_example(data), features(data, 1))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x0a", "byte 1: a number is cut off"),
        (b"\x0a\x05abc", "byte 1: field 1 has 5 bytes, and 3 are left"),
        (b"\x0a" + varint(2**31), "field 1 has 2147483648 bytes, and 0 are left"),
        (b"\x0a" + varint(1, 6) + b"\0", "byte 1: a number is cut off, or has more than 5 bytes"),
        (b"\x00\x00", "byte 0: there is no field with the tag 0"),
        (b"\x14", "byte 0: there is no field with the tag 20"),
        (b"\x16", "field 2 is encoded in way 6, which there is not"),
        (b"\xf8\xff\xff\xff\x1f\0", "there is no field with the tag"),
        (b"\x13\x08\x01", "byte 3: a number is cut off"),
        (b"\x13\x1c", "byte 1: field 3 ends, which had not begun"),
        (b"\x13" * 101 + b"\x14" * 101, "more than 100 deep"),
        (b"\x09abc", "field 1 has 8 bytes, and 3 are left"),
        (b"\x70" + b"\xff" * 10 + b"\1", "more than 10 bytes"),
        (example(entry(b"\xff", b"")), r"the name of a feature, b'\\xff', is no UTF-8"),
        (example(entry(b"x", inside(2, inside(1, b"12345")))), "a list of floats has 5 bytes"),
        (ints(inside(1, b"\xff" * 10 + b"\1")), "a list of integers holds one that is cut off"),
        (ints(inside(1, b"\1\x80")), "a list of integers holds one that is cut off"),
        (ints(inside(1, b"\1" * 40 + b"\x80")), "a list of integers holds one that is cut off"),
        # Wrong also where something else takes its place.
        (example(entry(b"x", inside(3, inside(1, b"\x80")) + inside(1))), "a list of integers holds one"),
    ],
)
def test_what_is_malformed_is_named_with_its_byte(data, message):
    with pytest.raises(DecodeError, match=message):
        parse_example(data)


def test_a_length_costs_no_memory():
    data = ints(field(1, LENGTH, b"")[:1] + varint(2**31 - 1))
    tracemalloc.start()
    try:
        for content in (data, b"\x0a" + varint(2**31 - 1), example(entry(b"x", b"\x0a" + varint(2**28)))):
            with pytest.raises(DecodeError):
                parse_example(content)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.slow
def test_garbage_is_a_value_or_an_error_of_its_kind(budget):
    rng = random.Random(3)
    kinds = [b"x", ["a", "bb"], 3, -1, [1, 2**40, -5], np.arange(30) - 3, 1.5, [1.0, 2.0], b"z" * 200]
    accepted = 0
    for _ in range(20_000 * budget):
        sample = {rng.choice(["a", "b", "label"]): rng.choice(kinds) for _ in range(3)}
        data = mutated(encode_example(sample), rng) if rng.random() < 0.8 else rng.randbytes(rng.randrange(40))
        try:
            found = parse_example(data)
        except DecodeError as error:
            with pytest.raises(DecodeError):
                features(data, 1)
            assert str(error).startswith("byte ")
            continue
        same(found, features(data, 1))
        accepted += 1
    assert 2_000 < accepted < 18_000 * budget


def test_every_cut_of_an_example_is_an_error_but_those_between_its_fields():
    data = encode_example({"image": b"x" * 200, "label": [1, -1], "score": 0.5})
    for end in range(1, len(data)):
        with pytest.raises(DecodeError, match=r"byte 1: field 1 has|a number is cut off"):
            parse_example(data[:end])


def test_a_sequence_example_gives_context_and_steps():
    steps = inside(1, inside(3, inside(1, b"\1\2"))) + inside(1, b"") + inside(1, inside(3, inside(1, b"\3")))
    data = inside(1, entry(b"id", inside(1, inside(1, b"7")))) + inside(
        2, inside(1, inside(1, b"tokens"), inside(2, steps))
    )
    context, lists = parse_sequence_example(data)
    assert context == {"id": [b"7"]} and list(lists) == ["tokens"]
    assert [None if step is None else step.tolist() for step in lists["tokens"]] == [[1, 2], None, [3]]
    assert parse_example(data) == context
    assert parse_sequence_example(b"") == ({}, {})


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("ü", ["ü".encode()]),
        (("a", b"b"), [b"a", b"b"]),
        (np.array(["a", "bc"]), [b"a", b"bc"]),
        (np.array([], object), []),
        (np.bytes_(b"x"), [b"x"]),
        (bytearray(b"x"), [b"x"]),
        (True, np.array([1])),
        (np.array([True, False]), np.array([1, 0])),
        ([np.uint8(7), -3], np.array([7, -3])),
        (np.uint8(200), np.array([200])),
        (np.array([2**63 - 1], np.uint64), np.array([2**63 - 1])),
        ([1, 0.5], np.array([1, 0.5], "f4")),
        (np.float64(0.1), np.array([0.1], "f4")),
        (np.array([0.5], np.float16), np.array([0.5], "f4")),
        (np.arange(6, dtype=">i4")[::2], np.array([0, 2, 4])),
        (float("inf"), np.array([np.inf], "f4")),
        (np.array([], np.int32), np.array([], np.int64)),
    ],
    ids=repr,
)
def test_what_python_and_numpy_have_is_written_as_one_of_the_three_lists(value, found):
    same(parse_example(encode_example({"x": value})), {"x": found})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "is or holds NoneType"),
        ({"y": 1}, "is or holds dict"),
        ([b"a", 1], "is or holds bytes, int: give"),
        ([[1], [2]], "is or holds list"),
        ([1, None], "is or holds NoneType, int"),
        ([], "is an empty list, of which it is not known of what"),
        (1j, "is or holds complex"),
        (np.zeros(2, complex), "is an array of complex128"),
        (np.zeros((2, 3)), r"has the shape \(2, 3\)"),
        (np.zeros(1, "M8[s]"), "is an array of datetime64"),
        (2**63, "has the number 9223372036854775808, which does not fit 64 bits"),
        ([2**63, -1], "has the number 9223372036854775808"),
        (np.array([2**63], np.uint64), "has the number 9223372036854775808"),
        (1e300, "has a number beyond the largest float32"),
        ([10**400, 0.5], "has a number beyond the largest float32"),
        (np.array([1e300]), "has a number beyond the largest float32"),
        ("\ud800", "surrogates not allowed"),
    ],
    ids=repr,
)
def test_what_is_no_list_is_an_error_that_names_the_feature(value, message):
    with pytest.raises(ConfigError, match=f"feature 'x' .*({message})"):
        encode_example({"y": 1, "x": value})


def test_a_sample_has_names_that_are_text():
    with pytest.raises(ConfigError, match="a sample to write is a list"):
        encode_example([1])
    with pytest.raises(ConfigError, match="a feature is called 3"):
        encode_example({3: 1})


def outcome(parse, data):
    try:
        return parse(data)
    except DecodeError as error:
        return str(error)


@given(st.lists(st.lists(st.sampled_from([b"a", b"bb", b"\xff"]), max_size=2), min_size=1, max_size=3), st.data())
def test_examples_that_are_laid_out_alike_are_read_as_if_each_were_the_first(lists, data):
    """Parsed before were others of the same length: of the same layout, and of almost the same."""
    layouts = Layouts()
    for _ in range(data.draw(st.integers(2, 12))):
        values = {
            f"v{i}": [data.draw(st.binary(min_size=len(b), max_size=len(b))) for b in one]
            for i, one in enumerate(lists)
        }
        values["n"] = data.draw(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=3))
        values["f"] = data.draw(st.lists(st.floats(width=32), max_size=3))
        names = data.draw(st.permutations(list(values)))
        record = encode_example({name: values[name] for name in names if values[name]})
        if data.draw(st.booleans()) and record:
            at = data.draw(st.integers(0, len(record) - 1))
            record = record[:at] + bytes([data.draw(st.integers(0, 255))]) + record[at + 1 :]
        wanted = outcome(lambda data: features(data, 1), record)
        found = outcome(lambda data: parse_example(data, layouts), record)
        assert type(found) is type(wanted)
        if isinstance(found, dict):
            same(found, wanted)
        else:
            assert found == wanted


def test_what_is_remembered_of_layouts_is_bounded():
    layouts = Layouts()
    for size in [*range(1, 6000), *range(1, 6000)]:
        parse_example(encode_example({"x": bytes(size)}), layouts)
    for order in itertools.permutations(["a", "b", "c", "d"]):
        for _ in range(2):
            parse_example(encode_example(dict.fromkeys(order, 1)), layouts)
    assert len(layouts._known) <= 4096 and max(map(len, layouts._known.values())) <= 8
