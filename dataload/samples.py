"""Samples: reading and replacing one field, whatever kind of container the sample is."""

from __future__ import annotations

import dataclasses
from typing import Any

from dataload.errors import FieldError

Field = str | int


def is_namedtuple(value: Any) -> bool:
    """Tell whether a value is an instance of a named tuple."""
    return isinstance(value, tuple) and hasattr(value, "_fields")


def is_record(value: Any) -> bool:
    """Tell whether a value is a dataclass instance (not the class)."""
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


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
        FieldError: there is none; the message lists those that are there.
    """
    if isinstance(sample, dict):
        if field in sample:
            return sample[field]
    elif isinstance(field, str) and (is_record(sample) or is_namedtuple(sample)):
        if field in field_names(sample):
            return getattr(sample, field)
    elif isinstance(sample, tuple | list) and isinstance(field, int) and -len(sample) <= field < len(sample):
        return sample[field]
    raise _missing(sample, field)


def replace_field(sample: Any, field: Field, value: Any) -> Any:
    """Return a shallow copy of the sample with one field replaced; the sample itself may belong to the source."""
    if isinstance(sample, dict):
        return {**sample, field: value}
    if is_record(sample):
        return dataclasses.replace(sample, **{str(field): value})
    if is_namedtuple(sample) and isinstance(field, str):
        return sample._replace(**{field: value})
    changed = list(sample)
    changed[int(field)] = value
    if is_namedtuple(sample):
        return type(sample)(*changed)
    return changed if isinstance(sample, list) else tuple(changed)
