"""JAX on the loader: pytrees of arrays, on the loader's memory or over several devices, and the state of the loop."""

import os
import subprocess
import sys

import jax
import numpy as np
import pytest
from adapter_data import epochs, labels, make, twenty_numbers

from dataload import Loader
from dataload.adapters.jax import to_jax
from dataload.errors import CollateError

FIRST, SECOND, THIRD = epochs(3)


def numbers(n=20, **options):
    """A shuffled loader without strings, which JAX has no arrays of."""
    samples = [
        {"x": np.full(3, i, np.float32), "label": i, "more": (np.uint8(i), [np.full(2, i / 2), i > 3])}
        for i in range(n)
    ]
    return Loader(samples, batch_size=6, shuffle=True, seed=5, **options)


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("worker", ["thread", "process"])
def test_batches_are_those_of_the_loader(num_workers, worker, leaves_nothing):
    with numbers(num_workers=num_workers, worker=worker) as loader:
        for got, bare in zip(to_jax(loader), numbers(), strict=True):
            assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(got))
            assert got["more"][0].dtype == np.uint8 and isinstance(got["more"][1], tuple)
            flat = jax.tree.leaves({**bare, "more": (bare["more"][0], tuple(bare["more"][1]))})
            assert all(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(got), flat, strict=True))


def test_a_batch_goes_through_jit():
    summed = jax.jit(lambda batch: batch["x"].sum() + batch["label"].sum())
    assert sum(float(summed(batch)) for batch in to_jax(numbers())) == 4 * sum(range(20))


def test_each_pass_is_the_next_epoch_and_the_state_is_that_of_the_loop():
    batches = to_jax(numbers())
    assert len(batches) == 4 and [labels(batches), labels(batches)] == [FIRST, SECOND]
    current = iter(batches)
    next(current), next(current)
    resumed = to_jax(numbers())
    resumed.load_state_dict(batches.state_dict())
    assert labels(resumed) == THIRD[2:]
    resumed.set_epoch(1)
    assert labels(resumed) == SECOND
    assert repr(resumed) == f"to_jax({resumed.loader!r}, sharding=None)"


def test_large_arrays_stay_on_the_loaders_memory():
    rows = np.random.default_rng(0).random((8, 4096), np.float32)
    addresses = []

    def collate(samples, *, alloc):
        out = alloc((len(samples), 4096), np.dtype(np.float32))
        out[...] = samples
        addresses.append(out.ctypes.data)
        return out

    kept = list(to_jax(Loader(rows, batch_size=4, collate_fn=collate)))
    assert [array.unsafe_buffer_pointer() for array in kept] == addresses
    assert np.array_equal(np.concatenate(kept), rows)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("text", r"field 'meta.odd' is text, which JAX has no arrays of: make numbers of it .*leave the field out"),
        (None, "field 'meta.odd' holds a NoneType"),
        (np.zeros(2, "M8[s]"), r"field 'meta.odd' is datetime64\[s\], which JAX has no arrays of"),
        (np.zeros(2, np.longdouble), "field 'meta.odd' is float128, which JAX has no arrays of"),
        (2**40, "field 'meta.odd' has whole numbers beyond 32 bits, which JAX would cut off: set jax.config.update"),
    ],
)
def test_what_jax_has_no_arrays_of_is_refused_by_the_name_of_its_field(value, message):
    with pytest.raises(CollateError, match=message):
        list(to_jax(Loader([{"meta": {"odd": value}}])))


SHARDED = """
import jax, numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from dataload import Loader
from dataload.adapters.jax import to_jax
from dataload.errors import CollateError

sharding = NamedSharding(jax.make_mesh((4,), ("data",)), PartitionSpec("data"))
loader = Loader([{"x": np.full(3, i, np.float32), "label": i} for i in range(22)], batch_size=8, drop_last=True)
seen = []
for batch in to_jax(loader, sharding):
    assert batch["x"].sharding == sharding and len(batch["x"].addressable_shards) == 4
    assert [shard.data.shape for shard in batch["x"].addressable_shards] == [(2, 3)] * 4
    seen += batch["label"].tolist()
assert seen == list(range(16)), seen
try:
    list(to_jax(loader.with_options(drop_last=False), sharding))
except CollateError as error:
    assert "field 'x' has shape (6, 3)" in str(error) and "drop_last=True" in str(error), error
else:
    raise AssertionError("six samples went onto four devices")
"""


def test_with_a_sharding_each_device_has_its_part():
    flags = "--xla_force_host_platform_device_count=4"
    subprocess.run([sys.executable, "-c", SHARDED], check=True, env={**os.environ, "XLA_FLAGS": flags})


def test_an_array_of_strings_is_refused_too():
    with pytest.raises(CollateError, match="field 'name' is text"):
        next(iter(to_jax(make())))
    assert len(list(to_jax(Loader(twenty_numbers(), batch_size=5)))) == 4
