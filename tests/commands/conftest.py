"""What the command line is run on, and the fixture that runs it."""

from pathlib import Path

import pytest
from commands.runs import dataload, recordings  # noqa: F401


@pytest.fixture
def module(tmp_path):
    """Writes a Python module into tmp_path."""

    def write(source: str, name: str = "mine") -> Path:
        path = tmp_path / f"{name}.py"
        path.write_text(source)
        return path

    return write
