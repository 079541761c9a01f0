"""Whether the code of a transform is the same as that of another one: a digest of what the interpreter runs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from types import CodeType
from typing import Any


def code_digest(transform: Any) -> str:
    """Return a digest of the code of a function, or of the methods of an object's class."""
    digest = hashlib.blake2b(digest_size=16)
    code = getattr(transform, "__code__", None)
    for part in _bytes_of(code) if isinstance(code, CodeType) else _code_of(type(transform)):
        digest.update(part)
    return digest.hexdigest()


def _code_of(kind: type) -> Iterator[bytes]:
    """Yield what says whether the methods of a class are the same as those of another one."""
    for base in kind.__mro__:
        if base.__module__ in ("builtins", "abc", "typing") or base.__module__.startswith("dataload."):
            continue
        for name, member in sorted(vars(base).items()):
            function = getattr(member, "__func__", None) or getattr(member, "fget", None) or member
            code = getattr(function, "__code__", None)
            if isinstance(code, CodeType):
                yield name.encode()
                yield from _bytes_of(code)


def _bytes_of(code: CodeType) -> Iterator[bytes]:
    yield code.co_code
    yield repr((code.co_names, code.co_varnames, code.co_freevars)).encode()
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _bytes_of(constant)
        else:
            # The order of a set is another one in each process.
            yield repr(sorted(map(repr, constant)) if isinstance(constant, frozenset) else constant).encode()
