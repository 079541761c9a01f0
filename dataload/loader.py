"""The Loader: the batches of a source, in order, made by any number and kind of workers."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Literal

from dataload.arguments import check_options, make_plan
from dataload.bad_samples import OnError
from dataload.errors import ConfigError, StateError
from dataload.iteration import EpochIterator, LoaderStats
from dataload.pipeline import Pipeline, Transforms, default_collate, make_steps
from dataload.samplers import BatchSampler, Sampler
from dataload.sharding import ShardArgument, read_shard
from dataload.sources.base import check_source
from dataload.state import State, check_state, identify, make_state
from dataload.tuning import Tuner
from dataload.workers import Choice, Workers, start_workers


class Loader:
    """The batches of a source.

    Batch k of an epoch depends on the source, the transforms, the seed, the epoch and k, and on nothing else: any
    number and kind of workers give the same batches, and so does a run that was stopped and resumed.

    Each `iter(loader)` starts the next epoch; after `load_state_dict` it continues inside the epoch of the state.

    Args:
        source: anything with `__len__` and `__getitem__`.
        transforms: a callable on the sample, a dict of field to callable or list of callables, or a list of these; at
            its end there may be `RandomBatchTransform`s, which work on the batch.
        batch_size: samples in a batch.
        shuffle: whether the order is random, another one in each epoch.
        sampler: the order: a `Sampler`, or any iterable of indices (read once per epoch). Excludes shuffle.
        batch_sampler: a `BatchSampler` such as `BucketBatchSampler`, or an iterable of lists of indices, one per batch
            (read once per epoch). Excludes batch_size, shuffle, sampler and drop_last.
        num_workers: 0 makes batches in the calling thread; n makes them ahead on n threads or processes. "auto" begins
            with one per usable core, and adds or drops workers while that helps the training loop.
        worker: "thread" for transforms that let go of the GIL (decoding, FFTs, numpy), "process" for those that do
            not, "auto" to try both on the first batches. `stats` says what was chosen and why.
        collate_fn: list of samples -> batch. `stack`, `pad` or any callable; by default fields whose transforms say
            that their length varies are padded, the rest is stacked.
        drop_last: whether a last batch with fewer samples is left out.
        seed: of the order and of the random transforms.
        prefetch_factor: batches made ahead per worker.
        timeout: seconds to wait for a batch of a worker; 0 waits for ever. The error says where the worker is.
        read_concurrency: how many samples of coming batches each worker reads at the same time, on threads; 0 reads
            when a batch is made. For sources whose reads wait: network file systems, object stores. Only
            `source[index]` is read ahead, so let it return the bytes: `FileSource(..., audio=Path.read_bytes)`.
        shard: (rank, world) where `world` processes train together: each step takes batch_size samples per rank off the
            one order of the epoch, and this loader gets part `rank` of them. All ranks have the same number of batches;
            what is left for the last step is shared out evenly (or left out, with drop_last), and only where that is
            less than one sample per rank the others get samples from the beginning of the epoch. "auto" asks
            torch.distributed, or the environment variables RANK and WORLD_SIZE.
        on_error: what becomes of a sample that the source or a transform cannot make: "raise" ends the iteration with
            its exception, "skip" leaves it out of its batch, "replace" puts another sample in its place, always the
            same one, so that batches keep their size and ranks their number of steps. `stats.errors` lists them. This
            includes samples whose making ends a worker process.
        max_errors: of an epoch, with "skip" and "replace"; one more ends the iteration with `BadSamples`.
        max_retries: how often a batch is tried again whose worker process died.

    Raises:
        ConfigError: an argument that cannot work, or two that exclude each other.
        ChainError: transforms that do not fit together.

    >>> loader = Loader([1, 2, 3, 4, 5], transforms=lambda x: x * x, batch_size=2)
    >>> loader
    Loader(5 samples -> 3 batches of 2, no workers, epoch 0, batch 0)
    >>> list(loader)
    [array([1, 4]), array([ 9, 16]), array([25])]
    """

    def __init__(
        self,
        source: Any,
        *,
        transforms: Transforms = None,
        batch_size: int = 1,
        shuffle: bool = False,
        sampler: Sampler | Iterable[int] | None = None,
        batch_sampler: BatchSampler | Iterable[Iterable[int]] | None = None,
        num_workers: int | Literal["auto"] = 0,
        worker: str = "auto",
        collate_fn: Callable[..., Any] | None = None,
        drop_last: bool = False,
        seed: int = 0,
        prefetch_factor: int = 2,
        timeout: float = 0,
        read_concurrency: int = 0,
        shard: ShardArgument = None,
        on_error: OnError = "raise",
        max_errors: int | None = None,
        max_retries: int = 2,
    ) -> None:
        self._options = {key: value for key, value in locals().items() if key not in ("self", "source")}
        check_source(source)
        check_options(self._options)
        self.source = source
        self.batch_size: int | None = None if batch_sampler is not None else batch_size
        self.worker = worker
        self.drop_last = drop_last
        self.seed = seed
        self.prefetch_factor = prefetch_factor
        self.timeout = timeout
        self.max_errors = max_errors
        self.max_retries = max_retries
        self.shard = read_shard(shard)
        self.plan = make_plan(source, self._options, self.shard)
        steps, varying = make_steps(transforms)
        collate = collate_fn or default_collate(varying)
        self.pipeline = Pipeline(source, steps, collate, seed, read_concurrency, on_error)

        self._epoch = 0
        self._samples = 0
        # Whether the next iterator goes on from (epoch, samples); otherwise it starts the next epoch.
        self._continues = True
        self._identity: dict[str, Any] | None = None
        self._tuner = Tuner() if num_workers == "auto" else None
        self._num_workers = self._tuner.count if self._tuner else int(num_workers)
        # What worker="auto" has chosen, once it has. A list of its own, because workers that could reach the loader
        # would keep it, and so themselves, alive.
        self._choices: list[Choice] = []
        self._stats = self._workers_stats()
        self._active: weakref.ref[EpochIterator] | None = None
        self._end_workers: Callable[[], Any] | None = None
        self._workers: Workers | None = None

    def __len__(self) -> int:
        """Return the number of batches of a whole epoch, of each rank."""
        return self.plan.num_batches(self._epoch)

    def __iter__(self) -> EpochIterator:
        """Start the next epoch, or continue the one of a loaded state. An older iterator is ended."""
        self._end_iteration()
        if not self._continues:
            self._epoch, self._samples = self._epoch + 1, 0
        self._continues = False
        iterator = EpochIterator(self, self._epoch, self._samples)
        self._active = weakref.ref(iterator)
        return iterator

    @property
    def num_workers(self) -> int:
        """The number of workers; with "auto" the present one."""
        return self._num_workers

    def set_epoch(self, epoch: int) -> None:
        """Let the next iterator start at the beginning of `epoch`.

        If that is the epoch of a state just loaded, it continues inside it: a training loop may call this at the top
        of each epoch, resumed or not.
        """
        if not isinstance(epoch, int) or epoch < 0:
            raise ConfigError(f"epoch={epoch!r} must be a whole number from 0 up")
        if self._continues and epoch == self._epoch:
            return
        self._end_iteration()
        self._epoch, self._samples, self._continues = epoch, 0, True

    def state_dict(self) -> State:
        """Return where the training loop is, as plain JSON; batches made ahead do not count."""
        order = self.plan.order_digest(self._epoch) if self._samples else None
        return make_state(self._identify(), self.seed, self._epoch, self._samples, order)

    def load_state_dict(self, state: State) -> None:
        """Continue, in the next iterator, with exactly the samples that were not yet delivered.

        Raises:
            StateError: the state belongs to another data set, sampler or seed; the message names the difference.
        """
        epoch, samples, order = check_state(state, self._identify(), self.seed)
        if order is not None and order != self.plan.order_digest(epoch):
            raise StateError(
                f"the sampler gives another order in epoch {epoch} than when the state was saved, so what is left "
                "cannot be told: make its order depend on set_epoch or on a torch generator with a fixed seed"
            )
        self._end_iteration()
        self._epoch, self._samples, self._continues = epoch, samples, True

    @property
    def stats(self) -> LoaderStats:
        """Figures of the epoch under way, or of the last one."""
        iterator = self._active() if self._active else None
        return iterator.stats() if iterator else self._stats

    def with_options(self, **options: Any) -> Loader:
        """Return a Loader of the same source with other arguments, at the start of epoch 0.

        >>> Loader([1, 2, 3]).with_options(batch_size=3, num_workers=2)
        Loader(3 samples -> 1 batch of 3, 2 auto workers, epoch 0, batch 0)
        """
        return Loader(self.source, **{**self._options, **options})

    def close(self) -> None:
        """End the workers. The loader can be used again; it starts new ones."""
        self._end_iteration()
        self._stop_workers()

    def __enter__(self) -> Loader:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        total = self.plan.num_batches(self._epoch)
        batch = total - self.plan.num_batches(self._epoch, self._samples)
        size = "" if self.batch_size is None else f" of {self.batch_size}"
        batches = f"{total} batch{'' if total == 1 else 'es'}{size}"
        workers = "no workers"
        if self.num_workers:
            kind = self._workers_stats().worker
            workers = f"{self.num_workers} {kind} worker{'' if self.num_workers == 1 else 's'}"
        rank = f"rank {self.shard.rank} of {self.shard.world}, " if self.shard.world > 1 else ""
        where = f"{rank}epoch {self._epoch}, batch {batch}"
        return f"Loader({len(self.source)} samples -> {batches}, {workers}, {where})"

    def _identify(self) -> dict[str, Any]:
        if self._identity is None:
            self._identity = identify(self.source, self.plan)
        return self._identity

    # What follows is called by the iterator.

    def _is_active(self, iterator: EpochIterator) -> bool:
        return self._active is not None and self._active() is iterator

    def _start_workers(self) -> Workers:
        if self._workers is None:
            # What "auto" has chosen once holds: the work is the same in every epoch.
            kind = self._choice.worker if self._choice else self.worker
            pipeline = self.pipeline
            if pipeline.on_error == "replace":
                # Samples that the sampler leaves out, such as another part of a split, may not come in by this door.
                pipeline = replace(pipeline, spares=self.plan.spares(self._epoch))
            workers = start_workers(kind, self.num_workers, pipeline, self._choices.append, self.max_retries)
            # A finaliser ends them when the loader is forgotten, and at the exit of the interpreter.
            self._workers, self._end_workers = workers, weakref.finalize(self, workers.close)
        return self._workers

    def _stop_workers(self) -> None:
        end, self._workers, self._end_workers = self._end_workers, None, None
        if end is not None:
            end()

    @property
    def _choice(self) -> Choice | None:
        return self._choices[-1] if self._choices else None

    def _workers_stats(self) -> LoaderStats:
        """Return statistics that say who makes the batches, and nothing of how many there were."""
        kind = self._choice.worker if self._choice else self.worker
        tuning = tuple(self._tuner.history) if self._tuner else ()
        return LoaderStats(kind if self.num_workers else "serial", self.num_workers, choice=self._choice, tuning=tuning)

    def _window(self) -> int:
        """Return how many batches may be in the making or waiting."""
        if self.num_workers == 0:
            return self.prefetch_factor if self.pipeline.read_concurrency else 1
        undecided = self.worker == "auto" and self._choice is None
        # Kinds of worker are compared on bursts; in short ones the wait for the last batch would count for too much.
        return self.num_workers * max(self.prefetch_factor, 4 if undecided else 0)

    def _delivered(self, position: int, samples: int, waited: float, seconds: float) -> None:
        self._samples = position
        undecided = self.worker == "auto" and self._choice is None
        if self._tuner is not None and self._workers is not None and not undecided:
            count = self._tuner.delivered(samples, waited, seconds)
            if count != self._num_workers:
                self._num_workers = count
                self._workers.resize(count)

    def _finished(self, iterator: EpochIterator) -> None:
        self._stats = iterator.stats()
        self._active = None
        self._epoch, self._samples, self._continues = self._epoch + 1, 0, True

    def _left_early(self, iterator: EpochIterator) -> None:
        # While an iterator is being collected its weak reference is dead already, so a dead one counts as its own.
        if self._active is not None and self._active() in (iterator, None):
            self._stats = iterator.stats()
            self._active = None
            self._stop_workers()

    def _end_iteration(self) -> None:
        iterator = self._active() if self._active else None
        if iterator is not None:
            self._stats = iterator.stats()
            self._active = None
            # Its batches are still in the making.
            self._stop_workers()
