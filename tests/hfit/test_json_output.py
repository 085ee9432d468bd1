"""``--json``: real output of every command has the shape that ``docs/schemas/`` documents, and no other key."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from jsonschema import Draft202012Validator

from hfit.commands.root import root
from hfit.documents.outputs import OUTPUTS, Stream
from hfit.documents.session import Failure
from tests.hfit.conftest import Ended, Hfit
from tests.live.daemon import Daemon, Person, role, running, sqlite_provider, volume
from tests.live.world import EVERYTHING, LIMITS, POLICY
from tests.support import reference
from tests.support.json_schemas import documents, schema_of
from tests.support.source import ROOT

SCHEMAS = ROOT / "docs" / "schemas"
SUPPORT = role("support", "rows:music/**") + '\nrequestable = true\nbreak_glass = true\napprovers = ["boss"]\n'
As = Callable[..., Ended]


def leaves() -> Iterator[str]:
    """Every command without those that print a script."""
    for path, command in reference.commands(root, "hfit"):
        if not isinstance(command, click.Group) and path != "hfit completion":
            yield path.removeprefix("hfit ")


def test_every_command_has_a_documented_shape() -> None:
    assert sorted(leaves()) == sorted(OUTPUTS)


@pytest.mark.parametrize("name", documents())
def test_the_documented_schemas_are_those_of_the_program(name: str) -> None:
    written = json.loads((SCHEMAS / name).read_text("utf-8"))
    Draft202012Validator.check_schema(written)
    assert written == documents()[name], "run: make docs"
    assert {path.name for path in SCHEMAS.glob("*.json")} == set(documents())


@pytest.fixture
def gateway(chinook_sqlite: Path, tmp_path: Path) -> Iterator[Daemon]:
    """A gateway with reviews, loans and an audit log to read."""
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a.log").write_text("a line\n")
    every = role("developer", *EVERYTHING, "audit.read:*")
    boss = role("boss", *EVERYTHING, "template.approve:*")
    parts = [
        sqlite_provider("music", chinook_sqlite), volume("files", tmp_path / "files"), POLICY, LIMITS,
        every, boss, SUPPORT,
    ]  # fmt: skip
    with running(Daemon(tmp_path, "\n".join(parts))) as daemon:
        yield daemon


@pytest.fixture
def people(gateway: Daemon) -> dict[str, Person]:
    return {name: gateway.add_person(f"{name}@example.org", role) for name, role in
            (("dev", "developer"), ("boss", "boss"))}  # fmt: skip


@pytest.fixture
def hfit_as(gateway: Daemon, people: dict[str, Person], hfit: Hfit, home: Path, monkeypatch: pytest.MonkeyPatch) -> As:
    """``hfit`` in the hands of one of them, in JSON mode."""
    monkeypatch.setenv("HFIT_CACHE_DIR", str(home / "cache"))

    def call(name: str, *arguments: object) -> Ended:
        for variable, value in gateway.client_environment(people[name]).items():
            if variable.startswith("HFIT_"):
                monkeypatch.setenv(variable, value)
        ended = hfit("--json", *arguments)
        assert ended.code in (0, 1) or arguments[1] == "lint", ended.err
        return ended

    return call


def checked(command: str, out: str) -> list[Any]:
    """The documents of an output, each held against its shape; an undocumented key is an error."""
    kind = OUTPUTS[command]
    validator = Draft202012Validator(schema_of(kind, closed=True))
    found = [json.loads(line) for line in out.splitlines()] if isinstance(kind, Stream) else [json.loads(out)]
    assert found, command
    for document in found:
        problems = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]
        assert problems == [], f"{command} {list(document)[:40]}"
    return found


def test_every_command_prints_what_is_documented(hfit_as: As, work: Path) -> None:
    seen: set[str] = set()

    def show(person: str, command: str, *arguments: object) -> Any:
        seen.add(command)
        return checked(command, hfit_as(person, *command.split(), *arguments).out)[0]

    for person in ("boss", "dev"):
        show(person, "login")
    for command in ("whoami", "config show", "config list", "dbmss", "volumes", "pkg-example", "doctor"):
        show("dev", command)
    show("dev", "config get", "server-url")
    show("dev", "config set", "timeout", "30")
    show("dev", "dbs", "music")
    show("dev", "tables", "music", "main")
    show("dev", "describe", "music", "main", "Customer")
    show("dev", "rows", "music", "main", "Customer", "--limit", "2")
    show("dev", "files", "files")
    show("dev", "download", "files:/a.log")
    _templates(show, work)
    _packages(show)
    _governance(show)
    show("dev", "audit search")
    show("dev", "web")
    show("dev", "logout")
    assert seen == set(OUTPUTS)


Show = Callable[..., Any]


def _templates(show: Show, work: Path) -> None:
    text = show("dev", "pkg-tmpl new", "--from-table", "music/Invoice")["template"]
    (work / "t").mkdir()
    file = work / "t" / "invoice-case.yaml"
    file.write_text(text)
    show("dev", "pkg-tmpl validate", file)
    show("dev", "pkg-tmpl create", file)
    file.write_text(text.replace("max_rows: 10000", "max_rows: 9000"))
    show("dev", "pkg-tmpl patch", file)
    show("dev", "pkg-tmpl update", file)
    file.write_text(text.replace("limits:", "# lint").replace("        max_", "        # max_"))
    assert show("dev", "pkg-tmpl lint", file)
    show("dev", "pkg-tmpl list")
    show("dev", "pkg-tmpl show", "invoice-case")
    show("dev", "pkg-tmpl push", work / "t", "--dry-run")
    show("dev", "pkg-tmpl pull", work / "pulled")
    show("dev", "pkg-tmpl share", "invoice-case")


def _packages(show: Show) -> None:
    show("dev", "pkg-plan", "invoice-case", "invoice_id=3")
    show("dev", "pkg-download", "invoice-case", "3")
    show("dev", "load", "invoice-case-3", "--into", "sqlite:///x.db")
    show("dev", "verify", "invoice-case-3")
    show("dev", "verify", "invoice-case-3", "--target", "sqlite:///x.db")
    show("dev", "explain", "invoice-case-3", "main.Invoice", "3")
    show("dev", "init", "--template", "invoice-case", "--param", "invoice_id=4")
    show("dev", "refresh")
    show("dev", "purge")


def _governance(show: Show) -> None:
    show("boss", "pkg-tmpl approve", "dev@example.org:invoice-case")
    show("boss", "pkg-tmpl show", "invoice-case")
    show("boss", "pkg-tmpl unapprove", "dev@example.org:invoice-case")
    show("dev", "pkg-tmpl delete", "invoice-case")
    for verb, arguments in (("deny", ("--reason", "no")), ("approve", ()), ("revoke", ())):
        number = show("dev", "request new", "support", "--reason", "why")["id"]
        if verb == "revoke":
            show("dev", "request revoke", number)
        else:
            show("boss", f"request {verb}", number, *arguments)
    glass = show("dev", "request new", "support", "--break-glass", "--ticket", "T-1", "--reason", "now")["id"]
    show("boss", "request review", glass, "--note", "fine")
    show("dev", "request list")
    show("dev", "request show", number)


def test_errors_are_documented_too(hfit_as: As, hfit: Hfit) -> None:
    validator = Draft202012Validator(schema_of(Failure, closed=True))
    hfit_as("dev", "whoami")
    for arguments in (("pkg-plan", "nothing"), ("nonsense",), ("load", "nowhere", "--into", "sqlite:///x.db")):
        ended = hfit("--json", *arguments)
        assert ended.out == ""
        assert [error.message for error in validator.iter_errors(json.loads(ended.err))] == []
