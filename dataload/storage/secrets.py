"""Options of stores, which may hold keys: they stay in this process, and pickles carry a token in their place.

Worker processes are sent them apart from the pipeline, over their own socket.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import Any

from dataload.errors import ConfigError

Vault = dict[str, dict[str, Any]]

_lock = threading.Lock()
_vault: Vault = {}


def _unlock() -> None:
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    # A fork made while another thread holds the lock would wait for ever for that thread, which it does not have.
    os.register_at_fork(after_in_child=_unlock)


def keep(options: Mapping[str, Any] | None) -> str:
    """Keep options, and return the token that stands for them; none is the empty token."""
    if not options:
        return ""
    if not isinstance(options, Mapping) or not all(isinstance(name, str) for name in options):
        raise ConfigError(f"storage_options is a {type(options).__name__}: it must be a dict of names and values")
    with _lock:
        for token, kept in _vault.items():
            if kept == options:
                return token
        token = os.urandom(8).hex()
        _vault[token] = dict(options)
        return token


def look_up(token: str, url: str) -> dict[str, Any]:
    """Return the options that a token stands for.

    Args:
        token: of `keep`.
        url: what they are for, for the message.

    Raises:
        ConfigError: they were given in another process.
    """
    if not token:
        return {}
    try:
        return _vault[token]
    except KeyError:
        raise ConfigError(
            f"the storage_options of {url} are not known in this process, since pickles do not carry them: make the "
            "source here, or let the environment variables of the store say how to reach it"
        ) from None


def for_workers() -> ForWorkers | None:
    """Return what to send to worker processes: None where nothing is kept, so that they import nothing for it."""
    return ForWorkers() if _vault else None


class ForWorkers:
    """All that is kept: unpickled in a worker process before what needs it, it is kept there too."""

    def __reduce__(self) -> Any:
        with _lock:
            return _take_over, (dict(_vault),)


def _take_over(vault: Vault) -> None:
    with _lock:
        _vault.update(vault)
