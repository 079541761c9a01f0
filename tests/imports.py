"""Which module imports which, as the wheel names them: read from the code, nothing is imported.

Seen are imports at the top of a module, inside functions, for type checkers alone, and those by string: every text that
is the name of a module of ours, and `import_module(f"dataload.commands.{name}")`, which is every module of that prefix.
"""

import ast
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOP, LATE, TYPING, STRING = "at the top", "in a function", "for type checkers", "by string"
RUNTIME = {TOP, LATE, STRING}
_BY_NAME = {"import_module", "__import__"}


@dataclass
class Module:
    """One module: what it imports, as (name, kind), and what a reader of its imports should know."""

    name: str
    path: Path
    tree: ast.Module
    imports: set[tuple[str, str]] = field(default_factory=set)
    private: set[str] = field(default_factory=set)
    """Private names of other modules that it reaches for."""
    unresolved: list[str] = field(default_factory=list)
    """Calls that import a name made at run time."""

    def names(self, *kinds: str) -> set[str]:
        """Full names of what is imported in these ways, in any if none is given."""
        return {name for name, kind in self.imports if not kinds or kind in kinds}


def folders() -> dict[str, Path]:
    """Return the package names of the wheel with their folders here, and the benchmarks, which are in none."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    wheel = config["targets"]["wheel"]
    found = {wheel["sources"].get(name, name).replace("/", "."): ROOT / name for name in wheel["only-include"]}
    return {**found, "benchmarks": ROOT / "benchmarks"}


@cache
def modules() -> dict[str, Module]:
    """Return every module by the name that it is imported under."""
    excluded = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["exclude"]
    links = {ROOT / path.strip("/") for path in excluded}
    found: dict[str, Module] = {}
    for package, folder in folders().items():
        for path in sorted(folder.rglob("*.py")):
            if not links & set(path.parents):
                parts = path.relative_to(folder).with_suffix("").parts
                name = ".".join([package, *(part for part in parts if part != "__init__")])
                assert name not in found, f"{name} is both {found[name].path} and {path}"
                found[name] = Module(name, path, ast.parse(path.read_text()))
    for module in found.values():
        _Reader(module, set(found)).read()
    return found


class _Reader(ast.NodeVisitor):
    def __init__(self, module: Module, known: set[str]) -> None:
        self.module, self.known = module, known
        self.kind = TOP
        self.bound: dict[str, str] = {}
        """Which module of ours a name stands for."""

    def read(self) -> None:
        self.visit(self.module.tree)
        for node in ast.walk(self.module.tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and _is_private(node.attr):
                owner = self.bound.get(node.value.id)
                if owner is not None:
                    self.module.private.add(f"{owner}.{node.attr}")

    def _add(self, name: str, kind: str | None = None) -> None:
        if name != self.module.name:
            self.module.imports.add((name, kind or self.kind))

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._add(alias.name)
            if alias.asname and alias.name in self.known:
                self.bound[alias.asname] = alias.name

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        origin = node.module or ""
        if node.level:
            package = self.module.name.split(".")
            cut = node.level - (self.module.path.name == "__init__.py")
            origin = ".".join([*package[: len(package) - cut], *([origin] if origin else [])])
        for alias in node.names:
            full = f"{origin}.{alias.name}"
            is_module = full in self.known
            self._add(full if is_module else origin)
            if is_module:
                self.bound[alias.asname or alias.name] = full
            if origin in self.known and (_is_private(alias.name) or (is_module and _is_private(full.split(".")[-1]))):
                self.module.private.add(full)

    def visit_If(self, node: ast.If) -> None:
        test = node.test.attr if isinstance(node.test, ast.Attribute) else getattr(node.test, "id", "")
        if test != "TYPE_CHECKING":
            self.generic_visit(node)
            return
        before, self.kind = self.kind, TYPING
        for child in node.body:
            self.visit(child)
        self.kind = before
        for child in node.orelse:
            self.visit(child)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        before, self.kind = self.kind, LATE
        self.generic_visit(node)
        self.kind = before

    visit_FunctionDef = visit_AsyncFunctionDef = visit_Lambda = _function

    def visit_Constant(self, node: ast.Constant) -> None:
        # A dot in it, since "dataload" is the name of the command too. Texts that are no import say more than a name.
        if isinstance(node.value, str) and "." in node.value:
            name = node.value.partition(":")[0]
            if name in self.known:
                self._add(name, STRING)

    def visit_Call(self, node: ast.Call) -> None:
        function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if function in _BY_NAME:
            argument = node.args[0] if node.args else node.keywords[0].value
            names = set(self._named(argument))
            for name in names:
                self._add(name, STRING)
            if not names:
                self.module.unresolved.append(ast.unparse(node))
        self.generic_visit(node)

    def _named(self, argument: ast.expr) -> Iterator[str]:
        if isinstance(argument, ast.Constant):
            yield argument.value
        elif isinstance(argument, ast.JoinedStr) and isinstance(argument.values[0], ast.Constant):
            prefix = str(argument.values[0].value)
            yield from (name for name in self.known if name.startswith(prefix) and "." in prefix)


def _is_private(name: str) -> bool:
    return name.startswith("_") and not (name.startswith("__") and name.endswith("__"))


def ours(module: Module, *kinds: str) -> set[str]:
    """Return which modules of ours a module imports in these ways."""
    return {name for name in module.names(*kinds) if name in modules()}


def circles(edges: dict[str, set[str]]) -> list[list[str]]:
    """Return each set of modules that import one another, as one way around, shortest first."""
    found: list[list[str]] = []
    seen: set[frozenset[str]] = set()
    for start in sorted(edges):
        # The shortest way from a module back to it, by breadth.
        before, row = {start: ""}, [start]
        while row and start not in (reached := {name for each in row for name in edges[each]}):
            row = [name for name in sorted(reached) if name not in before and name in edges]
            for name in row:
                before[name] = next(each for each in before if name in edges[each])
        if row:
            last = next(each for each in row if start in edges[each])
            way = [last]
            while way[-1] != start:
                way.append(before[way[-1]])
            if frozenset(way) not in seen:
                seen.add(frozenset(way))
                found.append(way[::-1])
    return sorted(found, key=len)
