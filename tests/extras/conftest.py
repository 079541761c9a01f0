"""The demo is run like the other commands."""

from commands.runs import dataload, recordings  # noqa: F401
