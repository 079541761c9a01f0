"""What a format of shards is to the packing, and the place in the source that its writer moves on."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from keyword import iskeyword
from typing import Any, Generic, Protocol, TypeVar

from dataload.errors import ConfigError, annotate
from dataload.shards.pack.values import Samples

Record = TypeVar("Record")
Layout = dict[str, dict[str, Any]]


class Cursor(Generic[Record]):
    """The next sample of a source, encoded once, whichever shard it comes to stand in.

    Args:
        samples: of which source.
        encode: makes of a sample's number and fields what a shard holds of it.
        start: number of the first sample.

    Attributes:
        index: number of the next sample.
        on_sample: called for every sample that a shard has taken.
    """

    def __init__(
        self,
        samples: Samples,
        encode: Callable[[int, dict[str, Any]], Record],
        start: int = 0,
    ) -> None:
        self.index = start
        self.on_sample: Callable[[], None] = lambda: None
        self._samples = samples
        self._encode = encode
        self._pending: list[Record] = []

    @property
    def over(self) -> bool:
        """Whether every sample is taken."""
        return self.index >= len(self._samples)

    def peek(self) -> Record:
        """Return the next sample, encoded.

        Raises:
            ConfigError: the format cannot keep a value; a note names the sample.
            The errors of the source, likewise.
        """
        if not self._pending:
            self._pending.append(self.make(self.index))
        return self._pending[0]

    def take(self) -> None:
        """Go on to the sample behind it."""
        self._pending.clear()
        self.index += 1
        self.on_sample()

    def make(self, index: int) -> Record:
        """Return any sample, encoded."""
        fields = self._samples[index]
        try:
            return self._encode(index, fields)
        except Exception as error:
            annotate(error, f"while packing {self._samples.describe(index)}")
            raise


class Format(Protocol):
    """How samples become shards of a kind.

    Attributes:
        suffix: of the shards' names, with the dot.
        layout: what is settled about every field, as plain JSON; empty before `settle`.
    """

    suffix: str
    layout: Layout

    def settle(self, samples: Samples) -> None:
        """Settle the layout by the first samples, unless it is settled.

        Raises:
            ConfigError: the format cannot keep a field.
        """
        ...

    def encode(self, index: int, fields: dict[str, Any]) -> Any:
        """Return what a shard holds of a sample; depends on nothing but the sample and the layout.

        Raises:
            ConfigError: the format cannot keep a value.
        """
        ...

    def data(self, record: Any) -> bytes:
        """Return bytes that tell what `encode` made of a sample from anything else."""
        ...

    def shard(self, cursor: Cursor[Any], limit: int) -> Iterator[bytes]:
        """Yield the bytes of the next shard, and take its samples: at least one, and as many as fit the limit."""
        ...

    def lines(self, pattern: str) -> list[str]:
        """Return the Python that makes a source of the shards of a pattern: imports, remarks, and an expression."""
        ...


@dataclass(frozen=True)
class Code:
    """Python that is written into a line as it stands."""

    text: str

    def __repr__(self) -> str:
        return self.text


_IMPORTS = {
    "io": "import io",
    "json": "import json",
    "np": "import numpy as np",
    "WholeList": "from dataload.whole import WholeList",
    "WholeDict": "from dataload.whole import WholeDict",
}


def source_lines(name: str, pattern: str, fields: dict[str, Any], taken: Collection[str]) -> list[str]:
    """Return the Python that makes a source with these fields: imports, remarks, and an expression.

    Args:
        name: of the source.
        pattern: of its shards.
        fields: what it takes for each field: texts, tuples of texts, and Code.
        taken: names of its own arguments, which no field can have.
    """
    line = call(name, pattern, {f"{field}_" if field in taken else field: value for field, value in fields.items()})
    code = line[len(name) + len(quoted(pattern)) :]
    imports = [text for word, text in _IMPORTS.items() if re.search(rf"\b{word}[.(]", code)]
    remarks = [f"# {name} has an argument {field}: the field is {field}_" for field in fields if field in taken]
    return [*imports, f"from dataload import {name}", *remarks, line]


def call(name: str, pattern: str, fields: dict[str, Any]) -> str:
    """Return the Python that calls a source with a pattern, and with fields by keyword.

    >>> call("TarSource", "out/*.tar", {"audio": "flac", "my label": ("cls", Code("int"))})
    'TarSource("out/*.tar", audio="flac", **{"my label": ("cls", int)})'
    """
    names = list(fields)
    # From the first that is no name on, so that fields keep their order.
    first = next((i for i, name in enumerate(names) if not name.isidentifier() or iskeyword(name)), len(names))
    plain = {name: fields[name] for name in names[:first]}
    others = {name: fields[name] for name in names[first:]}
    parts = [quoted(pattern), *(f"{field}={_written(value)}" for field, value in plain.items())]
    if others:
        parts.append("**{" + ", ".join(f"{quoted(field)}: {_written(value)}" for field, value in others.items()) + "}")
    return f"{name}({', '.join(parts)})"


def quoted(text: str) -> str:
    """Return the Python of a text, in double quotes where that changes nothing."""
    plain = repr(text)
    return plain if '"' in text or plain[0] == '"' else f'"{plain[1:-1]}"'


def _written(value: Any) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(map(_written, value))})"
    return quoted(value) if isinstance(value, str) else repr(value)


def same_fields(layout: Layout, fields: dict[str, Any]) -> None:
    """Raise ConfigError unless a sample has the fields of the first one."""
    if fields.keys() == layout.keys():
        return
    missing = [name for name in layout if name not in fields]
    what = f"has no field {missing[0]!r}" if missing else f"has a field {(fields.keys() - layout.keys()).pop()!r} more"
    raise ConfigError(f"a sample {what}: the first sample has {', '.join(map(repr, layout))}, and all must have those")
