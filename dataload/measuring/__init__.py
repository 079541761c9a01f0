"""Measuring, and showing what was measured: for `dataload bench` and `demo`, and for the benchmarks.

Rounds that take turns (`rounds`), windows in which batches are counted (`window`), the machine and the versions that
figures depend on (`facts`), tables in a terminal and in Markdown (`tables`). Nothing here knows a Loader.
"""

from dataload.measuring.facts import about, describe, machine, memory_in_use, versions, write_json
from dataload.measuring.rounds import Rounds, race, turns
from dataload.measuring.tables import Column, Report, Table
from dataload.measuring.window import Window, endless, take

__all__ = [
    "Column",
    "Report",
    "Rounds",
    "Table",
    "Window",
    "about",
    "describe",
    "endless",
    "machine",
    "memory_in_use",
    "race",
    "take",
    "turns",
    "versions",
    "write_json",
]
