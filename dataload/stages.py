"""The transforms of a Loader in a row: which one works on which field, and what each field looks like in the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dataload.chain import CacheTransform, Chain, RandomBatchTransform, Spec, Transform, name_of
from dataload.errors import ChainError, ConfigError
from dataload.samples import Field

Transforms = Transform | Sequence[Any] | Mapping[Any, Any] | None


@dataclass(frozen=True)
class Stage:
    """One transform at its place.

    Attributes:
        transform: the callable.
        field: the field it works on; None for the whole sample.
        position: its number among the stages on the same field, which keys its random numbers.
        number: its number among all.
    """

    transform: Transform
    field: Field | None
    position: int
    number: int

    def __str__(self) -> str:
        return name_of(self.transform) + ("" if self.field is None else f" on field {self.field!r}")


def make_stages(transforms: Transforms) -> tuple[Stage, ...]:
    """Put the transforms of a Loader in a row.

    Args:
        transforms: a callable on the sample, a dict of field to callable or list of them, or a list of these; behind
            them RandomBatchTransforms, which work on the batch.

    Raises:
        ChainError: a transform on samples stands behind one on batches, or dicts of fields are nested.
    """
    parts = [] if transforms is None else list(transforms) if isinstance(transforms, list | tuple) else [transforms]
    counts: dict[Field | None, int] = {}
    stages: list[Stage] = []
    on_batch = 0
    for field, transform in _flatten(parts):
        if field is None and isinstance(transform, RandomBatchTransform):
            stages.append(Stage(transform, None, on_batch, len(stages)))
            on_batch += 1
            continue
        if on_batch:
            raise ChainError(
                f"{name_of(transform)} works on samples but stands behind {stages[-1]}, which works on the batch that "
                "was made of them: put it before"
            )
        stages.append(Stage(transform, field, counts.get(field, 0), len(stages)))
        # What a Cache stands before draws the same numbers as without it.
        counts[field] = stages[-1].position + (not isinstance(transform, CacheTransform))
    return tuple(stages)


def make_chains(stages: Sequence[Stage]) -> dict[Field | None, Chain]:
    """Return the chain of each field that the stages work on, None for the whole sample.

    Raises:
        ChainError: transforms that do not fit together; the message names the field.
    """
    rows: dict[Field | None, list[Transform]] = {}
    for stage in stages:
        if not isinstance(stage.transform, RandomBatchTransform) or stage.field is not None:
            rows.setdefault(stage.field, []).append(stage.transform)
    chains = {}
    for field, row in rows.items():
        try:
            chains[field] = Chain(row)
        except ChainError as error:
            raise ChainError(str(error) if field is None else f"in the chain of field {field!r}: {error}") from None
    return chains


def chain_of(stages: Sequence[Stage], field: Field | None) -> Chain:
    """Return the chain of one field.

    Raises:
        ConfigError: no transform works on it; the message names the fields that have transforms.
    """
    chains = make_chains(stages)
    if field not in chains:
        named = [repr(name) for name in chains if name is not None]
        has = f"those that have are {', '.join(named)}" if named else "no field has any"
        what = "the whole sample has no transforms" if field is None else f"field {field!r} has no transforms"
        raise ConfigError(f"{what}: {has}")
    return chains[field]


def varying_fields(specs: Mapping[Field | None, Spec]) -> frozenset[Field] | None:
    """Return which fields vary in length from sample to sample; None where the sample as a whole does."""
    varying = {field for field, spec in specs.items() if spec.varies}
    return None if None in varying else frozenset(field for field in varying if field is not None)


def _flatten(parts: Sequence[Any]) -> Iterator[tuple[Field | None, Transform]]:
    for part in parts:
        if isinstance(part, Chain):
            yield from _flatten(part.transforms)
        elif isinstance(part, Mapping):
            for field, value in part.items():
                row = value if isinstance(value, list | tuple) else [value]
                for inner, transform in _flatten(row):
                    if inner is not None:
                        raise ChainError(f"the chain of field {field!r} holds a dict of fields: nest no further")
                    yield field, transform
        elif isinstance(part, list | tuple):
            yield from _flatten(part)
        else:
            yield None, part
