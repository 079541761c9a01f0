"""The workloads as data: their sizes stand in one place."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

Metric = Literal[
    "samples_per_s",
    "first_batch_s",
    "cpu_s_per_1000",
    "main_ms_per_batch",
    "parent_ms_per_batch",
    "peak_mb",
    "added_mb",
    "late_mb",
]

# Metrics of which less is better.
COSTS = frozenset(get_args(Metric)) - {"samples_per_s"}


@dataclass(frozen=True)
class Workload:
    """One kind of work.

    Attributes:
        name: on the command line and in the tables `RUNS` of the systems.
        title: what is done.
        samples: in an epoch; a multiple of batch_size unless the rest is left out.
        batch_size: samples in a batch.
        quick_samples: in an epoch of `--quick`.
        metric: what the plot shows and rows are compared by.
        timed: False where only the time to the first batch counts.
        tolerance: relative, of the check that all systems made the same batches.
        data: the data set it reads, if that has another name.
        view_of: the workload whose runs it looks at, where it has none of its own.
        compared: whether there are several systems that must make the same batches.
        shuffled: whether some read in another order: they must make the same samples in an epoch, in any batches.
    """

    name: str
    title: str
    samples: int
    batch_size: int
    quick_samples: int
    metric: Metric = "samples_per_s"
    timed: bool = True
    tolerance: float = 0.0
    data: str | None = None
    view_of: str | None = None
    compared: bool = True
    shuffled: bool = False

    @property
    def runs(self) -> str:
        """The workload whose runs it shows."""
        return self.view_of or self.name

    @property
    def dataset(self) -> str:
        """The data set it reads."""
        return self.data or self.name


WORKLOADS = (
    # Kernels differ in the last bits, and in near-silent bins by more: the means of clips are compared.
    Workload("speech", "FLAC, 4-16 s at 16 kHz -> log-mel 400/160/80 -> padded", 304, 16, 192, tolerance=1e-3),
    Workload("clips", "WAV, 0.3-0.5 s at 8 kHz -> log-mel 200/80/40 -> padded", 3008, 64, 1024, tolerance=1e-3),
    Workload("images", "3x224x224 float32 rows of a memory-mapped .npy", 1024, 64, 1024),
    Workload("table", "five 10000x8 float32 arrays in memory", 10_000, 256, 10_000),
    Workload("python", "1 ms of pure Python per sample", 4096, 16, 4096),
    Workload("latency", "every read waits 20 ms", 4096, 16, 4096),
    Workload(
        "shards",
        "tar shards: 4 kB of each member and a label, not decoded",
        3072,
        64,
        1024,
        data="clips",
        shuffled=True,
    ),
    Workload("shards speech", "FLAC in tar shards -> log-mel -> padded", 304, 16, 192, tolerance=1e-3, data="speech"),
    Workload("remote", "100 kB objects of a server that waits 30 ms", 1024, 16, 256, data="objects"),
    Workload("remote small", "4 kB objects, 64 reads of a worker at a time", 8192, 64, 1024, data="small-objects"),
    Workload(
        "remote shards", "tar shards behind the same server, as in shards", 3072, 64, 1024, data="clips", shuffled=True
    ),
    Workload("tfrecord", "tf.train.Examples of 10 kB and a label", 4096, 64, 1024, data="records", shuffled=True),
    Workload(
        "tfrecord small",
        "tf.train.Examples of 200 B and a label",
        32_768,
        256,
        4096,
        data="small-records",
        shuffled=True,
    ),
    Workload("start", "cold start to the first batch, 2 process workers", 1024, 16, 1024, "first_batch_s", False),
    Workload("main thread", "main-thread CPU per batch on speech", 304, 16, 192, "main_ms_per_batch", view_of="speech"),
    Workload("adapters speech", "speech through the adapters", 304, 16, 192, tolerance=1e-3, data="speech"),
    Workload("adapters images", "images through the adapters", 1024, 64, 1024, data="images"),
    Workload(
        "growth samples", "a lazy source of 10^3 to 10^9 samples, shuffled", 0, 64, 0, "cpu_s_per_1000", compared=False
    ),
    Workload("growth workers", "clips with 1 to 8 process workers", 3008, 64, 1024, data="clips", tolerance=1e-3),
)
BY_NAME = {workload.name: workload for workload in WORKLOADS}


@dataclass(frozen=True)
class Job:
    """One run of one system on one workload, as the process that runs it is told.

    Attributes:
        workload: name.
        system: name.
        data: folder of the data sets.
        samples: in an epoch.
        batch_size: in a batch.
        workers: processes or threads that the system may use.
        seconds: of the timed window; 0 stops after the first batch.
        warm_up: seconds at most before it; it ends with the first epoch.
        reference: file with what the batches must be.
        options: of the system, and of the workload (`iterations`).
    """

    workload: str
    system: str
    data: str
    samples: int
    batch_size: int
    workers: int
    seconds: float
    warm_up: float
    reference: str
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def dataset(self) -> str:
        """The data set of the workload."""
        return BY_NAME[self.workload].dataset

    @property
    def batches(self) -> int:
        """Whole batches in an epoch."""
        return self.samples // self.batch_size

    def with_options(self, **options: Any) -> Job:
        """Return a copy with these options added."""
        return replace(self, options={**self.options, **options})
