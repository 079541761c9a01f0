"""How the tests run the command line: in a process of its own, with or without optional packages."""

import sys

# Runs the command line where the packages named first cannot be imported, as if they were not installed.
WITHOUT = """
import sys

class Refuse:
    names = set({names!r})
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Refuse())
from dataload.commands import main
sys.exit(main(sys.argv[1:]))
"""

QUICK = ("--rounds", "1", "--seconds", "0.05")


def command(*arguments, without=()):
    program = ["-c", WITHOUT.format(names=tuple(without))] if without else ["-m", "dataload"]
    return [sys.executable, *program, *map(str, arguments)]
