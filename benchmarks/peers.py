"""`python -m benchmarks peers`: an environment of their own for peers that need other versions than the rest.

MosaicML Streaming wants numpy below 2.2. The environment has dataload's own dependencies too, so that the process that
measures is the same module, run by another interpreter.
"""

from __future__ import annotations

import subprocess
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".venv-peers"
# torch as in constraints.txt: a newer one brings several gigabytes of CUDA packages along.
PACKAGES = ("mosaicml-streaming>=0.13", "litdata>=0.2.60", "numpy<2.2", "torch==2.13.0")


def interpreter() -> Path:
    """Return where the Python of that environment is, or would be."""
    windows = FOLDER / "Scripts" / "python.exe"
    return windows if windows.exists() else FOLDER / "bin" / "python"


def main(arguments: list[str]) -> None:
    """Make it; arguments go on to `pip install`."""
    if not interpreter().exists():
        venv.create(FOLDER, with_pip=True)
    command = [str(interpreter()), "-m", "pip", "install", "--editable", str(ROOT), *PACKAGES, *arguments]
    raise SystemExit(subprocess.run(command, check=False).returncode)
