"""Who may import whom: the shelves, the rooms of the libraries, and a few things that may stand nowhere."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable

from tests.support.source import ROOT, SHELVES, Module, everything, imports, modules

# The files of the lowest and of the highest shelf are not rooms: they may meet, without a cycle.
OPEN_SHELVES = (1, 8)
SHELF = {room: shelf for shelf, rooms in SHELVES.items() for room in rooms}

# Where each library may be imported: prefixes of module names.
ROOMS = {
    "aiofiles": ("hfitd.volumes",),
    "aiohttp": ("hfitd.web",),
    "aiomysql": ("hfitd.engines", "hfit.load"),
    "apispec": ("hfitd.web",),
    "asyncpg": ("hfitd.engines", "hfit.load", "hfit.testing.postgres"),
    "backports": ("hfitd.export.package", "hfit.package"),
    "click": (
        *("hfit.cli", "hfit.commands", "hfitd.cli", "hfitd.cli_admin", "hfitd.cli_audit", "hfitd.cli_policy"),
        "hfitd.cli_review",
    ),
    "compression": ("hfitd.export.package", "hfit.package"),
    # The audit log signs its own checkpoints: it stands below access. The demo makes a developer's key pair.
    "cryptography": ("hfitd.access", "hfitd.audit", "hfitd.demo", "hfit.credentials"),
    "isal": ("hfitd.export.package", "hfit.package"),
    "jinja2": ("hfitd.web.console",),
    "jwt": ("hfitd.access",),
    "marshmallow": ("hfitd.config", "hfitd.export.template", "hfitd.web", "hfitd.admin", "hfitd.editor_schemas"),
    "obstore": ("hfitd.audit", "hfitd.export.bucket_depot"),
    "opentelemetry": ("hfitd.observe.traces",),
    "paramiko": ("hfitd.access", "hfit.credentials"),
    "platformdirs": ("hfit.refresh.cache",),
    "prometheus_client": ("hfitd.observe",),
    "pymysql": ("hfitd.engines", "hfit.load", "hfit.testing.mysql"),
    "pytest": ("hfit.pytest_plugin",),
    "redis": ("hfitd.store",),
    "rich": ("hfit.output",),
    "sqlglot": ("hfitd.export.query",),
    "yaml": ("hfitd.export.template", "hfit.commands", "hfit.lint"),
}

# An import inside a function is for a start-up that must not pay for every command, and for the extras of a release.
LAZY = (
    *("hfit", "hfit.cli", "hfit.client", "hfit.commands", "hfit.gateway", "hfit.pytest_plugin"),
    *("hfit.credentials.sshsig", "hfit.load.openers", "hfit.package.place"),
    *("hfitd.cli", "hfitd.cli_admin", "hfitd.cli_audit", "hfitd.audit.sinks", "hfitd.observe.tracing"),
    "hfitd.export.depots",
)
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "manager", "service", "misc"}


def _report(problems: Iterable[str]) -> None:
    found = sorted(problems)
    assert not found, "\n" + "\n".join(found)


def _room(name: str) -> str:
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else ""


def _within(name: str, prefixes: Iterable[str]) -> bool:
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


def test_every_room_of_the_daemon_has_a_shelf() -> None:
    _report(m.at(1) + " stands on no shelf" for m in modules("hfitd") if _room(m.name) and _room(m.name) not in SHELF)


def test_the_daemon_imports_only_downward() -> None:
    problems = []
    for module in modules("hfitd"):
        here = _room(module.name)
        for item in imports(module):
            there = _room(item.target)
            if item.target.split(".")[0] != "hfitd" or there == here or not {here, there} <= SHELF.keys():
                continue
            together = SHELF[here] == SHELF[there] and SHELF[here] in OPEN_SHELVES
            if SHELF[there] >= SHELF[here] and not together:
                problems.append(f"{module.at(item.line)} {here} (shelf {SHELF[here]}) imports {item.target}")
    _report(problems)


def test_the_lowest_shelf_imports_the_standard_library_only() -> None:
    lowest = [module for module in modules("hfitd") if SHELF.get(_room(module.name)) == 1]
    _report(
        f"{module.at(item.line)} {item.target}"
        for module in lowest
        for item in imports(module)
        if item.target.split(".")[0] not in {*sys.stdlib_module_names, "hfitd"}
    )


def test_client_and_daemon_never_import_each_other() -> None:
    other = {"hfit": "hfitd", "hfitd": "hfit"}
    _report(
        f"{module.at(item.line)} imports {item.target}"
        for package in other
        for module in modules(package)
        for item in imports(module)
        if item.target.split(".")[0] == other[package]
    )


def test_nothing_of_the_product_imports_the_tests() -> None:
    _report(m.at(i.line) for m in everything() for i in imports(m) if i.target.split(".")[0] == "tests")


def test_each_library_stays_in_its_room() -> None:
    problems = []
    for module in everything():
        for item in imports(module):
            library = item.target.split(".")[0]
            if library in sys.stdlib_module_names or library in ("hfit", "hfitd"):
                continue
            if library not in ROOMS:
                problems.append(f"{module.at(item.line)} {library} has no room")
            elif not _within(module.name, ROOMS[library]):
                problems.append(f"{module.at(item.line)} {library} belongs to {', '.join(ROOMS[library])}")
    _report(problems)


def test_an_import_inside_a_function_is_for_lazy_start_up_only() -> None:
    _report(
        f"{module.at(item.line)} {item.target}"
        for module in everything()
        for item in imports(module)
        if item.in_function and module.name not in LAZY and not _within(module.name, ["hfit.commands"])
    )


def _cycles(graph: dict[str, set[str]]) -> list[str]:
    """One report per strongly connected component of more than one module (Tarjan)."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[str] = []

    def visit(name: str) -> None:
        order[name] = low[name] = len(order)
        stack.append(name)
        for target in graph[name]:
            if target not in order:
                visit(target)
                low[name] = min(low[name], low[target])
            elif target in stack:
                low[name] = min(low[name], order[target])
        if low[name] == order[name]:
            group = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(group) > 1 or name in graph[name]:
                found.append(" <-> ".join(sorted(group)))

    for name in graph:
        if name not in order:
            visit(name)
    return found


def test_no_module_imports_itself_through_others() -> None:
    names = {module.name for module in everything()}
    # Function-level and typing-only imports count: they hide a cycle, they do not remove it. The lazy public
    # re-export of the client's package file is the one exception.
    graph = {
        module.name: {item.target for item in imports(module) if item.target in names}
        for module in everything()
        if module.name != "hfit"
    }
    graph["hfit"] = set()
    _report(_cycles(graph))


def test_no_module_has_a_name_that_says_nothing() -> None:
    _report(m.at(1) for m in everything() if FORBIDDEN_NAMES & set(m.name.split(".")))
    _report(str(p.relative_to(ROOT)) for p in (ROOT / "tests").rglob("*.py") if p.stem in FORBIDDEN_NAMES)


def test_a_package_file_holds_a_docstring_only() -> None:
    # hfit re-exports its Client: that is the public API.
    problems = []
    for module in everything():
        if module.is_package and module.name != "hfit":
            body = module.tree.body
            if ast.get_docstring(module.tree) is None or len(body) > 1:
                problems.append(module.at(1))
    _report(problems)


def test_only_access_makes_relations() -> None:
    """Whoever reads rows needs a Relation; if only the policy makes them, an unmasked read cannot be written."""
    problems = []
    for module in modules("hfitd"):
        for node in ast.walk(module.tree):
            made = isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "Relation"
            if made and not _within(module.name, ["hfitd.access"]):
                problems.append(module.at(node.lineno))
    _report(problems)


def _works_at_import(module: Module) -> list[str]:
    problems = []
    for node in module.tree.body:
        call = isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant)
        if call or isinstance(node, ast.For | ast.While | ast.With | ast.Delete):
            problems.append(module.at(node.lineno))
    return problems


def test_importing_a_module_does_nothing() -> None:
    # A program's entry runs it, and click's tree of commands is built where it stands.
    entries = ("hfit.__main__", "hfit.cli", "hfitd.__main__", "hfitd.cli")
    _report(problem for module in everything() if module.name not in entries for problem in _works_at_import(module))


def test_no_function_changes_a_global() -> None:
    _report(m.at(n.lineno) for m in everything() for n in ast.walk(m.tree) if isinstance(n, ast.Global))


def test_nothing_is_left_for_later() -> None:
    marks = ("TO" + "DO", "FIX" + "ME", "Not" + "ImplementedError")
    files = [path for folder in ("hfit", "hfitd", "tests") for path in (ROOT / folder).rglob("*.py")]
    _report(
        f"{path.relative_to(ROOT)} {mark}" for path in files for mark in marks if mark in path.read_text("utf-8")
    )


def test_no_test_mocks_or_skips() -> None:
    problems = []
    for path in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
                if any("mock" in name.split(".") for name in names):
                    problems.append(f"{path.relative_to(ROOT)}:{node.lineno} mocks")
            name = ast.unparse(node) if isinstance(node, ast.Attribute) else ""
            if name in ("pytest.skip", "pytest.importorskip", "mark.skip", "mark.skipif", "mark.xfail") or name in (
                "pytest.mark.skip", "pytest.mark.skipif", "pytest.mark.xfail", "pytest.xfail",
            ):  # fmt: skip
                problems.append(f"{path.relative_to(ROOT)}:{node.lineno} {name}")
    _report(problems)
