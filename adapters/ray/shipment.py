"""The pipeline on its way to the actors: packed and put into the object store once, and what is checked before."""

from __future__ import annotations

import sys
import warnings
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePath
from typing import Any

import cloudpickle
import numpy as np
import ray

from dataload.adapters.ray.actor import versions
from dataload.errors import WorkerError
from dataload.pipeline import Pipeline
from dataload.storage.secrets import ForWorkers, for_workers
from dataload.workers.packing import pack_pipeline

# Arrays in memory beyond this are sent to every machine, which is worth a word.
_MAX_QUIET = 256 << 20
_MAX_PATHS = 8


@dataclass(frozen=True)
class Shipment:
    """What an actor is set up with.

    Attributes:
        paths: files and folders of this machine that the source and the transforms name.
        arguments: of `Actor.set_up`. The pipeline and its arrays are references, so each machine fetches them once. The
            options of stores are an argument of that call, so they go from this process to the actor's and nowhere
            else: not into the object store, which spills to disks, and not to the head, which keeps what actors are
            made with. They cross the network as all calls of Ray do, in the clear unless the cluster has RAY_USE_TLS=1.
    """

    paths: list[str]
    arguments: tuple[Any, ...]


def ship(pipeline: Pipeline) -> Shipment:
    """Pack a pipeline and put it into the object store.

    Raises:
        NotPicklable: a part cannot travel; the message names it.
        WorkerError: it does not fit the object store.
    """
    data, buffers = pack_pipeline(pipeline)
    size = len(data) + sum(buffer.nbytes for buffer in buffers)
    capacity = _capacity_here()
    if size > capacity:
        raise WorkerError(
            f"the pipeline is {_mb(size)}, mostly arrays of its source, and the object store of this machine holds "
            f"{_mb(capacity)}: read the data from a shared path or URL, or start Ray with --object-store-memory="
            f"{_round_up(2 * size)} (RayWorkers(object_store_memory=...) where it is started for this program)"
        )
    if size > _MAX_QUIET:
        warnings.warn(
            f"the pipeline is {_mb(size)}, mostly arrays of its source: every machine of the Ray cluster is sent them, "
            "and every worker has a copy of those that can be written to. Data on a shared path or URL are read where "
            "they are wanted",
            RuntimeWarning,
            stacklevel=2,
        )
    vault: ForWorkers | None = for_workers()
    path = [str(Path(entry).absolute()) for entry in sys.path if isinstance(entry, str)]
    try:
        pickled = ray.put(np.frombuffer(data, np.uint8))
        arrays = ray.put([np.frombuffer(buffer, np.uint8) for buffer in buffers])
    except ray.exceptions.RayError as error:
        raise WorkerError(f"the pipeline, {_mb(size)}, cannot be put into Ray's object store: {error}") from error
    return Shipment(local_paths(pipeline), (pickled, arrays, [not buffer.readonly for buffer in buffers], vault, path))


def check_machine(about: dict[str, Any], worker: str) -> None:
    """Compare what an actor says of itself with this process.

    Raises:
        WorkerError: another Python, dataload or numpy, or it cannot see a path that the pipeline names.
    """
    ours, theirs = versions(), about["versions"]
    different = [
        f"{name} {theirs.get(name)} there and {own} here" for name, own in ours.items() if theirs.get(name) != own
    ]
    if different:
        raise WorkerError(
            f"{worker} has {', '.join(different)}: batches could differ in their bits, or not be read at all. Install "
            "the same versions on all machines, or give RayWorkers(runtime_env=...) what brings them"
        )
    if about["missing"]:
        raise WorkerError(
            f"{worker} cannot see {', '.join(map(repr, about['missing']))}, which the source or a transform names: "
            "only some machines have it. Give a shared path or URL, which all of them can read"
        )


def local_paths(pipeline: Pipeline) -> list[str]:
    """Return paths of this machine, all existing, that the source or the transforms name; the first few."""
    found: dict[str, None] = {}
    for part in (pipeline.source, *(stage.transform for stage in pipeline.stages)):
        _Finder(found).dump_quietly(part)
    if type(pipeline.source) is list and pipeline.source and isinstance(pipeline.source[0], str):
        found[pipeline.source[0]] = None
    return [path for path in found if Path(path).is_absolute() and Path(path).exists()][:_MAX_PATHS]


class _Finder(cloudpickle.Pickler):  # type: ignore[misc]
    """Collects the paths in what it pickles."""

    def __init__(self, found: dict[str, None]) -> None:
        super().__init__(BytesIO(), protocol=5, buffer_callback=lambda buffer: None)
        self._found = found

    def reducer_override(self, value: Any) -> Any:
        path = _path(value)
        if path is not None and len(self._found) < _MAX_PATHS:
            self._found[str(Path(path).absolute())] = None
        return super().reducer_override(value)

    def dump_quietly(self, value: Any) -> None:
        try:
            self.dump(value)
        except Exception:  # What cannot be pickled has been named when the pipeline was packed.
            return


def _path(value: Any) -> str | None:
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, tuple) and len(value) == 2 and not getattr(value[0], "remote", True):
        return str(value[1])  # a place in the store of this machine
    name = getattr(value, "filename", None)  # a memory map
    return name if isinstance(name, str) else None


def check_store(batch: int, count: int, actors: dict[str, int]) -> None:
    """Compare the batches that may lie in the object stores at a time with what these hold.

    Args:
        batch: bytes of the largest so far.
        count: of the workers.
        actors: how many there are on each node, by its id.

    Raises:
        WorkerError: they do not fit; the message names the number to set.
    """
    here = ray.get_runtime_context().get_node_id()
    for node in ray.nodes():
        capacity = node.get("Resources", {}).get("object_store_memory")
        # All of them come together here; elsewhere lie those of the node's own actors.
        at_once = 2 * (count if node["NodeID"] == here else actors.get(node["NodeID"], 0))
        if not node["Alive"] or capacity is None or at_once * batch <= capacity:
            continue
        fewer = int(capacity // (2 * batch))
        raise WorkerError(
            f"{at_once} batches of {_mb(batch)}, two for each worker, do not fit into the object store of "
            f"{node['NodeManagerAddress']}, which holds {_mb(capacity)}: start Ray there with --object-store-memory="
            f"{_round_up(at_once * batch)} (RayWorkers(object_store_memory=...) where it is started for this program), "
            + (f"set num_workers={fewer}, or make smaller batches" if fewer else "or make smaller batches")
        )


def _capacity_here() -> float:
    here = ray.get_runtime_context().get_node_id()
    found = (node["Resources"].get("object_store_memory") for node in ray.nodes() if node["NodeID"] == here)
    return next((float(size) for size in found if size is not None), float("inf"))


def _mb(size: float) -> str:
    return f"{size / 1e6:.0f} MB"


def _round_up(size: float) -> int:
    """Return some more, in whole tens of megabytes."""
    return int(1.2 * size // 10_000_000 + 1) * 10_000_000
