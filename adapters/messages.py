"""What several adapters have to say, so that all of them say it alike."""

from __future__ import annotations

from dataload.errors import MissingExtra
from dataload.extras import pip_line


def missing_extra(framework: str, extra: str, error: ImportError) -> ImportError:
    """Return the error to raise in place of `error`, which came from importing a framework.

    Args:
        framework: the top-level module that was imported.
        extra: of dataload, that brings it.
        error: where another module than the framework is what is missing, the framework is there but broken, and its
            own error says more: it is returned as it is.
    """
    if error.name != framework:
        return error
    return MissingExtra(
        f"dataload.adapters.{extra} needs {framework}, which is not installed: {pip_line(extra)}",
        name=framework,
    )
