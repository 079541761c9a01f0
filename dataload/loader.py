"""The Loader: the batches of a source, in order, made by any number and kind of workers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Literal

from dataload.batching import SizedBatches, make_plan, warn_of_nothing
from dataload.chain import Chain
from dataload.collate import as_collate, default_collate
from dataload.crew import Crew
from dataload.errors import ConfigError
from dataload.iteration import EpochIterator
from dataload.keyed import warn_of_kept_generators
from dataload.kinds import is_integer
from dataload.options import Options
from dataload.pipeline import Pipeline
from dataload.progress import Phase, Progress
from dataload.salvage import OnError
from dataload.samplers import BatchSampler, Sampler
from dataload.samples import Field
from dataload.sharding import ShardArgument, new_shard, read_shard
from dataload.sources.base import check_source, fingerprint, suits_concurrency
from dataload.stages import Transforms, chain_of, make_chains, make_stages, varying_fields
from dataload.state import MAX_NUMBER, Identity, Position, State, check_position, check_state, make_state
from dataload.stats import LoaderStats, Tally
from dataload.workers import StartWorkers


class Loader:
    """The batches of a source.

    Batch k of an epoch depends on the source, the transforms, the seed, the epoch and k, and on nothing else: any
    number and kind of workers give the same batches, and so does a run that was stopped and resumed.

    Each `iter(loader)` starts the next epoch; after `load_state_dict` it continues inside the epoch of the state.

    Args:
        source: anything with `__len__` and `__getitem__`.
        transforms: a callable on the sample, a dict of field to callable or list of callables, or a list of these; at
            its end there may be `RandomBatchTransform`s, which work on the batch.
        batch_size: samples in a batch, of each rank.
        global_batch_size: samples in the batches of one step of all ranks together, in place of batch_size: it stays
            what it is with any number of ranks, and so do the steps of an epoch. Ranks share it out evenly; where that
            leaves a rest, the first ones have one sample more.
        shuffle: whether the order is random, another one in each epoch. "blocks" is for sources where a sample here and
            one there is slow to read, and which know their runs (row groups, shards): blocks from anywhere in the
            source are read 8 at a time, and the samples of these 8 are shuffled. A block is a row group, a piece of up
            to 1024 samples of a longer run that can be read in part, or several short runs. Each process reads all of
            them, and keeps 12; behind a network the `cache=` of a source has them read once for all.
        sampler: the order: a `Sampler`, or any iterable of indices (read once per epoch). Excludes shuffle.
        batch_sampler: a `BatchSampler` such as `BucketBatchSampler`, or an iterable of lists of indices, one per batch
            (read once per epoch). Excludes batch_size, global_batch_size, shuffle, sampler and drop_last.
        num_workers: 0 makes batches in the calling thread; n makes them ahead on n threads or processes. "auto" begins
            with one per usable core, and adds or drops workers while that helps the training loop.
        worker: "thread" for transforms that release the GIL (decoding, FFTs, numpy), "process" for those that do not,
            "auto" to try both on the first batches; or any function (pipeline, count) that returns `Workers`, see
            `dataload.workers`. `stats` says what was chosen and why.
        collate_fn: list of samples -> batch. `stack`, `pad` or any callable; by default fields whose transforms say
            that their length varies are padded, the rest is stacked.
        drop_last: whether a last batch with fewer samples is left out.
        seed: of the order and of the random transforms.
        prefetch_factor: batches made ahead per worker.
        timeout: seconds to wait for a batch of a worker; 0 waits for ever. The error says where the worker is.
        read_concurrency: how many samples of coming batches each worker reads at the same time, on threads; 0 reads
            when a batch is made; None asks the source: 16 for one behind a network, else 0. It reads `source[index]`,
            and files by URL; on a network file system let that be bytes: `FileSource(..., audio=Path.read_bytes)`.
        shard: (rank, world) where `world` processes train together: each step takes batch_size samples per rank off the
            one order of the epoch, and this loader gets part `rank` of them. All ranks have the same number of batches;
            the rest of an epoch, its last step, is shared out evenly (or left out, with drop_last); only where that is
            less than one sample per rank the others get samples from the beginning of the epoch. "auto" asks
            torch.distributed, Ray Train, or the environment variables RANK and WORLD_SIZE. `reshard` changes it in a
            running job.
        on_error: what becomes of a sample that cannot be made, or ends its worker: "raise" ends the iteration with its
            exception, "skip" leaves it out of its batch, "replace" puts another sample of the epoch in its place,
            always the same one, so that batches and ranks keep their sizes. `stats.errors` lists them.
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
        global_batch_size: int | None = None,
        shuffle: bool | Literal["blocks"] = False,
        sampler: Sampler | Iterable[int] | None = None,
        batch_sampler: BatchSampler | Iterable[Iterable[int]] | None = None,
        num_workers: int | Literal["auto"] = 0,
        worker: str | StartWorkers = "auto",
        collate_fn: Callable[..., Any] | None = None,
        drop_last: bool = False,
        seed: int = 0,
        prefetch_factor: int = 2,
        timeout: float = 0,
        read_concurrency: int | None = None,
        shard: ShardArgument = None,
        on_error: OnError = "raise",
        max_errors: int | None = None,
        max_retries: int = 2,
    ) -> None:
        self.options = Options(
            transforms=transforms,
            batch_size=batch_size,
            global_batch_size=global_batch_size,
            shuffle=shuffle,
            sampler=sampler,
            batch_sampler=batch_sampler,
            num_workers=num_workers,
            worker=worker,
            collate_fn=collate_fn,
            drop_last=drop_last,
            seed=seed,
            prefetch_factor=prefetch_factor,
            timeout=timeout,
            read_concurrency=read_concurrency,
            shard=shard,
            on_error=on_error,
            max_errors=max_errors,
            max_retries=max_retries,
        )
        check_source(source)
        self.source = source
        self.shard = read_shard(shard)
        self.plan = make_plan(source, self.options, self.shard)
        stages = make_stages(transforms)
        specs = {field: chain.spec for field, chain in make_chains(stages).items()}
        collate = default_collate(varying_fields(specs)) if collate_fn is None else as_collate(collate_fn)
        concurrency = suits_concurrency(source) if read_concurrency is None else read_concurrency
        self.pipeline = Pipeline(source, stages, collate, seed, concurrency, specs)
        self.crew = Crew(self.pipeline, self.options)
        # Where the next iterator begins; None: with the epoch after that of the last one.
        self._next: Position | None = Position(0, 0)
        self._progress: Progress | None = None
        self._identity: Identity | None = None
        warn_of_kept_generators(self.pipeline)
        warn_of_nothing(repr(self), self.plan, len(source))

    def __len__(self) -> int:
        """Return the number of batches of a whole epoch, of each rank."""
        return self.plan.num_batches(self._position().epoch)

    def __iter__(self) -> EpochIterator:
        """Start the next epoch, or continue the one of a loaded state. An older iterator is ended."""
        self._end_iteration(Phase.SUPERSEDED)
        begin, self._next = self._begin() or Position(self._last_epoch() + 1, 0), None
        self._progress = Progress(begin.epoch, begin.samples)
        return EpochIterator(self.plan, self._progress, self.crew, self.options)

    @property
    def batch_size(self) -> int | None:
        """Samples in a batch of this rank; None where a batch sampler decides."""
        return self.plan.batch_size if isinstance(self.plan, SizedBatches) else None

    @property
    def drop_last(self) -> bool:
        """Whether a last batch with fewer samples is left out."""
        return self.options.drop_last

    @property
    def seed(self) -> int:
        """Seed of the order and of the random transforms."""
        return self.options.seed

    @property
    def num_workers(self) -> int:
        """The number of workers; with "auto" the present one."""
        return self.crew.num_workers

    @property
    def stats(self) -> LoaderStats:
        """Figures of the epoch under way, or of the last one."""
        progress = self._progress
        tally = Tally() if progress is None else progress.tally
        ready = self.crew.ready() if progress is not None and progress.running else 0
        return tally.stats(self.crew.statistics(), self.crew.tuning(), ready, self.pipeline.step_names())

    def report(self, path: str | os.PathLike[str]) -> None:
        """Write what `stats` say of where the time goes: a page (.html), figures (.json), a trace (.trace.json).

        Raises:
            ConfigError, StorageError: the path's name says none of these, or it cannot be written.
        """
        from dataload.report.writing import write_stats

        write_stats(path, self.stats, repr(self), self.source)

    def set_epoch(self, epoch: int) -> None:
        """Let the next iterator start at the beginning of `epoch`.

        If that is the epoch of a state just loaded, or in which the ranks were just changed, it continues inside it: a
        training loop may call this at the top of each epoch, resumed or not.
        """
        if not is_integer(epoch) or not 0 <= epoch < MAX_NUMBER:
            raise ConfigError(f"epoch={epoch!r:.40} must be a whole number from 0 up")
        if (begin := self._begin()) is not None and begin.epoch == epoch:
            return
        self._end_iteration(Phase.SUPERSEDED)
        self._next = Position(epoch, 0)

    def state_dict(self) -> State:
        """Return where the training loop is, as plain JSON; batches made ahead do not count."""
        position = self._position()
        if position.samples:
            position = replace(position, order=self.plan.order_digest(position.epoch))
        return make_state(self._identify(), self.seed, position)

    def load_state_dict(self, state: State) -> None:
        """Continue, in the next iterator, with exactly the samples that were not yet delivered.

        Raises:
            StateError: the state belongs to another data set, sampler or seed; the message names the difference.
        """
        position = check_state(state, self._identify(), self.seed)
        check_position(position, self.plan)
        self._end_iteration(Phase.SUPERSEDED)
        self._next = replace(position, order=None)

    def reshard(self, rank: int | None = None, world: int | None = None, *, batch_size: int | None = None) -> None:
        """Go on as another rank, or among another number of ranks, at the next step of the order.

        Call it between two steps, on every rank after the same number of them: inside of the `for` loop over the
        loader, whose next batch is that of the new shard, or after leaving it; then `iter(loader)` goes on in the
        epoch. The order stays, no sample is lost or comes twice. The workers stay, batches that they made ahead are
        dropped. A rank that joins makes its Loader with its `shard` and loads the state of any other.

        The samples of a step of all ranks stay as many as they were; where `world` does not divide them the first ranks
        have one more. Of a batch_sampler each rank has one batch a step. A step that only some ranks have made is made
        again by all: load the state of before it, then reshard.

        Args:
            rank: of this process.
            world: number of ranks; without both, what shard="auto" asks is asked again.
            batch_size: samples of each rank in a step from now on, in place of sharing out those of before.

        Raises:
            ConfigError: no such shard; fewer samples in a step than ranks; no arguments, and shard is not "auto".
            DataloadError: another thread waits for a batch, or takes batches ahead for an adapter.

        >>> loader = Loader(range(8), batch_size=4)
        >>> for batch in loader:
        ...     print(batch)
        ...     loader.reshard(rank=1, world=2)
        [0 1 2 3]
        [6 7]
        """
        shard, argument = new_shard(rank, world, self.options.shard)
        plan = self.plan.resharded(shard, batch_size)
        if self._next is None and self._progress is not None:
            self._progress.go_on_with(plan)
        self.shard, self.plan = shard, plan
        self.options = self.options.resharded(argument, shard.world, getattr(plan, "whole", None))

    def chain(self, field: Field | None = None) -> Chain:
        """Return the chain of transforms of one field, as for `to_module`, `to_json` or a server.

        Args:
            field: name of the field; None for the transforms on the whole sample.

        Raises:
            ConfigError: no transform works on it.

        >>> Loader([{"x": 4.0}], transforms={"x": [np.sqrt, np.negative]}).chain("x")(9.0)
        np.float64(-3.0)
        """
        return chain_of(self.pipeline.stages, field)

    def with_options(self, **options: Any) -> Loader:
        """Return a Loader of the same source with other arguments, at the start of epoch 0.

        >>> Loader([1, 2, 3]).with_options(batch_size=3, num_workers=2)
        Loader(3 samples -> 1 batch of 3, 2 auto workers, epoch 0, batch 0)
        """
        return Loader(self.source, **vars(replace(self.options, **options)))

    def close(self) -> None:
        """End the workers. The loader can be used again; it starts new ones.

        Any thread may call this: one that waits for a batch meanwhile gets an error that says so.
        """
        self._end_iteration(Phase.CLOSED)
        self.crew.stop()

    def __enter__(self) -> Loader:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy is a loader of its own at the same place, in any process: workers do not travel.
        return _rebuild, (self.source, vars(self.options), self._position())

    def __repr__(self) -> str:
        position = self._position()
        total, batch = self.plan.num_batches(position.epoch), self.plan.first_number(position.epoch, position.samples)
        size = "" if self.batch_size is None else f" of {self.batch_size}"
        batches = f"{total} batch{'' if total == 1 else 'es'}{size}"
        rank = f"rank {self.shard.rank} of {self.shard.world}, " if self.shard.world > 1 else ""
        where = f"{rank}epoch {position.epoch}, batch {batch}"
        return f"Loader({len(self.source)} samples -> {batches}, {self.crew!r}, {where})"

    def _begin(self) -> Position | None:
        """Return where the next iterator is to begin; None: with the epoch after that of the last one."""
        if self._next is None and self._progress is not None and self._progress.plan is not None:
            return self._position()
        return self._next

    def _position(self) -> Position:
        """Return where the training loop is."""
        if self._next is not None:
            return self._next
        assert self._progress is not None
        if self._progress.phase is Phase.FINISHED:
            return Position(self._last_epoch() + 1, 0)
        return Position(self._last_epoch(), self._progress.samples)

    def _last_epoch(self) -> int:
        assert self._progress is not None
        return self._progress.epoch

    def _identify(self) -> Identity:
        if self._identity is None:
            self._identity = Identity(fingerprint(self.source), len(self.source), self.plan.fingerprint())
        return self._identity

    def _end_iteration(self, phase: Phase) -> None:
        """End the iterator under way, whose batches are still in the making; other threads that wait are woken."""
        if self._progress is not None and self._progress.end(phase):
            self.crew.stop()


def _rebuild(source: Any, options: dict[str, Any], position: Position) -> Loader:
    loader = Loader(source, **options)
    loader._next = position
    return loader
