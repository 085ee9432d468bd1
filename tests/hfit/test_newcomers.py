"""What meets a person who begins: first steps, near names, words that fit the terminal, a first project."""

from __future__ import annotations

import ctypes
import json
import os
import pty
import select
import subprocess
import sys
import threading
import tomllib
from pathlib import Path
from typing import Any

import pytest

from hfit.commands.nearest import near_names
from hfit.commands.root import FIRST_STEPS
from hfit.errors import HfitClientError
from hfit.output.columns import fitted, lines_of_row
from hfit.output.console import colors_wanted, understands_colors
from tests.hfit.conftest import Hfit
from tests.live.daemon import Daemon
from tests.support.fake_hfitd import FakeHfitd


def subclasses(kind: type[HfitClientError]) -> list[type[HfitClientError]]:
    return [kind, *(item for child in kind.__subclasses__() for item in subclasses(child))]


def on_terminal(*arguments: str, columns: int = 70, answers: str = "", **environment: str) -> str:
    """What a person sees who runs ``hfit`` in a terminal of so many columns and types ``answers``."""
    outer, inner = pty.openpty()
    import fcntl
    import struct
    import termios

    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "hfit", *arguments], stdin=inner, stdout=inner, stderr=inner,
        env={**os.environ, "TERM": "xterm", "COLUMNS": str(columns), **environment},
    )  # fmt: skip
    os.close(inner)
    os.write(outer, answers.encode())
    pieces: list[bytes] = []
    while select.select([outer], [], [], 60)[0]:
        try:
            piece = os.read(outer, 65536)
        except OSError:
            break
        if not piece:
            break
        pieces.append(piece)
    process.wait(60)
    os.close(outer)
    return b"".join(pieces).decode().replace("\r\n", "\n")


def test_hfit_alone_shows_the_five_commands_of_the_beginning(hfit: Hfit) -> None:
    ended = hfit()
    shown = [line.split()[1] for line in ended.err.splitlines() if line.startswith("  hfit ")]
    assert tuple(shown) == FIRST_STEPS
    assert len(shown) == 5
    assert "hfit --help" in ended.err
    assert "pkg-tmpl" not in ended.err


@pytest.mark.parametrize("kind", subclasses(HfitClientError))
def test_every_error_has_three_parts(kind: type[HfitClientError], capsys: pytest.CaptureFixture[str]) -> None:
    assert kind("What.").why
    assert kind("What.").advice
    answered = kind("What.", reason="Code X.", body={"message": "What.", "suggestions": []})
    answered.suggest("First this.")
    assert answered.why.endswith("Code X.")
    assert answered.document()["suggestions"] == ["First this."]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["pkg-plan", "customer-cse"], "Did you mean customer-case?"),
        (["pkg-tmpl", "show", "customercase"], "Did you mean customer-case?"),
        (["pkg-tmpl", "delete", "x"], "The templates that you may see: customer-case."),
        (["files", "app_log"], "Did you mean app_logs?"),
        (["download", "ap_logs:/a"], "Did you mean app_logs?"),
        (["download", "app_logs:/app/a.lgo"], "Did you mean app/a.log?"),
        (["describe", "shp", "main", "customer"], "Did you mean shop?"),
        (["describe", "shop", "mian", "x"], "Did you mean main?"),
        (["describe", "shop", "main", "custmer_"], "Did you mean public.customer?"),
        (["pkg-tmpl", "shw"], "Did you mean 'show'?"),
        (["pkg-dwnload"], "Did you mean pkg-download"),
    ],
)
def test_a_name_that_is_nearly_right_is_answered_with_the_right_one(
    logged_in: FakeHfitd, hfit: Hfit, arguments: list[str], said: str
) -> None:
    for method, path in (
        ("POST", "/packplan"), ("GET", "/files/app_log"), ("GET", "/files/ap_logs/download"),
        ("GET", "/db/shp/main/customer"), ("GET", "/db/shop/mian/x"), ("GET", "/db/shop/main/custmer_"),
    ):  # fmt: skip
        logged_in.hooks[method, path] = lambda handler: handler.not_found()
    ended = hfit(*arguments)
    assert ended.code in (2, 4)
    assert said in ended.err
    for part in ("Error: ", "  Why:  ", "  Next: "):
        assert part in ended.err
    machine = json.loads(hfit("--json", *arguments).err)
    assert said in " ".join([machine["message"], *machine["suggestions"]])


def test_names_are_near_without_their_schema_and_in_any_case() -> None:
    assert near_names("Custmer", ["public.customer", "public.event"]) == ["public.customer"]
    assert near_names("zzz", ["public.customer"]) == []


def test_looking_up_names_never_hides_the_error(logged_in: FakeHfitd, hfit: Hfit) -> None:
    logged_in.hooks["POST", "/packplan"] = lambda handler: handler.not_found()
    logged_in.hooks["GET", "/packtmpl"] = lambda handler: handler.error(503, "CONNECTION", "X", "Away.")
    ended = hfit("pkg-plan", "customer-cse")
    assert (ended.code, "There is nothing here by that name." in ended.err) == (4, True)


def test_a_table_gives_up_width_where_it_has_most() -> None:
    assert fitted([4, 60, 10], 40) == [4, 22, 10]
    assert fitted([20, 20], 10) == [8, 8]
    assert fitted([3, 4], 80) == [3, 4]
    assert list(lines_of_row(["a", "one two three"], [1, 7], wrap=True)) == ["a  one two", "   three"]
    assert list(lines_of_row(["a", "one two three"], [1, 7], wrap=False)) == ["a  one two three"]


def test_tables_fit_the_terminal_and_colours_are_refused_by_flag_and_environment(logged_in: FakeHfitd) -> None:
    logged_in.rows = [{"id": 1, "note": "word " * 40}]
    rows = ("rows", "shop", "main", "public.customer", "--format", "table")
    seen = on_terminal(*rows)
    assert "\x1b[1m" in seen
    plain = seen.replace("\x1b[1m", "").replace("\x1b[0m", "")
    assert max(map(len, plain.splitlines())) <= 70
    assert plain.count("word") == 40
    for changed in (
        on_terminal(*rows, "--no-color"), on_terminal(*rows, NO_COLOR="1"), on_terminal(*rows, TERM="dumb"),
    ):  # fmt: skip
        assert "\x1b[" not in changed
        assert changed.count("word") == 40


def test_errors_have_no_colour_where_it_is_refused(logged_in: FakeHfitd) -> None:
    assert "\x1b[31m" in on_terminal("describe", "shop", "main", "none")
    assert "\x1b" not in on_terminal("describe", "shop", "main", "none", NO_COLOR="1")


class Console:
    """The console functions of Windows: one output that is a console, one that is a file."""

    def __init__(self, *, old: bool) -> None:
        self.modes = {1: 1}
        self.old = old

    def GetStdHandle(self, number: int) -> int:
        return {-11: 1, -12: 2}[number]

    def GetConsoleMode(self, handle: int, mode: Any) -> int:
        ctypes.cast(mode, ctypes.POINTER(ctypes.c_uint32))[0] = self.modes.get(handle, 0)
        return int(handle in self.modes)

    def SetConsoleMode(self, handle: int, mode: int) -> int:
        if not self.old:
            self.modes[handle] = mode
        return int(not self.old)


def test_a_windows_console_is_told_to_understand_colours_and_an_old_one_gets_none() -> None:
    new = Console(old=False)
    assert understands_colors(new)
    assert new.modes == {1: 0x5}
    assert not understands_colors(Console(old=True))
    assert colors_wanted({}, refused=False)
    assert not colors_wanted({}, refused=True)


def test_progress_says_rate_and_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    program = (
        "import time\nfrom hfit.output.progress import plan_bar, progress_bar\n"
        "with progress_bar('x: load', color=False, unit='rows') as update:\n"
        "    for done in range(1, 9):\n        update(done * 1000, 90_000)\n        time.sleep(0.15)\n"
        "with progress_bar('x: download', color=False) as update:\n    update(5_000_000, None)\n    time.sleep(0.3)\n"
        "with plan_bar('x', color=False):\n    time.sleep(0.2)\n"
    )
    outer, inner = pty.openpty()
    read: list[bytes] = []

    def drain() -> None:
        with open(outer, "rb", buffering=0) as file:
            try:
                while piece := file.read(65536):
                    read.append(piece)
            except OSError:
                return

    reader = threading.Thread(target=drain)
    reader.start()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    subprocess.run([sys.executable, "-c", program], stderr=inner, env=environment, check=True)
    os.close(inner)
    reader.join()
    said = b"".join(read).decode()
    for part in ("rows/s", " left", "MB", "x: plan"):
        assert part in said


@pytest.fixture
def project(small: Daemon, home: Path, monkeypatch: pytest.MonkeyPatch) -> Daemon:
    """A real gateway, and the environment of somebody who is logged in there."""
    person = small.add_person("new@example.org", "developer")
    monkeypatch.setenv("HFIT_SERVER_URL", small.origin)
    monkeypatch.setenv("HFIT_EMAIL", person.email)
    monkeypatch.setenv("HFIT_PRIVATE_KEY_PATH", str(person.key))
    monkeypatch.setenv("HFIT_CACHE_DIR", str(home / "cache"))
    return small


def test_init_asks_its_way_to_a_package_that_loads(project: Daemon, hfit: Hfit, work: Path) -> None:
    seen = on_terminal("init", answers="new\nCustomr\n17\n", NO_COLOR="1")
    assert "Next: hfit refresh" in seen, seen
    wanted = tomllib.loads((work / "hfit.toml").read_text())
    assert wanted["server"] == project.origin
    assert wanted["packages"]["customer-case"] == {
        "template": "customer-case", "params": {"customer_id": 17}, "into": "tests/fixtures/customer-case",
    }  # fmt: skip
    assert hfit("pkg-tmpl", "lint", "--strict", "templates").code == 0
    assert hfit("refresh").code == 0
    loaded = json.loads(hfit("load", "tests/fixtures/customer-case", "--into", "sqlite:///a.db", "--json").out)
    assert loaded["loads"][0]["rows"]["main.Customer"] == 1
    assert hfit("init").code == 6


def test_init_takes_everything_by_flags_and_writes_nothing_before_it_knows_all(
    project: Daemon, hfit: Hfit, work: Path
) -> None:
    missing = hfit("init", "--from-table", "music/Invoice")
    assert (missing.code, "--param invoice_id=VALUE" in missing.err) == (2, True)
    assert list(work.iterdir()) == []
    assert "--template or --from-table" in hfit("init").err
    assert "main.Invoice" in hfit("init", "--from-table", "music/Invoic").err
    said = hfit("init", "--from-table", "music/Invoice", "--param", "invoice_id=3", "--into", "data/x", "--json")
    assert json.loads(said.out)["written"] == ["templates/invoice-case.yaml", "hfit.toml"]
    assert hfit("refresh").code == 0
    (work / "hfit.toml").unlink()
    (work / "templates/invoice-case.yaml").unlink()
    same = json.loads(hfit("init", "--from-table", "music/Invoice", "--param", "invoice_id=3", "--json").out)
    assert same["template"] == "invoice-case"
    mine = work / "templates/invoice-case.yaml"
    mine.write_text(mine.read_text().replace("max_rows: 10000", "max_rows: 9000"))
    assert hfit("pkg-tmpl", "update", mine).code == 0
    (work / "hfit.toml").unlink()
    free = json.loads(hfit("init", "--from-table", "music/Invoice", "--param", "invoice_id=3", "--json").out)
    assert (free["template"], free["written"][0]) == ("invoice-case-2", "templates/invoice-case-2.yaml")
    (work / "hfit.toml").unlink()
    again = hfit("init", "--template", "invoice-case", "--param", "invoice_id=4", "--name", "other")
    assert again.code == 0, again.err
    assert "other" in tomllib.loads((work / "hfit.toml").read_text())["packages"]


def test_a_draft_takes_another_column_and_says_what_is_masked(project: Daemon, hfit: Hfit, work: Path) -> None:
    assert hfit("login").code == 0
    new = ("pkg-tmpl", "new", "--from-table")
    by_email = hfit(*new, "music/Customer", "--by", "SupportRepId", "--name", "of-one-rep")
    assert by_email.code == 0, by_email.err
    assert "templateName: of-one-rep" in by_email.out
    assert "support_rep_id" in by_email.out
    assert "no column" in hfit(*new, "music/Customer", "--by", "Nothing").err
    assert hfit(*new, "music/main/Customer", "-o", "c.yaml").code == 0
    assert hfit(*new, "music/Customer", "-o", "c.yaml").code == 6
    assert hfit(*new, "music/Customer", "-o", "c.yaml", "--force").code == 0
    assert hfit(*new, "chinook").code == 2
    document = json.loads(hfit(*new, "music/PlaylistTrack", "--json").out)
    assert document["parameters"] == {"playlist_id": "integer", "track_id": "integer"}
