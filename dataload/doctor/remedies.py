"""What might make a loader faster: changes that suit what was seen, each as another loader of the same source."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataload.cache.entries import VALUE
from dataload.cache.folder import survey
from dataload.caching import Cache
from dataload.chain import CacheTransform, RandomBatchTransform, RandomTransform
from dataload.doctor.profile import Profile
from dataload.errors import DataloadError
from dataload.kept_recipes import make_recipe
from dataload.loader import Loader
from dataload.machine import usable_cores
from dataload.sizes import size_text
from dataload.sources.base import runs_of
from dataload.stages import Stage
from dataload.stats import LoaderStats

# Of the work; what takes less is not worth a trial.
_MUCH = 0.25
_MOST_TRIED = 5
# A result of the cache takes at most this much of the limit on trial.
_TRIAL_BYTES = "20GB"
_TRIAL = "dataload-doctor-"
# Samples read at the same time, where reading waits.
_CONCURRENCY = 16


@dataclass(frozen=True)
class Remedy:
    """A change to try.

    Attributes:
        change: in words.
        code: the arguments or the line to write.
        make: returns a loader with it.
        repeats: whether it shows only when samples come again.
    """

    change: str
    code: str
    make: Callable[[], Loader]
    repeats: bool = False


def remedies(loader: Loader, seen: LoaderStats, profile: Profile) -> list[Remedy]:
    """Return what to try with a loader, what promises most first.

    Args:
        loader: as it is.
        seen: its statistics under the loop.
        profile: of single samples.
    """
    found = [
        *_caches(loader, profile),
        *_reading(loader, profile),
        *_blocks(loader, seen),
        *_workers(loader, seen),
        *_prefetch(loader, seen),
    ]
    return found[:_MOST_TRIED]


def _workers(loader: Loader, seen: LoaderStats) -> Iterator[Remedy]:
    count = max(usable_cores(), 2)
    for kind in ("process", "thread"):
        if (seen.worker, seen.num_workers) == (kind, count):
            continue
        code = f'num_workers={count}, worker="{kind}"'
        yield Remedy(code, code, lambda kind=kind: loader.with_options(num_workers=count, worker=kind))  # type: ignore[misc]


def _reading(loader: Loader, profile: Profile) -> Iterator[Remedy]:
    total = sum(profile.wall.values())
    first = _first_readers(loader)
    waits = sum(max(profile.wall[name] - profile.cpu[name], 0.0) for name in ("read", *first) if name in profile.wall)
    if total and waits > _MUCH * total and loader.pipeline.read_concurrency < _CONCURRENCY:
        code = f"read_concurrency={_CONCURRENCY}"
        yield Remedy(code, code, lambda: loader.with_options(read_concurrency=_CONCURRENCY))


def _first_readers(loader: Loader) -> list[str]:
    """Return the transforms that read files for which reading ahead does something."""
    return [
        str(stage)
        for stage in loader.pipeline.stages
        if stage.position == 0 and getattr(stage.transform, "prefetch", None) is not None
    ]


def _blocks(loader: Loader, seen: LoaderStats) -> Iterator[Remedy]:
    if loader.options.shuffle is not True:
        return
    stages = {stage.name: stage.seconds for stage in seen.stages}
    if stages.get("read", 0.0) < _MUCH * sum(stages.values()):
        return
    with suppress(DataloadError):
        runs_of(loader.source)
        code = 'shuffle="blocks"'
        yield Remedy(code, code, lambda: loader.with_options(shuffle="blocks"))


def _prefetch(loader: Loader, seen: LoaderStats) -> Iterator[Remedy]:
    if seen.worker == "process" and loader.options.prefetch_factor > 1:
        stages = {stage.name: stage.seconds for stage in seen.stages}
        if stages.get("transport", 0.0) > _MUCH * sum(stages.values()):
            code = "prefetch_factor=1"
            yield Remedy(f"{code}: less memory in use", code, lambda: loader.with_options(prefetch_factor=1))


def _caches(loader: Loader, profile: Profile) -> Iterator[Remedy]:
    stages = loader.pipeline.stages
    for stage in stages:
        if isinstance(stage.transform, CacheTransform):
            yield from _larger(loader, stage)
            return
    total = sum(profile.wall.values())
    for place in _cache_places(stages):
        covered = [stage for stage in stages[:place] if stage.field == stages[place - 1].field]
        spared = sum(profile.wall.get(str(stage), 0.0) for stage in covered)
        if total and spared > _MUCH * total:
            last = covered[-1]
            yield Remedy(
                f'Cache("features", max_bytes="50GB") behind {last}',
                'Cache("features", max_bytes="50GB")',
                lambda place=place, field=last.field: _with_cache(loader, place, field),  # type: ignore[misc]
                repeats=True,
            )
            return


def _cache_places(stages: Sequence[Stage]) -> Iterator[int]:
    """Yield where a Cache could stand: behind the transforms on one field that are not random, if all may be kept."""
    for field in dict.fromkeys(stage.field for stage in stages):
        place = 0
        for number, stage in enumerate(stages):
            if isinstance(stage.transform, RandomBatchTransform):
                break
            if stage.field != field:
                if place or stage.field is None:
                    break
                continue
            if isinstance(stage.transform, RandomTransform):
                break
            with suppress(DataloadError):
                make_recipe([(stage.field, stage.transform)])
                place = number + 1
                continue
            break
        if place:
            yield place


def _with_cache(loader: Loader, place: int, field: Any) -> Loader:
    folder = tempfile.mkdtemp(prefix=_TRIAL)
    try:
        return _with_stage(loader, place, field, Cache(folder, _TRIAL_BYTES))
    except BaseException:
        Path(folder).rmdir()
        raise


def _with_stage(loader: Loader, place: int, field: Any, transform: Any, replaces: int = 0) -> Loader:
    rows = [
        stage.transform if stage.field is None else {stage.field: stage.transform} for stage in loader.pipeline.stages
    ]
    rows[place : place + replaces] = [transform if field is None else {field: transform}]
    return loader.with_options(transforms=rows)


def _larger(loader: Loader, stage: Stage) -> Iterator[Remedy]:
    """A Cache that is there, and full before all results are in it."""
    assert isinstance(stage.transform, CacheTransform)
    folder, limit = stage.transform.place()
    with suppress(OSError):
        usage = survey(folder)
        held = usage.values.get(VALUE, 0)
        if not held or usage.size < 0.8 * limit or held >= len(loader.source):
            return
        wanted = max(int(1.3 * usage.size / held * len(loader.source)), 1_000_000)
        text = size_text(wanted).replace(" ", "")
        code = f'Cache({folder.name!r}, max_bytes="{text}")'

        def make() -> Loader:
            trial = tempfile.mkdtemp(prefix=_TRIAL)
            return _with_stage(loader, stage.number, stage.field, Cache(trial, wanted), replaces=1)

        yield Remedy(
            f'a Cache that holds all {len(loader.source):,} results: max_bytes="{text}"', code, make, repeats=True
        )


def folders_of(loader: Loader) -> list[Path]:
    """Return the folders that were made for trials of a Cache."""
    transforms: list[Any] = [stage.transform for stage in loader.pipeline.stages]
    folders = [transform.place()[0] for transform in transforms if isinstance(transform, CacheTransform)]
    return [folder for folder in folders if folder.name.startswith(_TRIAL)]
