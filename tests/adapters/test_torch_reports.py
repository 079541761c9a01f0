"""Faults that were reported of torch's data loaders: this one stands up to them through its adapter."""

import json
import sys

import numpy as np
import pytest
from faults.scripts import run

from dataload import ArraySource, Loader
from dataload.adapters.torch import to_dataloader

pytestmark = pytest.mark.usefixtures("leaves_nothing")


def make(**options):
    return Loader(range(10), batch_size=2, shuffle=True, seed=1, **options)


@pytest.mark.parametrize("stops", [(5,), (3, 1, 1), (1,) * 6, (6, 4, 7)], ids=str)
def test_a_run_that_is_stopped_several_times_repeats_nothing(stops):
    whole = make()
    truth = [batch.tolist() for _ in range(4) for batch in whole]
    got, state = [], None
    for left in stops:
        with make(num_workers=1, worker="process") as loader:
            batches = to_dataloader(loader)
            if state is not None:
                batches.load_state_dict(json.loads(json.dumps(state)))
            while left:
                for batch in batches:
                    got.append(batch.tolist())
                    left -= 1
                    if not left:
                        state = batches.state_dict()
                        break
    assert got == truth[: len(got)]


def test_big_endian_arrays_become_tensors():
    loader = Loader(ArraySource(np.arange(3).astype(">f4")), batch_size=3)
    assert next(iter(to_dataloader(loader))).tolist() == [0, 1, 2]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of descriptors")
def test_hundreds_of_tensors_are_kept_with_few_descriptors(tmp_path):
    code = """
    import resource
    import numpy as np
    from dataload import Loader
    from dataload.adapters.torch import to_dataloader
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
    loader = Loader(range(20000), transforms=lambda i: np.full((50, 2), i, "f8"), batch_size=32, num_workers=2,
                    worker="process")
    kept = list(to_dataloader(loader))
    loader.close()
    print(len(kept), all(int(batch[0, 0, 0]) == i * 32 for i, batch in enumerate(kept)))
    """
    assert run(code, tmp_path) == ["625 True"]
