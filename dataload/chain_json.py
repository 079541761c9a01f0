"""Chains as JSON, for a pipeline that must run again when the code has changed.

A chain holds only names of classes that were passed to `register`, and the values of their fields.
"""

from __future__ import annotations

from dataload.chain import JSON_FORMAT, Chain
from dataload.registry import register

__all__ = ["FORMAT", "from_json", "register", "to_json"]

FORMAT = JSON_FORMAT


def to_json(chain: Chain) -> str:
    """Return a chain as JSON text; see `Chain.to_json`.

    >>> print(to_json(Chain([])))
    {
      "dataload_chain": 1,
      "transforms": []
    }
    """
    return chain.to_json()


def from_json(text: str) -> Chain:
    """Return the chain that was written by `to_json`; see `Chain.from_json`.

    >>> len(from_json(to_json(Chain([]))))
    0
    """
    return Chain.from_json(text)
