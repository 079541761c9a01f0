"""The `fast` extra: whether its packages may be used, and how they are loaded.

The rooms that have a faster way (frames and mel filters, FLAC) ask here; nothing needs any of the packages. See
`dataload.transforms.fast` for what the extra brings and costs.
"""

from __future__ import annotations

import importlib
import os
import warnings
from types import ModuleType

SWITCH = "DATALOAD_FAST"


def switched_on() -> bool:
    """Return whether the extra may be used: unless DATALOAD_FAST=0 stands in the environment, read at every call."""
    return os.environ.get(SWITCH) != "0"


def load(package: str, module: str) -> ModuleType | None:
    """Import `module`, which needs `package`: None where that is not installed or does not work.

    Warns:
        RuntimeWarning: the package is installed but cannot be used.
    """
    try:
        return importlib.import_module(module)
    except Exception as error:
        # numba, for one, raises errors of many kinds where a version of numpy or a folder that cannot be written does
        # not suit it. The work can be done without, but not in silence.
        if not (isinstance(error, ModuleNotFoundError) and error.name == package):
            warnings.warn(
                f"{package} is installed but cannot be used ({type(error).__name__}: {error}): going on without it; "
                f"repair or remove it, or set {SWITCH}=0",
                RuntimeWarning,
                stacklevel=2,
            )
        return None
