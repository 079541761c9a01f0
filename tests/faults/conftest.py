"""Faults take their time: they are left out of `make check`."""

from pathlib import Path

import pytest


def pytest_collection_modifyitems(items):
    """Mark what stands in this folder."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)
