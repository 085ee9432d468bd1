"""The readers of source that the architecture and shape tests rely on see what they are meant to see."""

from __future__ import annotations

import ast
import os
import subprocess
from pathlib import Path

import pytest

from tests.support.source import ROOT, Import, Module, body_lines, branches, functions, imports


def _module(text: str, name: str = "hfitd.export.plan") -> Module:
    return Module(name, ROOT / "x.py", text, ast.parse(text))


def test_every_way_to_import_is_seen() -> None:
    text = (
        "import os.path\n"
        "from hfitd import errors\n"
        "from hfitd.sql import Sql\n"
        "from .. import model\n"
        "from . import sources as s\n"
        "if TYPE_CHECKING:\n"
        "    import aiohttp\n"
        "class A:\n"
        "    def f(self):\n"
        "        with x:\n"
        "            import redis\n"
    )
    assert list(imports(_module(text))) == [
        Import("os.path", 1, in_function=False, typing_only=False),
        Import("hfitd.errors", 2, in_function=False, typing_only=False),
        Import("hfitd.sql", 3, in_function=False, typing_only=False),
        Import("hfitd.model", 4, in_function=False, typing_only=False),
        Import("hfitd.export.sources", 5, in_function=False, typing_only=False),
        Import("aiohttp", 7, in_function=False, typing_only=True),
        Import("redis", 11, in_function=True, typing_only=False),
    ]


def test_functions_in_classes_and_functions_are_found() -> None:
    text = "class A:\n def f(self):\n  async def g(): pass\nif x:\n def h(): pass\n"
    assert [name for name, _ in functions(_module(text))] == ["A.f", "A.f.g", "h"]


def test_a_docstring_is_not_part_of_the_body() -> None:
    (_, function), *_ = functions(_module('def f():\n    """One.\n\n    Two.\n    """\n    a = 1\n\n    return a\n'))
    assert body_lines(function) == 3


def test_branches_of_inner_functions_are_their_own() -> None:
    text = (
        "def f():\n for a in b:\n  if a: pass\n  elif c: pass\n try: pass\n except E: pass\n"
        " x = 1 if y else 2\n def g():\n  if z: pass\n"
    )
    counted = {name: branches(function) for name, function in functions(_module(text))}
    assert counted == {"f": 5, "f.g": 1}


@pytest.mark.parametrize(
    ("variable", "package"),
    [
        ("HFIT_TEST_PG_BIN", "postgresql"),
        ("HFIT_TEST_MYSQL_BIN", "mariadb-server-core"),
        ("HFIT_TEST_REDIS_BIN", "redis-server"),
    ],
)
def test_make_test_names_a_missing_package_in_one_line_when_it_may_not_install(
    variable: str, package: str, tmp_path: Path
) -> None:
    drop = ["setpriv", "--reuid", "nobody", "--clear-groups"] if os.geteuid() == 0 else []
    done = subprocess.run(
        [*drop, "sh", "-s", "servers"], input=(ROOT / "tests/support/prepare.sh").read_text(), cwd="/", text=True,
        env={**os.environ, variable: str(tmp_path)}, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert not done.stdout
    assert len(done.stderr.splitlines()) == 1
    assert package in done.stderr
