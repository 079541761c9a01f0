"""Fields of every kind: the same batch in every kind of worker, or an error that names the field and the mend."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from value_kinds import ALIKE, REFUSED, Checked, Derived

from dataload import ArraySource, Loader, pad, stack
from dataload.errors import CollateError, ConfigError, FieldError
from dataload.samples import get_field, replace_field

WORKERS = [{"num_workers": 0}, {"num_workers": 2, "worker": "thread"}, {"num_workers": 1, "worker": "process"}]


def alike(x):
    return {name: make(x) for name, make in ALIKE.items()}


def refused(x):
    """Field x // 3 of those that are refused, in sample x % 3 of its batch."""
    name = list(REFUSED)[x // 3]
    return {name: REFUSED[name][0](x % 3)}


def comparable(value):
    """The value with its types and the bytes of its arrays."""
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return type(value), value.dtype, value.shape, value.tobytes()
    if isinstance(value, np.ndarray):
        return type(value), value.dtype, value.tolist()
    if isinstance(value, dict):
        return type(value), [(key, comparable(part)) for key, part in value.items()]
    if isinstance(value, list | tuple):
        return type(value), [comparable(part) for part in value]
    if isinstance(value, Derived | Checked):
        return type(value), [comparable(getattr(value, name)) for name in value.__dataclass_fields__ if name != "start"]
    return type(value), value


@pytest.fixture(scope="module")
def batches():
    made = []
    for workers in WORKERS:
        with Loader(range(3), transforms=alike, batch_size=3, **workers) as loader:
            made += list(loader)
    return made


@pytest.mark.parametrize("name", ALIKE)
def test_a_field_is_the_same_in_every_kind_of_worker(batches, name):
    here, threads, process = (comparable(batch[name]) for batch in batches)
    assert here == threads and here == process


@pytest.mark.parametrize("workers", [*WORKERS[:-1], pytest.param(WORKERS[-1], marks=pytest.mark.slow)])
def test_what_makes_no_batch_is_refused_by_its_name_in_every_kind_of_worker(workers):
    loader = Loader(range(3 * len(REFUSED)), transforms=refused, batch_size=3, **workers)
    seen = []
    for k, name in enumerate(REFUSED):
        loader.load_state_dict({**loader.state_dict(), "samples": 3 * k})
        with pytest.raises(CollateError) as caught:
            next(iter(loader))
        seen.append((name, str(caught.value)))
    loader.close()
    for name, message in seen:
        assert message.startswith(f"field '{name}"), message
    assert len(seen) == len(REFUSED)


@pytest.mark.parametrize("name", REFUSED)
def test_an_error_says_what_is_in_which_sample_and_how_to_mend_it(name):
    make, message = REFUSED[name]
    with pytest.raises(CollateError, match=f"^field 'it(.a)?' .*{message.removeprefix('^')}"):
        stack([{"it": make(x)} for x in range(3)])


@pytest.mark.parametrize("name", REFUSED)
def test_an_error_does_not_depend_on_which_sample_comes_first(name):
    make, _ = REFUSED[name]
    with pytest.raises(CollateError, match=r"^field 'it"):
        stack([{"it": make(x)} for x in (2, 1, 0)])


@pytest.mark.parametrize("name", ALIKE)
def test_structure_and_dtype_do_not_depend_on_which_sample_comes_first(name):
    def layout(batch):
        if isinstance(batch, dict):
            return {key: layout(value) for key, value in batch.items()}
        return getattr(batch, "dtype", type(batch)), getattr(batch, "shape", None)

    samples = [ALIKE[name](x) for x in range(3)]
    assert layout(stack(samples)) == layout(stack(samples[::-1]))


def test_kinds_become_what_is_documented(batches):
    batch = batches[0]
    assert batch["text of unlike widths"].tolist() == [["ab", "cde" * n] for n in (1, 2, 3)]
    assert batch["bytes of unlike widths"].tolist() == [[b"a"], [b"aa"], [b"aaa"]]
    assert batch["bytes in memory"] == [b"abc"] * 3 and batch["text and None"] == ["a", None, "a"]
    assert batch["lists of texts"] == [[], ["a"], ["a", "a"]]
    assert batch["a list of truths"].tolist() == [[True, False], [True, True], [True, True]]
    assert batch["int and int64"].dtype == batch["a subclass of int"].dtype == np.int64
    assert batch["an array and a number"].tolist() == [0, 1, 2]
    assert batch["a dataclass with a derived field"].c.tolist() == [3, 3, 3]
    assert batch["a dataclass with a check"].twice.tolist() == [1, 3, 5]


def test_strings_of_any_length_are_one_field():
    if not hasattr(np.dtypes, "StringDType"):
        assert np.lib.NumpyVersion(np.__version__) < "2.0.0"
        return
    samples = [{"s": np.array(["a", "b" * n], np.dtypes.StringDType())} for n in (1, 40)]
    for workers in WORKERS:
        with Loader(samples, batch_size=2, **workers) as loader:
            [batch] = loader
        assert batch["s"].dtype == np.dtypes.StringDType() and batch["s"].tolist() == [["a", "b"], ["a", "b" * 40]]
    assert pad([{"s": samples[0]["s"][:1]}, samples[1]])["s"].tolist() == [["a", ""], ["a", "b" * 40]]


@given(st.lists(st.lists(st.integers(-9, 9), max_size=4), min_size=1, max_size=5))
def test_padded_lists_of_numbers_are_int64_wherever_the_empty_ones_are(lists):
    samples = [{"x": values} for values in lists]
    if not any(lists):
        with pytest.raises(CollateError, match="an empty list in every sample"):
            pad(samples)
        return
    batch = pad(samples)
    assert batch["x"].dtype == np.int64 and batch["x_lengths"].tolist() == [len(values) for values in lists]


def test_equal_batches_are_equal_in_every_byte_of_a_long_double():
    dirty = np.full(4, 255, np.uint8).repeat(np.dtype(np.longdouble).itemsize).view(np.longdouble)
    dirty[:] = 1
    clean = np.zeros(4, np.longdouble)
    clean[:] = 1
    assert (
        stack([dirty]).tobytes() == stack([clean]).tobytes() and pad([dirty])[0].tobytes() == stack([clean]).tobytes()
    )


# Dataclasses whose constructors do not take every field.


def test_a_transform_replaces_any_field_of_a_dataclass():
    sample = Derived(1)
    changed = replace_field(replace_field(sample, "c", 7), "a", 2)
    assert (changed.a, changed.c) == (2, 7) and (sample.a, sample.c) == (1, 3)
    checked = replace_field(Checked(2.0, 1), "a", 3.0)
    assert (checked.a, checked.twice) == (3.0, 5.0)  # its constructor needs more than fields
    [batch] = Loader([Derived(1)] * 2, transforms={"c": lambda c: c + 1}, batch_size=2)
    assert batch.c.tolist() == [4, 4]


def test_a_field_that_was_never_set_is_named():
    sample = object.__new__(Checked)
    with pytest.raises(FieldError, match="field 'twice' of a Checked has no value: set it in __post_init__"):
        get_field(sample, "twice")


def test_a_source_never_loses_a_mask():
    masked = np.ma.masked_array(np.arange(4.0), [True, False, False, False])
    with pytest.raises(ConfigError, match=r"array 'x' is a masked array.*x\.filled"):
        ArraySource({"x": masked})
    with pytest.raises((ConfigError, CollateError), match="is a masked array"):
        list(Loader(masked.reshape(2, 2)))
