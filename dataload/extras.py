"""Optional packages: whether they are there, and which extra brings them.

The question is asked in one place, and the answer always names the same `pip` line.
"""

from __future__ import annotations

from importlib.util import find_spec

from dataload.errors import MissingExtra


def installed(*modules: str) -> bool:
    """Return whether every one of the top-level `modules` can be imported, without importing any."""
    try:
        return all(find_spec(module) is not None for module in modules)
    except (ImportError, ValueError):  # an import hook that refuses, or a half-loaded entry in sys.modules
        return False


def pip_line(extra: str) -> str:
    """Return the shell command that installs `extra`."""
    return f'pip install "dataload[{extra}]"'


def require(module: str, *, extra: str, purpose: str) -> None:
    """Do nothing where `module` is installed.

    Raises:
        MissingExtra: it is not; the message says what it is needed for and which extra installs it.
    """
    if not installed(module):
        raise MissingExtra(f"{purpose} needs {module}, which is not installed: {pip_line(extra)}")
