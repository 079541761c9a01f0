"""The systems that are compared: which module runs each, in which setting, on which workloads.

Every module has two tables by workload: `RUNS`, from a job to an endless stream of batches, and `CANNOT`, the reasons
for those that are left out. This list can be read without importing any peer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Role = Literal["dataload", "peer", "by hand", "limit", "reference"]

AUDIO = ("speech", "clips")
ORDINARY = (*AUDIO, "images", "table", "python", "latency")
SHARDS = ("shards", "shards speech", "remote shards")
REMOTE = ("remote", "remote small")
RECORDS = ("tfrecord", "tfrecord small")
ADAPTERS = ("adapters speech", "adapters images")
KINDS = ("thread", "process", "auto")
# Modules of peers that have an environment of their own.
_OWN = ("streaming", "litdata")
# Modules -> packages that they need, where those have other names or there is none.
_NEEDS = {"dataload": None, "limit": None, "tfdata": "tensorflow"}


@dataclass(frozen=True)
class System:
    """One row of a table.

    Attributes:
        name: of the row.
        module: below `benchmarks.systems`.
        workloads: that it runs.
        options: for the module.
        role: "peer" is a peer in the way that its own documentation shows; "by hand" is one that needs code that does
            the loader's work by hand, or more threads than the others' two: shown, but never the best peer; "limit" is
            the bare work.
        fast: whether dataload may use its extra `fast`.
        quick: whether `--quick` runs it.
    """

    name: str
    module: str
    workloads: tuple[str, ...] = ORDINARY
    options: dict[str, Any] = field(default_factory=dict)
    role: Role = "peer"
    fast: bool = False
    quick: bool = True

    @property
    def family(self) -> str:
        """What `--systems` names."""
        return "tf.data" if self.module == "tfdata" else self.module

    @property
    def needs(self) -> str | None:
        """Package that must be installed."""
        adapter: str | None = self.options.get("adapter")
        return adapter or _NEEDS.get(self.module, self.module)

    @property
    def own(self) -> bool:
        """Whether it is run by the interpreter of `python -m benchmarks peers`."""
        return self.module in _OWN

    def runs(self, workload: str) -> bool:
        """Return whether it has a row in the table of a workload."""
        return workload in self.workloads


def _ours(name: str, worker: str, *workloads: str, fast: bool = False, **options: Any) -> System:
    return System(name, "dataload", workloads or ORDINARY, {"worker": worker, **options}, "dataload", fast)


_32 = {"threads": 32}
_ALL = (
    _ours("dataload thread", "thread", *ORDINARY, *SHARDS, *REMOTE, *RECORDS),
    _ours("dataload process", "process", *ORDINARY, *SHARDS, *REMOTE, *RECORDS, "start"),
    _ours("dataload auto", "auto"),
    # The others read files from front to back.
    _ours("dataload process, shuffled", "process", *RECORDS, shuffle=True),
    *(_ours(f"dataload {kind} +fast", kind, *AUDIO, fast=True) for kind in KINDS),
    # Gathering rows in memory takes less time than handing a batch over; torch has no workers there either.
    _ours("dataload no workers", "serial", "table"),
    System("torch", "torch", (*ORDINARY, *REMOTE, "remote shards")),
    System("torch, numpy kernel", "torch", AUDIO, {"kernel": "numpy"}),
    System("torch, batches by hand", "torch", ("images", "table"), {"by_hand": True}, "by hand", quick=False),
    System("tf.data", "tfdata", (*ORDINARY, *RECORDS)),
    System("tf.data AUTOTUNE", "tfdata", RECORDS, {"autotune": True}, quick=False),
    System("grain threads=0", "grain", options={"threads": 0}, quick=False),
    # In `latency` its 16 threads are compared with 16 of the others', below.
    System("grain default", "grain", (*AUDIO, "images", "table", "python"), quick=False),
    System("grain threads=2", "grain", (*ORDINARY, "remote"), {"threads": 2}),
    System("grain processes", "grain", (*ORDINARY, "start"), {"threads": 1, "processes": True}),
    System("spdl", "spdl", (*ORDINARY, "remote")),
    System("spdl default", "spdl", (*AUDIO, "images", "table"), {"stages": True}, quick=False),
    System("spdl processes", "spdl", ("python",), {"processes": True}),
    System("lhotse", "lhotse"),
    System("webdataset", "webdataset", (*ORDINARY, *SHARDS)),
    System("MosaicML Streaming", "streaming", ("shards", "remote shards"), quick=False),
    System("LitData", "litdata", ("shards", "remote", "remote shards"), quick=False),
    System("tf.data, 32 threads", "tfdata", ("latency",), _32, "by hand", quick=False),
    System("grain, 32 threads", "grain", ("latency",), _32, "by hand", quick=False),
    System("spdl, 32 threads", "spdl", ("latency",), _32, "by hand", quick=False),
    System("spdl, 32 threads on objects", "spdl", ("remote",), _32, "by hand", quick=False),
    System("spdl, 128 threads on objects", "spdl", ("remote small",), {"threads": 128}, "by hand", quick=False),
    System("limit", "limit", (*ORDINARY, "shards", "shards speech", "remote"), role="limit"),
    # Its server is on the same cores and may be what bounds: one client with all of the connections, not one per core.
    System("bare connections", "limit", ("remote small",), {"whole": True}, "limit"),
    System("limit +fast", "limit", AUDIO, role="limit", fast=True),
    System("reference", "dataload", (), {"worker": "serial"}, "reference"),
    # Rows of workloads that look at one thing only.
    System("torch spawn", "torch", ("start",), {"start": "spawn"}),
    System("torch forkserver", "torch", ("start",), {"start": "forkserver"}, quick=False),
    System("torch fork", "torch", ("start",), {"start": "fork"}),
    _ours("bare Loader", "process", *ADAPTERS),
    _ours("to_dataloader", "process", *ADAPTERS, adapter="torch"),
    _ours("to_dataset", "process", *ADAPTERS, adapter="tensorflow"),
    *(_ours(f"10^{n} samples", "thread", "growth samples", samples=10**n) for n in (3, 6, 9)),
    *(_ours(f"{n} workers", "process", "growth workers", workers=n) for n in (1, 2, 4, 8)),
)

SYSTEMS = {system.name: system for system in _ALL}
