"""Stores that a URL leads to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dataload.errors import ConfigError
from dataload.storage.base import Store


def open_store(url: str, options: Mapping[str, Any] | None) -> tuple[Store, str]:
    """Return the store of a URL, and the name in it.

    Raises:
        ConfigError: nobody knows such URLs.
    """
    raise ConfigError(f"{url!r}: there is no store for such URLs")
