"""What others add, each in one file outside of the package, keeps the contracts and works with everything else."""

from itertools import islice

import conformance
import numpy as np
import pytest
from extensions.loudness import Loudness
from extensions.plain import PlainBatches
from extensions.pool import PoolWorkers
from extensions.squares import Squares
from extensions.strides import Strides

from dataload import Chain, Loader, pad
from dataload.transforms import Spectrogram
from dataload.workers import KINDS

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("leaves_nothing")]


def loader(**options):
    options = {"batch_size": 4, "collate_fn": pad, **options}
    return Loader(Squares(21), sampler=Strides(21), transforms={"square": lambda x: np.full(x % 3 + 1, x)}, **options)


def test_a_source():
    conformance.check_source(Squares(21), length=21)


def test_a_sampler():
    conformance.check_sampler(Strides(21), length=21)


def test_a_transform():
    power = np.random.default_rng(0).uniform(0, 1, (30, 20)).astype(np.float32)
    conformance.check_transform(Loudness(), [power, power[:7], 1e-9 * power])
    chain = Chain([Spectrogram(8_000), Loudness(1e-5)])
    assert Chain.from_json(chain.to_json()) == chain
    conformance.check_graph(chain)


@pytest.mark.parametrize("count", [1, 3])
def test_a_kind_of_worker(count):
    conformance.check_workers(PoolWorkers, count)


def test_an_adapter():
    conformance.check_adapter(lambda **options: PlainBatches(loader(**options)))


def test_a_kind_of_worker_is_given_itself_or_by_a_name_of_its_own(monkeypatch):
    expected = list(loader())
    with loader(worker=PoolWorkers, num_workers=2) as batches:
        assert "2 PoolWorkers workers" in repr(batches)
        assert conformance.equal(list(batches), expected)
    monkeypatch.setitem(KINDS, "pool", PoolWorkers)
    with loader(worker="pool", num_workers=2) as batches:
        assert conformance.equal(list(batches), expected)
        assert batches.stats.worker == "pool" and batches.stats.num_workers == 2


@pytest.mark.parametrize(("worker", "num_workers"), [("thread", 2), ("process", 2), (PoolWorkers, 2)])
def test_all_of_them_together_resume_at_any_batch(worker, num_workers):
    options = {"worker": worker, "num_workers": num_workers}
    whole = list(PlainBatches(loader()))
    for stop in range(len(whole)):
        with loader(**options) as first, loader(**options) as second:
            begun, resumed = PlainBatches(first), PlainBatches(second)
            assert list(islice(begun, stop)) == whole[:stop]
            resumed.load_state_dict(begun.state_dict())
            assert list(resumed) == whole[stop:]
