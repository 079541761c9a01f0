"""Types of Arrow columns: which are read how, and the one type for a column that files give different ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from dataload.sources.tables.values import is_list


def plain_type(kind: Any) -> Any:
    """Return the type that values of `kind` are read as: views and runs are layouts, and a dictionary is its values.

    Raises:
        ValueError: there are no values of it, such as of a struct that has a field twice.
    """
    import pyarrow as pa
    from pyarrow import types

    if types.is_dictionary(kind) or types.is_run_end_encoded(kind):
        return plain_type(kind.value_type)
    if isinstance(kind, getattr(pa, "Bool8Type", ())):
        return pa.bool_()
    for name, plain in (("string_view", pa.string()), ("binary_view", pa.binary())):
        if hasattr(types, f"is_{name}") and getattr(types, f"is_{name}")(kind):
            return plain
    if types.is_fixed_size_list(kind):
        return pa.list_(plain_type(kind.value_type), kind.list_size)
    if types.is_list(kind) or types.is_large_list(kind) or _is_list_view(kind):
        large = types.is_large_list(kind) or str(kind).startswith("large")
        return (pa.large_list if large else pa.list_)(plain_type(kind.value_type))
    if types.is_map(kind):
        return pa.map_(plain_type(kind.key_type), plain_type(kind.item_type), keys_sorted=kind.keys_sorted)
    if types.is_struct(kind):
        fields = [kind.field(i) for i in range(kind.num_fields)]
        if len({field.name for field in fields}) < len(fields):
            raise ValueError(f"the struct has a field twice: {[field.name for field in fields]}")
        return pa.struct([(field.name, plain_type(field.type)) for field in fields])
    return kind


def same_layout(kind: Any) -> bool:
    """Tell whether rows of a type can be taken, and values read, without turning it into its plain type first."""
    from pyarrow import types

    if types.is_dictionary(kind):
        return bool(kind.value_type == plain_type(kind.value_type))
    if is_list(kind):
        return not types.is_dictionary(kind.value_type) and same_layout(kind.value_type)
    if types.is_struct(kind):
        return all(same_layout(kind.field(i).type) for i in range(kind.num_fields))
    return bool(kind == plain_type(kind))


def example(kind: Any) -> Any:
    """Return a column with one value of a type, or None where pyarrow makes none of it."""
    import pyarrow as pa

    try:
        # A null has no time zone that could be unknown.
        return pa.chunked_array([pa.array([0], kind) if pa.types.is_timestamp(kind) else pa.nulls(1, kind)])
    except pa.ArrowNotImplementedError:
        return None


def plain_column(column: Any) -> Any:
    """Return a column in its plain type.

    Raises:
        pyarrow.ArrowException: pyarrow cannot.
    """
    import pyarrow as pa

    chunks = [_plain_array(chunk) for chunk in column.chunks]
    return pa.chunked_array(chunks, plain_type(column.type))


def _plain_array(array: Any) -> Any:
    import pyarrow as pa
    from pyarrow import compute, types

    kind = array.type
    if types.is_dictionary(kind):
        array = pa.DictionaryArray.from_arrays(array.indices, _plain_array(array.dictionary))
        return array.cast(array.type.value_type)
    if types.is_run_end_encoded(kind):
        return _plain_array(compute.run_end_decode(array))
    # Casts between lists are not used: that of list views loses values in pyarrow 26.
    if (is_list(kind) and not same_layout(kind)) or _is_list_view(kind):
        return _plain_lists(array)
    if types.is_struct(kind):
        children = [_plain_array(child) for child in array.flatten()]
        names = [kind.field(i).name for i in range(kind.num_fields)]
        return pa.StructArray.from_arrays(children, names, mask=array.is_null())
    if types.is_map(kind) and "list_view" in str(kind):
        raise pa.ArrowNotImplementedError("list views in maps")
    return array.cast(plain_type(kind))


def _is_list_view(kind: Any) -> bool:
    from pyarrow import types

    return hasattr(types, "is_list_view") and bool(types.is_list_view(kind) or types.is_large_list_view(kind))


def _plain_lists(array: Any) -> Any:
    import pyarrow as pa

    kind = plain_type(array.type)
    values = _plain_array(array.flatten())  # those of lists that are null left out
    if pa.types.is_fixed_size_list(kind):
        lengths = np.where(array.is_null().to_numpy(zero_copy_only=False), 0, kind.list_size)
    else:
        lengths = array.value_lengths().fill_null(0).to_numpy()
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    if pa.types.is_large_list(kind):
        return pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), values, mask=array.is_null())
    lists = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values, mask=array.is_null())
    return lists.cast(kind) if pa.types.is_fixed_size_list(kind) else lists


def common_type(a: Any, b: Any) -> Any:
    """Return the type that values of both types have without loss, or None if there is none.

    Whole numbers beside floats are float64; values that it would round are an error where they are read.
    """
    import pyarrow as pa
    from pyarrow import types

    if a == b or types.is_null(b):
        return a
    if types.is_null(a):
        return b
    if is_list(a) and is_list(b):
        inner = common_type(a.value_type, b.value_type)
        if inner is None:
            return None
        if types.is_fixed_size_list(a) and types.is_fixed_size_list(b) and a.list_size == b.list_size:
            return pa.list_(inner, a.list_size)
        return pa.large_list(inner) if types.is_large_list(a) or types.is_large_list(b) else pa.list_(inner)
    if types.is_struct(a) and types.is_struct(b):
        return _common_struct(a, b)
    for alike in (_is_text, _is_bytes):
        if alike(a) and alike(b):
            return pa.large_string() if alike is _is_text else pa.large_binary()
    return _common_leaf(a, b)


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_string(kind) or types.is_large_string(kind))


def _is_bytes(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind))


def _common_struct(a: Any, b: Any) -> Any:
    import pyarrow as pa

    names = [a.field(i).name for i in range(a.num_fields)]
    if sorted(names) != sorted(b.field(i).name for i in range(b.num_fields)):
        return None
    inner = [common_type(a.field(name).type, b.field(name).type) for name in names]
    return None if None in inner else pa.struct(list(zip(names, inner, strict=True)))


def _common_leaf(a: Any, b: Any) -> Any:
    import pyarrow as pa
    from pyarrow import types

    def numbers(kind: Any) -> bool:
        return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))

    both = (a, b)
    if all(map(numbers, both)):
        # Some whole numbers of 64 bits without a sign are none of those with one.
        lossy = pa.uint64() in both and any(map(types.is_signed_integer, both))
        return None if lossy else _promoted(a, b)
    if all(map(types.is_timestamp, both)) and a.tz == b.tz:
        return _promoted(a, b)
    same_family = any(all(map(kind, both)) for kind in (types.is_duration, types.is_time, types.is_date))
    return _promoted(a, b) if same_family else None


def _promoted(a: Any, b: Any) -> Any:
    import pyarrow as pa

    if pa.types.is_integer(a) != pa.types.is_integer(b) and not any(map(pa.types.is_decimal, (a, b))):
        return pa.float64()
    try:
        schemas = [pa.schema([("x", kind)]) for kind in (a, b)]
        return pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return None
