"""lhotse, on top of torch's DataLoader: cuts are decoded and their features computed in the worker processes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lhotse import CutSet, Fbank, FbankConfig, Recording
from lhotse.dataset import OnTheFlyFeatures, SimpleCutSampler
from torch.utils.data import DataLoader, Dataset

from benchmarks.data import audio
from benchmarks.systems.kernels import log_mel
from benchmarks.workloads import Job
from dataload.measuring import endless

# Its features are Kaldi's: another mel scale and other frames at the ends, so shapes are compared and values are not.
OWN_VALUES = True


class Cuts(Dataset[Any]):
    """A batch of cuts -> padded features and their lengths."""

    def __init__(self, features: OnTheFlyFeatures) -> None:
        self.features = features

    def __getitem__(self, cuts: CutSet) -> Any:
        return self.features(cuts)


def _audio(job: Job) -> Iterator[Any]:
    transform = log_mel(job)
    cuts = CutSet.from_cuts(Recording.from_file(path).to_cut() for path in audio(job.data, job.dataset)).to_eager()
    config = FbankConfig(
        transform.sample_rate,
        round_to_power_of_two=False,  # 400 points are asked for, not 512
        num_filters=transform.n_mels,
    )
    # One recording at a time is three times as fast as the padded batch at once, which leaves the cache.
    features = OnTheFlyFeatures(Fbank(config), use_batch_extract=False)
    sampler = SimpleCutSampler(cuts, max_cuts=job.batch_size, shuffle=False, drop_last=True)
    loader = DataLoader(
        Cuts(features), sampler=sampler, batch_size=None, num_workers=job.workers, persistent_workers=True
    )
    return endless(loader)


RUNS = {"speech": _audio, "clips": _audio}
CANNOT = dict.fromkeys(("images", "table", "python", "latency"), "reads recordings only")
