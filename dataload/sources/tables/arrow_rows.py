"""Rows of one group as an Arrow table, and what they give as samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataload.sources.tables.arrow_types import plain_column, plain_type, same_layout
from dataload.sources.tables.values import column_values


class ColumnError(Exception):
    """A value in a column that cannot be read; whoever knows the file says where that is.

    Args:
        column: name of the column.
        row: number of the row in its group, None where pyarrow does not say.
        why: what is wrong.
    """

    def __init__(self, column: str, row: int | None, why: str) -> None:
        super().__init__(column, row, why)
        self.column, self.row, self.why = column, row, why


class ArrowRows:
    """The rows of a group, of which any can be taken.

    Args:
        table: a pyarrow.Table whose columns are those of a sample, in order.
    """

    def __init__(self, table: Any) -> None:
        self._table = table

    def validate(self) -> None:
        """Raise pyarrow.ArrowInvalid if the memory is not what the types say, which would crash the interpreter."""
        self._table.validate(full=True)

    def typed(self, types: Mapping[str, Any]) -> ArrowRows:
        """Return the same rows with plain columns of these types.

        Raises:
            ColumnError: a value has no equal of that type.
        """
        table = self._table
        for place, name in enumerate(table.column_names):
            column, kind = table.column(place), types[name]
            if not same_layout(column.type):
                column = plain_column(column)
            if kind != plain_type(column.type):
                column = cast(column, kind, name)
            if column is not table.column(place):
                table = table.set_column(place, name, column)
        return self if table is self._table else ArrowRows(table)

    def samples(self, rows: NDArray[np.int64]) -> list[dict[str, Any]]:
        """Return one sample for each of some rows.

        Raises:
            ColumnError: a value is none that Python has.
        """
        import pyarrow as pa

        taken = self._table.take(rows)
        columns = {}
        for name in taken.column_names:
            try:
                columns[name] = column_values(taken.column(name))
            except (pa.ArrowException, ValueError, OverflowError) as error:  # such as a date of the year 0
                raise ColumnError(name, None, f"has values that Python has none for: {error}") from None
        return [{name: values[row] for name, values in columns.items()} for row in range(len(rows))]


def cast(column: Any, kind: Any, name: str) -> Any:
    """Return a column as another type.

    Raises:
        ColumnError: a value has no equal of that type; it tells the row.
    """
    import pyarrow as pa

    try:
        return column.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        low, high = 0, len(column)
        while low < high:  # the first row that fails
            middle = (low + high) // 2
            try:
                column.slice(low, middle + 1 - low).cast(kind)
                low = middle + 1
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                high = middle
        raise ColumnError(name, low, f"is {column.type} and cannot be read as {kind}: {error}") from None
