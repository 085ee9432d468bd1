"""The two error trees: what is drawn at the top of each file is what the classes are."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

import hfit.errors as client
import hfitd.errors as daemon
from tests.support.source import modules

STATUSES = {400, 401, 403, 404, 405, 409, 413, 415, 416, 422, 429, 500, 503, 504}
CATEGORIES = {
    "NOT_FOUND": {404},
    "AUTHENTICATION": {401},
    "PERMISSION_DENIED": {403},
    "VALIDATION_ERROR": STATUSES - {401, 403, 404, 429, 500, 503, 504},
    "RATE_LIMIT": {429},
    "CONNECTION": {503},
    "TIMEOUT": {504},
    "INTERNAL_ERROR": {500},
}


def _tree(root: type[Exception]) -> Iterator[type[Exception]]:
    """``root`` and everything below it that its own module defines."""
    yield root
    for child in root.__subclasses__():
        if child.__module__ == root.__module__:
            yield from _tree(child)


DAEMON = list(_tree(daemon.HfitError))
# Errors with a constructor of their own are for the operator's terminal; a response is never made of one.
WIRE = [error for error in DAEMON if "__init__" not in error.__dict__ or error is daemon.HfitError]
CLIENT = list(_tree(client.HfitClientError))


def _name(error: type[Exception]) -> str:
    return error.__name__


@pytest.mark.parametrize("error", WIRE, ids=_name)
def test_an_error_of_the_daemon_says_what_it_is(error: type[daemon.HfitError]) -> None:
    assert error.__dict__.get("__doc__")
    instance = error()
    assert instance.message == (error.__doc__ or "").split("\n", 1)[0]
    assert instance.status in STATUSES
    assert instance.status in CATEGORIES[instance.category]


@pytest.mark.parametrize("error", CLIENT, ids=_name)
def test_an_error_of_the_client_says_what_it_is(error: type[client.HfitClientError]) -> None:
    assert error.__dict__.get("__doc__")
    assert error.exit_code in range(1, 7)


@pytest.mark.parametrize("tree", [DAEMON, CLIENT], ids=["daemon", "client"])
def test_codes_are_unique(tree: list[type[Exception]]) -> None:
    codes = [re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", error.__name__).upper() for error in tree]
    assert len(set(codes)) == len(codes)


def test_a_code_is_the_class_name_in_upper_snake_case() -> None:
    assert daemon.SqlTooComplex().code == "SQL_TOO_COMPLEX"
    assert {error().code for error in WIRE} == {
        re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", error.__name__).upper() for error in WIRE
    }


def test_the_drawing_of_the_daemons_tree_is_right() -> None:
    """Each branch with its status and category, each leaf under its parent, another status in brackets."""
    drawn: dict[str, str] = {}
    branch = ""
    for line in _drawing(daemon.__doc__, "HfitError"):
        leaves = line
        if offline := re.match(r"\s*[|`]- (\w+)\s+never on the wire", line):
            drawn[offline[1]], leaves = "HfitError", ""
            assert getattr(daemon, offline[1]) not in WIRE
        elif start := re.match(r"\s*[|`]- (\w+)\s+(\d{3})\s+([A-Z_]+)(.*)", line):
            branch, status, category, leaves = start.groups()
            drawn[branch] = "HfitError"
            error = getattr(daemon, branch)
            assert (error.status, error.category) == (int(status), category), branch
        for leaf, status in re.findall(r"\b([A-Z][a-z]\w+[a-z])\b(?: \((\d{3})\))?", leaves):
            drawn[leaf] = branch
            assert not status or getattr(daemon, leaf).status == int(status), leaf
    assert drawn == {error.__name__: error.__bases__[0].__name__ for error in DAEMON[1:]}


def test_the_drawing_of_the_clients_tree_is_right() -> None:
    drawn: dict[str, tuple[str, int]] = {}
    path: list[str] = ["HfitClientError"]
    for line in _drawing(client.__doc__, "HfitClientError"):
        if found := re.match(r"([ |]*)[|`]- (\w+)\s+(\d)", line):
            depth = len(found[1]) // 3
            del path[depth:]
            path.append(found[2])
            drawn[found[2]] = (path[-2], int(found[3]))
    assert drawn == {
        error.__name__: (error.__bases__[0].__name__, error.exit_code)  # type: ignore[attr-defined]
        for error in CLIENT[1:]
    }


def _drawing(text: str | None, root: str) -> list[str]:
    """The lines below ``root`` up to the next empty line."""
    lines = (text or "").splitlines()
    start = next(number for number, line in enumerate(lines) if line.strip().startswith(root))
    end = next(number for number in range(start, len(lines)) if not lines[number].strip())
    return lines[start + 1 : end]


@pytest.mark.parametrize(("package", "tree"), [("hfitd", DAEMON), ("hfit", CLIENT)], ids=["daemon", "client"])
def test_errors_are_defined_in_the_tree_only(package: str, tree: list[type[Exception]]) -> None:
    names = {error.__name__ for error in tree}
    elsewhere = [
        module.at(node.lineno)
        for module in modules(package)
        if module.name != f"{package}.errors"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef) and names & {ast.unparse(parent).split(".")[-1] for parent in node.bases}
    ]
    assert not elsewhere, elsewhere
