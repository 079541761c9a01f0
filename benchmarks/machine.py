"""What the figures depend on besides the code: the machine, and the versions of everything that ran."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from dataload.machine import processor_name

_PACKAGES = (
    "dataload", "numpy", "scipy", "soundfile", "torch", "tensorflow-cpu", "tensorflow", "grain", "spdl", "lhotse",
    "webdataset", "numba", "mkl_fft", "miniaudio", "librosa", "kaldi-native-fbank",
)  # fmt: skip


def machine() -> dict[str, Any]:
    """Return processor, cores that this process may use, and memory."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = None
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1)
    return {"processor": processor_name(), "cores": cores, "memory_gb": memory, "system": platform.platform()}


def versions() -> dict[str, str]:
    """Return the version of Python and of each package that is installed."""
    found = {"python": sys.version.split()[0]}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
