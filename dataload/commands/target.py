"""From the target named on the command line to a loader: a folder of audio, or `module:attribute`.

Wrong usage shows here, and the user's own code runs here.
"""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from typing import Any

from dataload import Loader
from dataload.commands.arguments import UsageError
from dataload.errors import SourceNotFound
from dataload.transforms import DecodeAudio, LogMel

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")
DEFAULT_SAMPLE_RATE = 16_000
DEFAULT_BATCH_SIZE = 32
ATTRIBUTE = re.compile(r"(?P<module>[^\W\d]\w*(\.[^\W\d]\w*)*):(?P<attribute>[^\W\d]\w*(\.[^\W\d]\w*)*)")


def open_target(target: str, *, batch_size: int | None, sample_rate: int | None) -> Loader:
    """Return the loader that `target` names.

    Args:
        target: path of a folder with audio files, or `module:attribute`, a Loader or a function returning
            one.
        batch_size: of the loader; None leaves a user's loader as it is and is 32 for a folder.
        sample_rate: in Hz, to which a folder's files are converted; None is 16000.

    Raises:
        UsageError: there is no such path, module or attribute, or it is something else.
        SourceNotFound: a folder without audio files.
    """
    path = Path(target)
    if path.is_dir():
        return folder_loader(path, batch_size or DEFAULT_BATCH_SIZE, sample_rate or DEFAULT_SAMPLE_RATE)
    if path.exists():
        raise UsageError(f"{target} is a file: name the folder that it is in")
    named = ATTRIBUTE.fullmatch(target)
    if named is None:
        raise UsageError(f"there is no folder {target}: name a folder of audio files, or module:attribute")
    if sample_rate is not None:
        raise UsageError("--sample-rate is for folders; a Loader brings its own transforms")
    loader = as_loader(target, find_attribute(named["module"], named["attribute"]))
    return loader if batch_size is None else loader.with_options(batch_size=batch_size)


def folder_loader(folder: Path, batch_size: int, sample_rate: int) -> Loader:
    """Return a loader of log-mel spectrograms of the audio files in `folder` and the folders in it.

    Raises:
        SourceNotFound: there are none.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES and path.is_file())
    if not paths:
        raise SourceNotFound(f"{folder} has no audio files ({', '.join(AUDIO_SUFFIXES)}), nor have the folders in it")
    return Loader(
        [{"audio": str(path)} for path in paths],
        transforms={"audio": [DecodeAudio(sample_rate), LogMel(sample_rate)]},
        batch_size=batch_size,
        shuffle=True,
    )


def find_attribute(module: str, attribute: str) -> Any:
    """Import `module`, also from the current folder, and return its `attribute`, which may have dots.

    Raises:
        UsageError: there is no such module or attribute. What the module itself raises passes through.
    """
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        # Only where `module` or a package above it is what is missing; a missing import inside it is the
        # user's code.
        if error.name is not None and f"{module}.".startswith(f"{error.name}."):
            raise UsageError(f"there is no module {error.name}, here or among the installed packages") from None
        raise
    for name in attribute.split("."):
        if not hasattr(found, name):
            raise UsageError(f"{module} has no attribute {attribute}")
        found = getattr(found, name)
    return found


def as_loader(name: str, found: Any) -> Loader:
    """Return `found` if it is a Loader, and what it returns if it is a function.

    Raises:
        UsageError: neither gives a Loader.
    """
    if isinstance(found, Loader):
        return found
    if not callable(found):
        raise UsageError(f"{name} is of type {type(found).__name__}, neither a Loader nor a function returning one")
    made = found()
    if not isinstance(made, Loader):
        raise UsageError(f"{name}() returned {type(made).__name__}, not a Loader")
    return made
