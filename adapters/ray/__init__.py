"""Workers on other machines: actors of a Ray cluster that make batches, the same as any other kind of worker makes.

For one machine worker processes are faster. See docs/clusters.md for when more machines pay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dataload.adapters.messages import missing_extra
from dataload.errors import ConfigError
from dataload.pipeline import Pipeline
from dataload.workers.base import Workers
from dataload.workers.interpreter import ENVIRONMENT

try:
    import ray  # noqa: F401
except ImportError as error:
    raise missing_extra("ray", "ray", error) from error

__all__ = ["RayWorkers"]


@dataclass(frozen=True, kw_only=True)
class RayWorkers:
    """A kind of worker for `Loader(worker=...)`: actors on the machines of a Ray cluster.

    `worker="ray"` is `RayWorkers()`. All loaders of a process share one cluster. One that is started here uses this
    machine alone, runs any number of workers, and ends two seconds after the last loader is closed or the program has
    ended, in whatever way; one that was there before stays.

    Args:
        num_cpus: how many CPUs of the cluster each worker counts as.
        resources: what else it needs, such as {"fast_disk": 1}.
        runtime_env: of Ray, for workers on machines that lack something: {"pip": [...]}, {"env_vars": {...}}, ...
        spread: whether workers go to as many machines as there are; else Ray fills one after the other.
        address: HOST:PORT of the cluster's head; "auto" finds a cluster that runs on this machine, "local" starts one.
            None is the cluster that the program has joined by `ray.init`, else that of the environment variable
            RAY_ADDRESS, else "local".
        object_store_memory: bytes, of the memory that batches pass through, where a cluster is started here.
        start_timeout: seconds to wait for the first worker.

    Raises:
        ConfigError: an argument that cannot work.
        WorkerError: once batches are wanted: no cluster at the address, another Python, dataload or numpy there, files
            that a machine does not see, batches that do not fit the object store, a cluster without its head.
        NotPicklable: a part of the pipeline cannot travel.

    >>> from dataload import Loader
    >>> Loader([1, 2, 3], num_workers=4, worker=RayWorkers(num_cpus=0.5))
    Loader(3 samples -> 3 batches of 1, 4 ray workers, epoch 0, batch 0)
    """

    num_cpus: float = 1
    resources: Mapping[str, float] | None = None
    runtime_env: Mapping[str, Any] | None = None
    spread: bool = True
    address: str | None = None
    object_store_memory: int | None = None
    start_timeout: float = 60.0

    # What `loader.stats` and messages call this kind.
    __name__ = "ray"

    def __post_init__(self) -> None:
        if isinstance(self.num_cpus, bool) or not isinstance(self.num_cpus, int | float) or not self.num_cpus >= 0:
            raise ConfigError(f"num_cpus={self.num_cpus!r} must be a number of CPUs from 0 up")
        for name in ("resources", "runtime_env"):
            if getattr(self, name) is not None and not isinstance(getattr(self, name), Mapping):
                raise ConfigError(f"{name}={getattr(self, name)!r} must be a dict, as Ray takes it")
        if isinstance(self.start_timeout, bool) or not self.start_timeout > 0:
            raise ConfigError(f"start_timeout={self.start_timeout!r} must be a number of seconds")

    def __call__(self, pipeline: Pipeline, count: int) -> Workers:
        """Start `count` workers."""
        # Only here: a copy of a loader, or its repr, needs nothing of this.
        from dataload.adapters.ray.workers import ActorWorkers

        started = {} if self.object_store_memory is None else {"object_store_memory": self.object_store_memory}
        return ActorWorkers(pipeline, count, (self.address, started), self._of_each_actor, self.start_timeout)

    def _of_each_actor(self, ours: bool) -> dict[str, Any]:
        """Return what Ray is told of each actor; nobody else asks for the CPUs of a cluster that is ours."""
        environment = dict(self.runtime_env or {})
        environment["env_vars"] = {**ENVIRONMENT, **environment.get("env_vars", {})}
        return {
            "num_cpus": 0 if ours else self.num_cpus,
            "resources": dict(self.resources or {}),
            "runtime_env": environment,
            "scheduling_strategy": "SPREAD" if self.spread else "DEFAULT",
            # Who makes a lost batch again, and how often, is the loader's to say.
            "max_restarts": 0,
            "max_task_retries": 0,
        }
