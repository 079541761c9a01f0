"""The workloads, and what dataload has to reach on them, as data.

Apart from the code that runs and judges them, so that sizes and goals can be read in one place.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
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
        name: also the name of the function in a system's module, with `_` for spaces.
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

    @property
    def function(self) -> str:
        """Name of the function that runs it."""
        return self.name.replace(" ", "_")


WORKLOADS = (
    # Kernels differ in the last bits, and in near-silent bins by more: the means of clips are compared.
    Workload("speech", "FLAC, 4-16 s at 16 kHz -> log-mel 400/160/80 -> padded", 304, 16, 192, tolerance=1e-3),
    Workload("clips", "WAV, 0.3-0.5 s at 8 kHz -> log-mel 200/80/40 -> padded", 3008, 64, 1024, tolerance=1e-3),
    Workload("images", "3x224x224 float32 rows of a memory-mapped .npy", 1024, 64, 1024),
    Workload("table", "five 10000x8 float32 arrays in memory", 10_000, 256, 10_000),
    Workload("python", "1 ms of pure Python per sample", 4096, 16, 4096),
    Workload("latency", "every read waits 20 ms", 4096, 16, 4096),
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
class Goal:
    """One line of what must be reached: the best of `ours` over the best of `theirs`, compared with `bound`.

    Attributes:
        workload: where.
        text: as a person would say it.
        ours: names of rows; the best one counts.
        theirs: names of rows, or "any peer" for all rows of peers used in the ordinary way ("any" and a role); none
            compares the value itself with the bound.
        bound: what the ratio must reach (or, for costs, must not exceed).
        metric: what is compared.
    """

    workload: str
    text: str
    ours: tuple[str, ...]
    theirs: tuple[str, ...]
    bound: float
    metric: Metric = "samples_per_s"

    @property
    def at_most(self) -> bool:
        """Whether the ratio must stay below the bound."""
        return self.metric in COSTS


BASE = ("dataload thread", "dataload process", "dataload auto")
FAST = ("dataload thread +fast", "dataload process +fast", "dataload auto +fast")
PEERS = ("any peer",)

GOALS = (
    Goal("speech", "1.3 x best peer, base dependencies", BASE, PEERS, 1.3),
    Goal("speech", "1.8 x best peer, with fast", FAST, PEERS, 1.8),
    Goal("speech", "90 % of the limit", BASE, ("limit",), 0.9),
    Goal("speech", "90 % of the limit, with fast", FAST, ("limit +fast",), 0.9),
    Goal("clips", "2.5 x best peer", BASE + FAST, PEERS, 2.5),
    Goal("images", "3 x best peer", BASE, PEERS, 3.0),
    Goal("table", "20 x torch", (*BASE, "dataload no workers"), ("torch",), 20.0),
    Goal("table", "10 x best peer", (*BASE, "dataload no workers"), PEERS, 10.0),
    Goal("python", "best peer", BASE, PEERS, 1.0),
    Goal("latency", "10 x best peer with 2 workers", BASE, PEERS, 10.0),
    Goal("latency", "0.95 x peers that are given as many threads", BASE, ("any by hand",), 0.95),
    *(
        Goal(name, "auto within 10 % of thread and process", ("dataload auto",), BASE[:2], 0.9)
        for name in ("speech", "clips", "images", "python")
    ),
    Goal("start", "0.4 x torch spawn", ("dataload process",), ("torch spawn",), 0.4, "first_batch_s"),
    Goal("main thread", "at most Grain's", ("dataload process",), ("grain processes",), 1.0, "main_ms_per_batch"),
    *(
        Goal(f"adapters {name}", f"{adapter} {bound} x the bare Loader", (adapter,), ("bare Loader",), bound)
        for name, bound in (("speech", 0.95), ("images", 0.85))
        for adapter in ("to_dataloader", "to_dataset")
    ),
    # "Flat" leaves room for what two runs of the same thing differ by.
    Goal("growth samples", "10^9 costs what 10^3 does", ("10^9 samples",), ("10^3 samples",), 1.15, "cpu_s_per_1000"),
    Goal("growth samples", "10^9: under 50 MB over the batches in flight", ("10^9 samples",), (), 50.0, "added_mb"),
    Goal("growth samples", "10^3: no memory more after hundreds of epochs", ("10^3 samples",), (), 5.0, "late_mb"),
    Goal("growth workers", "8 workers on 2 cores 0.9 x of 2", ("8 workers",), ("2 workers",), 0.9),
)


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

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return asdict(self)

    def for_system(self, system: str) -> Job:
        """Return the same job for another system."""
        return replace(self, system=system)

    def with_options(self, **options: Any) -> Job:
        """Return a copy with these options added."""
        return replace(self, options={**self.options, **options})
