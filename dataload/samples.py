"""Samples and batches as containers: one field, the fields, the leaves, and the lengths beside a padded field.

Every walk over a container in the library is made of these functions, so that all of them agree on what a field is.
"""

from __future__ import annotations

import copy
import dataclasses
import inspect
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from dataload.errors import FieldError

Field = str | int
Path = tuple[Field, ...]


def is_namedtuple(value: Any) -> bool:
    """Tell whether a value is an instance of a named tuple."""
    return isinstance(value, tuple) and hasattr(value, "_fields")


def is_record(value: Any) -> bool:
    """Tell whether a value is a dataclass instance (not the class)."""
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def is_container(value: Any) -> bool:
    """Tell whether a value has fields: a dict, list, tuple, named tuple or dataclass instance."""
    return isinstance(value, dict | tuple | list) or is_record(value)


def field_names(sample: Any) -> list[Field]:
    """Return the names that `get_field` takes for this sample, in order; none if it has no fields."""
    if isinstance(sample, dict):
        return list(sample)
    if is_record(sample):
        return [field.name for field in dataclasses.fields(sample)]
    if is_namedtuple(sample):
        return list(sample._fields)
    if isinstance(sample, tuple | list):
        return list(range(len(sample)))
    return []


def _missing(sample: Any, field: Field) -> FieldError:
    names = field_names(sample)
    has = f"its fields are {names}" if names else f"a {type(sample).__name__} has no fields"
    return FieldError(f"the sample has no field {field!r}: {has}. Name one of them in transforms={{...}}")


def get_field(sample: Any, field: Field) -> Any:
    """Return one field: by key of a dict, by name of a dataclass or named tuple, by position of a tuple or list.

    Raises:
        FieldError: there is none, or a dataclass has not set it; the message lists those that are there.
    """
    if isinstance(sample, dict):
        if field in sample:
            return sample[field]
    elif isinstance(field, str) and (is_record(sample) or is_namedtuple(sample)):
        if field in field_names(sample):
            try:
                return getattr(sample, field)
            except AttributeError as error:
                raise FieldError(
                    f"field {field!r} of a {type(sample).__name__} has no value: set it in __post_init__, or give it a "
                    "default"
                ) from error
    elif isinstance(sample, tuple | list) and isinstance(field, int) and -len(sample) <= field < len(sample):
        return sample[field]
    raise _missing(sample, field)


def replace_field(sample: Any, field: Field, value: Any) -> Any:
    """Return a shallow copy of the sample with one field replaced; the sample itself may belong to the source.

    A dataclass with a `__post_init__` runs it again, so that what that derives fits the new value.
    """
    if isinstance(sample, dict):
        return {**sample, field: value}
    if is_record(sample):
        cls: Any = type(sample)
        if hasattr(sample, "__post_init__") and field in _constructed_with(cls):
            return dataclasses.replace(sample, **{str(field): value})
        return replace_all(sample, {field: value})
    if is_namedtuple(sample) and isinstance(field, str):
        return sample._replace(**{field: value})
    changed = list(sample)
    changed[int(field)] = value
    if is_namedtuple(sample):
        return sample._make(changed)
    return changed if isinstance(sample, list) else tuple(changed)


@lru_cache(maxsize=256)
def _constructed_with(cls: Any) -> frozenset[str]:
    """Return the fields that the constructor of a dataclass takes; none if it needs something else beside them."""
    names = frozenset(field.name for field in dataclasses.fields(cls) if field.init)
    parameters = inspect.signature(cls).parameters.values()
    enough = all(part.name in names or part.default is not part.empty for part in parameters)
    return names if enough else frozenset()


def rebuild(container: Any, values: dict[Any, Any]) -> Any:
    """Return a container of the same kind with these values; a subclass of dict, list or tuple becomes the plain one.

    Args:
        container: dict, list, tuple, named tuple or dataclass instance.
        values: one for each of its `field_names`, in their order.
    """
    if isinstance(container, dict):
        return values
    if is_record(container):
        return replace_all(container, values)
    if is_namedtuple(container):
        return container._make(values.values())
    items = list(values.values())
    return items if isinstance(container, list) else tuple(items)


def replace_all(record: Any, values: dict[Any, Any]) -> Any:
    """Return a copy of a dataclass instance with other values.

    Neither the constructor nor `__post_init__` runs: they are made for one sample and not for a batch, and not every
    field can be given to them.
    """
    changed = copy.copy(record)
    for name, value in values.items():
        object.__setattr__(changed, name, value)  # also where it is frozen
    return changed


def rebuild_as_tree(container: Any, values: dict[Any, Any]) -> Any:
    """Return the values in a container that every framework knows: a named tuple, else a tuple or a dict."""
    if is_namedtuple(container):
        return container._make(values.values())
    return tuple(values.values()) if isinstance(container, tuple | list) else values


def map_fields(container: Any, change: Callable[[Field, Any], Any], rebuild: Callable[[Any, Any], Any]) -> Any:
    """Return change(name, child) for each field, put together by `rebuild` or `rebuild_as_tree`."""
    return rebuild(container, {name: change(name, get_field(container, name)) for name in field_names(container)})


def map_leaves(
    value: Any,
    change: Callable[[Any, Path], Any],
    *,
    is_leaf: Callable[[Any], bool] = lambda value: False,
    rebuild: Callable[[Any, Any], Any] = rebuild,
    path: Path = (),
) -> Any:
    """Return the value with change(leaf, path) in place of each leaf.

    Args:
        value: a container, or a leaf.
        change: called for whatever is no container, and for containers that `is_leaf` takes for one value.
        is_leaf: tells which containers are one value, such as a list of strings.
        rebuild: puts the changed fields together: `rebuild` or `rebuild_as_tree`.
        path: of the value itself.
    """
    if not is_container(value) or is_leaf(value):
        return change(value, path)
    return map_fields(
        value,
        lambda name, child: map_leaves(child, change, is_leaf=is_leaf, rebuild=rebuild, path=(*path, name)),
        rebuild,
    )


def leaves(
    value: Any, *, is_leaf: Callable[[Any], bool] = lambda value: False, path: Path = ()
) -> Iterator[tuple[Path, Any]]:
    """Yield the path of each leaf, as `map_leaves` finds them, and the leaf."""
    if not is_container(value) or is_leaf(value):
        yield path, value
        return
    for name in field_names(value):
        yield from leaves(get_field(value, name), is_leaf=is_leaf, path=(*path, name))


def lengths_field(container: Any, field: Field) -> Field | None:
    """Return the field where `pad` puts the lengths of another: `<field>_lengths`, in a tuple the next position.

    None where there is no such field; whether it holds lengths is for the caller to see.
    """
    beside: Field = field + 1 if isinstance(field, int) else f"{field}_lengths"
    return beside if beside in field_names(container) else None


def lengths_of(batch: Any, field: Field | None) -> tuple[Any, Any]:
    """Return a field of a batch and the lengths beside it, None where there are none.

    Args:
        batch: as `pad` or `stack` makes it, of arrays or any framework's tensors.
        field: its name; None where the batch is the array itself, or the pair of array and lengths.

    Raises:
        FieldError: the batch has no such field.
    """
    if field is None:
        if isinstance(batch, tuple | list) and len(batch) == 2:
            return batch[0], batch[1]
        return batch, None
    beside = lengths_field(batch, field) if isinstance(field, str) else None
    return get_field(batch, field), None if beside is None else get_field(batch, beside)


def where(path: Path, whole: str = "the batch") -> str:
    """Return what to call the value at a path, for messages; `whole` where the path is empty."""
    return f"field {'.'.join(map(str, path))!r}" if path else whole
