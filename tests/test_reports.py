"""Faults that were reported of other data loaders, each in a few lines: this one stands up to them."""

import io
import json
import sys

import numpy as np
import pytest
import soundfile
from faults.scripts import run

from dataload import Loader, pad
from dataload.transforms import AddNoise, DecodeAudio

pytestmark = [pytest.mark.usefixtures("leaves_nothing"), pytest.mark.slow]


def make(n, **options):
    return Loader(range(n), batch_size=2, shuffle=True, seed=1, **options)


def truth():
    loader = make(10)
    return [batch.tolist() for _ in range(4) for batch in loader]


@pytest.mark.parametrize("stops", [(5,), (3, 1, 1), (1,) * 6, (6, 4, 7)], ids=str)
@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_run_that_is_stopped_several_times_in_an_epoch_and_at_its_end_repeats_nothing(stops, num_workers):
    got, state = [], None
    for left in stops:
        with make(10, num_workers=num_workers, worker="process") as loader:
            if state is not None:
                loader.load_state_dict(json.loads(json.dumps(state)))
            while left:
                for batch in loader:
                    got.append(batch.tolist())
                    left -= 1
                    if not left:
                        state = loader.state_dict()
                        break
    assert got == truth()[: len(got)]


def sound(values, rate=16_000, kind="WAV"):
    file = io.BytesIO()
    soundfile.write(file, values, rate, format=kind)
    return file


def test_a_silent_noise_file_leaves_the_clip_finite():
    noise = AddNoise(10.0, source=[sound(np.zeros(16_000)).getvalue()], sample_rate=16_000)
    assert np.isfinite(noise(np.ones(16_000, np.float32), np.random.default_rng(0))).all()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of descriptors")
def test_hundreds_of_batches_are_kept_with_few_descriptors(tmp_path):
    code = """
    import resource
    import numpy as np
    from dataload import Loader
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    with Loader(range(20000), transforms=lambda i: np.full((50, 2), i, "f8"), batch_size=32, num_workers=2,
                worker="process") as loader:
        kept = list(loader)
    print(len(kept), all(int(batch[0, 0, 0]) == i * 32 for i, batch in enumerate(kept)))
    """
    assert run(code, tmp_path) == ["625 True"]


def test_mp3_is_read_from_an_open_file_in_memory():
    file = sound(0.1 * np.ones(16_000), kind="MP3")
    file.seek(0)
    assert len(DecodeAudio(16_000)(file)) > 15_000


def test_an_empty_list_beside_full_ones_changes_no_type():
    (batch,) = Loader([{"i": []}, {"i": [1]}], batch_size=2, collate_fn=pad)
    assert batch["i"].dtype == np.int64 and batch["i"].tolist() == [[0], [1]]


@pytest.mark.parametrize("world", [2, 3, 5])
def test_uneven_ranks_take_equally_many_steps_and_share_all_samples(world):
    parts = [[b.tolist() for b in Loader(range(7), shard=(rank, world), batch_size=2)] for rank in range(world)]
    assert len({len(part) for part in parts}) == 1
    seen = sorted(sample for part in parts for batch in part for sample in batch)
    assert sorted(set(seen)) == list(range(7))
    assert world > 2 or seen == list(range(7))
