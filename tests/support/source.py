"""The project's own source, parsed: what the architecture and shape tests look at."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
Function = ast.FunctionDef | ast.AsyncFunctionDef

# A room imports from lower shelves and from itself; rooms of one shelf never import one another.
SHELVES = {
    8: (
        "__main__", "cli", "cli_admin", "cli_audit", "cli_review", "cli_policy", "app",
        "offer", "check", "doctor", "demo", "editor_schemas",
    ),
    7: ("web", "admin"),
    6: ("gateway",),
    5: ("export",),
    4: ("access", "engines", "volumes"),
    3: ("masks",),
    2: ("store", "audit", "observe", "config"),
    1: ("errors", "model", "regex", "sql", "version"),
}


@dataclass(frozen=True)
class Import:
    """One imported module: its full dotted name, and where the statement stands."""

    target: str
    line: int
    in_function: bool
    typing_only: bool


@dataclass(frozen=True)
class Module:
    """One file of ``hfit`` or ``hfitd``."""

    name: str
    path: Path
    text: str
    tree: ast.Module

    def at(self, line: int) -> str:
        """``path:line`` below the project's root, for a report."""
        return f"{self.path.relative_to(ROOT)}:{line}"

    @property
    def lines(self) -> int:
        """Length of the file."""
        return len(self.text.splitlines())

    @property
    def is_package(self) -> bool:
        """Whether this is an ``__init__.py``."""
        return self.path.name == "__init__.py"


@cache
def modules(package: str) -> tuple[Module, ...]:
    """Every module of a package, sorted by name."""
    found = []
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        text = path.read_text("utf-8")
        found.append(Module(name, path, text, ast.parse(text, str(path))))
    return tuple(found)


def everything() -> tuple[Module, ...]:
    """The client's and the daemon's modules."""
    return modules("hfit") + modules("hfitd")


@cache
def _names() -> frozenset[str]:
    return frozenset(module.name for module in everything())


def imports(module: Module) -> Iterator[Import]:
    """Every import of a module; ``from a import b`` names ``a.b`` when that is a module of ours."""
    yield from _imports(module, module.tree, in_function=False, typing_only=False)


def _imports(module: Module, node: ast.AST, *, in_function: bool, typing_only: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(alias.name, child.lineno, in_function, typing_only)
        elif isinstance(child, ast.ImportFrom):
            start = _absolute(module, child)
            full = {f"{start}.{alias.name}" for alias in child.names}
            for target in sorted({name if name in _names() else start for name in full}):
                yield Import(target, child.lineno, in_function, typing_only)
        else:
            inside = in_function or isinstance(child, Function)
            typing = typing_only or (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test))
            yield from _imports(module, child, in_function=inside, typing_only=typing)


def _absolute(module: Module, statement: ast.ImportFrom) -> str:
    if not statement.level:
        return statement.module or ""
    parts = module.name.split(".")
    parts = parts[: len(parts) - statement.level + (1 if module.is_package else 0)]
    return ".".join([*parts, *([statement.module] if statement.module else [])])


def functions(module: Module) -> Iterator[tuple[str, Function]]:
    """Every function and method with its dotted name inside the module."""

    def walk(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, Function | ast.ClassDef):
                name = f"{prefix}{child.name}"
                if isinstance(child, Function):
                    yield name, child
                yield from walk(child, f"{name}.")
            else:
                yield from walk(child, prefix)

    return walk(module.tree, "")


def body_lines(function: Function) -> int:
    """Lines from the first statement after the docstring to the end."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


_BRANCHES = (ast.If, ast.IfExp, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.match_case)


def branches(function: Function) -> int:
    """Decisions in a function, without those of functions inside it."""

    def count(node: ast.AST) -> int:
        inner = [child for child in ast.iter_child_nodes(node) if not isinstance(child, Function | ast.Lambda)]
        return sum(isinstance(child, _BRANCHES) + count(child) for child in inner)

    return count(function)
