"""The systems that are compared: which module runs each, in which setting, on which workloads.

Apart from the modules, one per peer, so that this list can be read without importing any peer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Role = Literal["dataload", "peer", "by hand", "limit", "reference"]


@dataclass(frozen=True)
class System:
    """One row of a table.

    Attributes:
        name: of the row.
        module: below `benchmarks.systems`.
        role: "peer" is a peer in the way that its own documentation shows; "by hand" is one that needs code that does
            the loader's work by hand, or more threads than the others' two: shown, but not what goals are compared
            with; "limit" is the bare work.
        needs: package that must be installed.
        workloads: that it runs; None is all of the ordinary ones.
        options: for the module.
        fast: whether dataload may use its extra `fast`.
        quick: whether `--quick` runs it.
    """

    name: str
    module: str
    role: Role
    needs: str | None = None
    workloads: tuple[str, ...] | None = None
    options: dict[str, Any] = field(default_factory=dict)
    fast: bool = False
    quick: bool = True

    @property
    def family(self) -> str:
        """What `--systems` names."""
        return "tf.data" if self.module == "tfdata" else self.module

    def runs(self, workload: str) -> bool:
        """Return whether it has a row in the table of a workload."""
        return workload in (ORDINARY if self.workloads is None else self.workloads)


AUDIO = ("speech", "clips")
ORDINARY = (*AUDIO, "images", "table", "python", "latency")
ADAPTERS = ("adapters speech", "adapters images")


KINDS = ("thread", "process", "auto")


def _dataload() -> list[System]:
    rows = [
        System(
            f"dataload {kind}",
            "dataload",
            "dataload",
            None,
            (*ORDINARY, "start") if kind == "process" else None,
            {"worker": kind},
        )
        for kind in KINDS
    ]
    rows += [
        System(f"dataload {kind} +fast", "dataload", "dataload", None, AUDIO, {"worker": kind}, fast=True)
        for kind in KINDS
    ]
    return rows


_ALL = (
    *_dataload(),
    # Gathering rows in memory takes less time than handing a batch over; torch has no workers there either.
    System("dataload no workers", "dataload", "dataload", None, ("table",), {"worker": "serial"}),
    System("torch", "torch", "peer", "torch"),
    System("torch, numpy kernel", "torch", "peer", "torch", AUDIO, {"kernel": "numpy"}),
    System("torch, batches by hand", "torch", "by hand", "torch", ("images", "table"), {"by_hand": True}, quick=False),
    System("tf.data", "tfdata", "peer", "tensorflow"),
    System("grain threads=0", "grain", "peer", "grain", options={"threads": 0}, quick=False),
    # In `latency` its 16 threads are compared with 16 of the others', below.
    System("grain default", "grain", "peer", "grain", (*AUDIO, "images", "table", "python"), quick=False),
    System("grain threads=2", "grain", "peer", "grain", options={"threads": 2}),
    System("grain processes", "grain", "peer", "grain", (*ORDINARY, "start"), {"threads": 1, "processes": True}),
    System("spdl", "spdl", "peer", "spdl"),
    System("spdl default", "spdl", "peer", "spdl", (*AUDIO, "images", "table"), {"stages": True}, quick=False),
    System("spdl processes", "spdl", "peer", "spdl", ("python",), {"processes": True}),
    System("lhotse", "lhotse", "peer", "lhotse"),
    System("webdataset", "webdataset", "peer", "webdataset"),
    System("tf.data, 32 threads", "tfdata", "by hand", "tensorflow", ("latency",), {"threads": 32}, quick=False),
    System("grain, 32 threads", "grain", "by hand", "grain", ("latency",), {"threads": 32}, quick=False),
    System("spdl, 32 threads", "spdl", "by hand", "spdl", ("latency",), {"threads": 32}, quick=False),
    System("limit", "limit", "limit"),
    System("limit +fast", "limit", "limit", None, AUDIO, fast=True),
    System("reference", "dataload", "reference", workloads=(), options={"worker": "serial"}),
)

# Rows of workloads that look at one thing only.
_SPECIAL = (
    System("torch spawn", "torch", "peer", "torch", ("start",), {"start": "spawn"}),
    System("torch forkserver", "torch", "peer", "torch", ("start",), {"start": "forkserver"}, quick=False),
    System("torch fork", "torch", "peer", "torch", ("start",), {"start": "fork"}),
    System("bare Loader", "dataload", "dataload", None, ADAPTERS, {"worker": "process"}),
    System("to_dataloader", "dataload", "dataload", "torch", ADAPTERS, {"worker": "process", "adapter": "torch"}),
    System(
        "to_dataset", "dataload", "dataload", "tensorflow", ADAPTERS, {"worker": "process", "adapter": "tensorflow"}
    ),
    *(
        System(
            f"10^{n} samples", "dataload", "dataload", None, ("growth samples",), {"worker": "thread", "samples": 10**n}
        )
        for n in (3, 6, 9)
    ),
    *(
        System(f"{n} workers", "dataload", "dataload", None, ("growth workers",), {"worker": "process", "workers": n})
        for n in (1, 2, 4, 8)
    ),
)

SYSTEMS = {system.name: system for system in (*_ALL, *_SPECIAL)}
