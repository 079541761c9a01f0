"""lhotse, on top of torch's DataLoader: cuts are decoded and their features computed in the worker processes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lhotse import CutSet, Fbank, FbankConfig, Recording
from lhotse.dataset import OnTheFlyFeatures, SimpleCutSampler
from torch.utils.data import DataLoader, Dataset

from benchmarks.data import files
from benchmarks.systems.kernels import log_mel
from benchmarks.workloads import Job

_AUDIO_ONLY = "reads recordings only"
CANNOT = dict.fromkeys(("images", "table", "python", "latency"), _AUDIO_ONLY)

# Its features are Kaldi's: another mel scale and other frames at the ends, so shapes are compared and values are not.
OWN_VALUES = True


class Cuts(Dataset[Any]):
    """A batch of cuts -> padded features and their lengths."""

    def __init__(self, features: OnTheFlyFeatures) -> None:
        self.features = features

    def __getitem__(self, cuts: CutSet) -> Any:
        return self.features(cuts)


def speech(job: Job) -> Iterator[Any]:
    return _audio(job, "flac")


def clips(job: Job) -> Iterator[Any]:
    return _audio(job, "wav")


def _audio(job: Job, suffix: str) -> Iterator[Any]:
    transform = log_mel(job.workload)
    cuts = CutSet.from_cuts(Recording.from_file(path).to_cut() for path in files(job.data, suffix)).to_eager()
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
    return _for_ever(loader)


def _for_ever(loader: DataLoader[Any]) -> Iterator[Any]:
    while True:
        yield from loader
