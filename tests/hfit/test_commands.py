"""The command line as a person or a script meets it."""

from __future__ import annotations

import gzip
import importlib.metadata
import io
import json
import os
import pty
import subprocess
import sys
import tarfile
from pathlib import Path

import click
import pytest
import yaml

from hfit.commands.root import COMMANDS, root
from hfit.output.printer import Printer
from hfit.settings import KEYS, load_settings
from hfit.text import json_text, visible, visible_lines
from hfit.version import VERSION
from hfitd.export.template.parse import parse_template
from tests.hfit.conftest import Hfit
from tests.support.fake_hfitd import FakeHfitd, Handler

HEAVY = {
    "asyncio",
    "asyncpg",
    "aiomysql",
    "aiohttp",
    "cryptography",
    "http.client",
    "paramiko",
    "rich",
    "ssl",
    "tarfile",
}
HOSTILE = "\x1b]52;c;cm0=\x07 \x9b31m \r\u202e\x00"


def imported_by(*arguments: str) -> set[str]:
    program = (
        "import sys\nfrom hfit.cli import main\nsys.argv = ['hfit', *sys.argv[1:]]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\nprint('MODULES', *sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    return set(done.stdout.rpartition("MODULES ")[2].split())


def test_version_imports_nothing_and_help_imports_click_only() -> None:
    assert "click" not in imported_by("--version")
    for arguments in (["--help"], ["-h"], ["nonsense"], ["--json", "--version"]):
        found = imported_by(*arguments)
        assert "click" in found
        assert not (HEAVY | {"yaml"}) & found
        assert {name for name in found if name.startswith("hfit.commands.")} <= {
            "hfit.commands.run",
            "hfit.commands.root",
        }


def test_a_small_call_imports_no_ssh_and_no_archive_library(logged_in: FakeHfitd) -> None:
    assert imported_by("dbmss") & HEAVY == {"http.client", "ssl"}


def test_the_version_is_the_distributions(hfit: Hfit) -> None:
    assert importlib.metadata.version("hot-fixture-tool") == VERSION
    assert hfit("--version").out == f"hfit {VERSION}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_table_of_commands_says_what_the_commands_say(name: str) -> None:
    command = root.get_command(click.Context(root), name)
    assert command is not None
    assert command.name == name
    assert (command.help or "").strip().split("\n\n")[0].replace("\n", " ") == COMMANDS[name][1]


def test_every_command_explains_itself(hfit: Hfit) -> None:
    for name in COMMANDS:
        ended = hfit(name, "--help")
        assert ended.code == 0
        assert ended.out.startswith(f"Usage: hfit {name}")


@pytest.mark.parametrize(
    "arguments",
    [
        [], ["nonsense"], ["dbs"], ["dbs", "a", "b"], ["rows", "a", "b", "c", "--limit", "x"], ["--nonsense"],
        ["pkg-tmpl"], ["pkg-tmpl", "x"], ["config", "get", "nonsense"], ["completion", "powershell"],
        ["files", "v", "colour:red"],
    ],
)  # fmt: skip
def test_wrong_usage_is_exit_2(hfit: Hfit, arguments: list[str]) -> None:
    ended = hfit(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err


def test_an_unknown_command_is_answered_with_the_nearest(hfit: Hfit) -> None:
    assert "pkg-download" in hfit("pkg-downlaod").err
    assert json.loads(hfit("--json", "nonsense").err)["category"] == "VALIDATION_ERROR"


def test_listings_are_json_arrays(logged_in: FakeHfitd, hfit: Hfit) -> None:
    assert json.loads(hfit("dbmss").out) == ["shop", "chinook"]
    assert json.loads(hfit("dbs", "shop").out) == ["main"]
    assert json.loads(hfit("tables", "shop", "main").out) == ["public.customer"]
    assert json.loads(hfit("volumes").out) == ["app_logs"]
    assert json.loads(hfit("describe", "shop", "main", "public.customer").out)["columns"]
    assert hfit("describe", "shop", "main", "none").code == 4
    assert hfit("dbmss", "--json").out == '["shop", "chinook"]\n'


def test_rows_stream_as_ndjson_csv_and_table(logged_in: FakeHfitd, hfit: Hfit) -> None:
    rows = ["rows", "shop", "main", "public.customer"]
    ended = hfit(*rows, "created_at >= '2024-01-01'", "--limit", "5", "--order", "id")
    assert [json.loads(line) for line in ended.out.splitlines()] == logged_in.rows
    assert "_end" not in ended.out
    assert hfit(*rows, "--format", "csv").out == "id,email\n1,x1@masked\n"
    table = hfit(*rows, "--format", "table").out.splitlines()
    assert table[0].split() == ["id", "email"]
    assert table[2].split() == ["1", "x1@masked"]
    logged_in.rows = []
    assert "No rows" in hfit(*rows, "--format", "table").err
    assert hfit(*rows).out == ""
    logged_in.hooks["GET", "/db/shop/main/public.customer/rows"] = lambda h: h.chunked([b'{"id":1}\n'])
    ended = hfit(*rows)
    assert (ended.code, "end record" in ended.err) == (1, True)


def test_the_filter_and_the_format_reach_the_server(logged_in: FakeHfitd, hfit: Hfit) -> None:
    seen: list[object] = []

    def note(handler: Handler) -> None:
        seen.extend([handler.query, handler.headers["Accept"]])
        handler.send_rows()

    logged_in.hooks["GET", "/db/shop/main/t/rows"] = note
    hfit("rows", "shop", "main", "t", "WHERE a = 'b&c'", "--limit", "0", "--order", "a desc", "--format", "csv")
    assert seen == [{"filter": ["WHERE a = 'b&c'"], "order": ["a desc"], "limit": ["0"]}, "text/csv"]


def test_files_are_one_json_object_a_line(logged_in: FakeHfitd, hfit: Hfit) -> None:
    ended = hfit("files", "app_logs")
    assert [json.loads(line)["path"] for line in ended.out.splitlines()] == list(logged_in.files)
    seen: list[object] = []
    logged_in.hooks["GET", "/files/app_logs"] = lambda h: (seen.append(h.query), h.chunked([]))[1]
    filters = ["name:*.log", "name:*.txt", "mtime:-3", "size:>10MB", "folder:a/b", "sort:mtime:desc"]
    assert hfit("files", "app_logs", *filters).code == 0
    assert seen == [
        {"name": ["*.log", "*.txt"], "mtime": ["-3"], "size": [">10MB"], "folder": ["a/b"], "sort": ["mtime:desc"]}
    ]


def test_templates_are_listed_made_changed_and_removed(logged_in: FakeHfitd, hfit: Hfit, work: Path) -> None:
    file = work / "t.yaml"
    file.write_text("templateName: fresh\n")
    assert json.loads(hfit("pkg-tmpl", "list", "--json").out)[0]["name"] == "customer-case"
    assert hfit("pkg-tmpl", "validate", file).code == 0
    assert "fresh" not in logged_in.templates
    assert hfit("pkg-tmpl", "create", file).code == 0
    assert hfit("pkg-tmpl", "create", file).code == 2
    assert hfit("pkg-tmpl", "show", "fresh").out == "templateName: fresh\n"
    assert "no difference" in hfit("pkg-tmpl", "patch", file).err
    file.write_text("templateName: fresh\ndescription: x\n")
    assert hfit("pkg-tmpl", "patch", file).out.startswith("---")
    assert "description" not in logged_in.templates["fresh"]
    assert hfit("pkg-tmpl", "update", file).code == 0
    assert "description" in logged_in.templates["fresh"]
    assert json.loads(hfit("pkg-tmpl", "share", "fresh", "--json").out)["state"] == "shared"
    assert hfit("pkg-tmpl", "delete", "fresh").code == 0
    assert hfit("pkg-tmpl", "show", "fresh").code == 4
    assert hfit("pkg-tmpl", "create", work / "none").code == 4
    for text in ("a: [", "description: x\n", "- x\n"):
        file.write_text(text)
        assert hfit("pkg-tmpl", "update", file).code == 2
    file.write_bytes(b"#" * 70_000)
    assert hfit("pkg-tmpl", "create", file).code == 2


def test_a_folder_of_templates_is_pushed_and_pulled(logged_in: FakeHfitd, hfit: Hfit, work: Path) -> None:
    folder = work / "templates"
    assert hfit("pkg-tmpl", "push", folder).code == 4
    assert hfit("pkg-tmpl", "pull", folder).out == "new customer-case\n"
    assert hfit("pkg-tmpl", "pull", folder).out == "untouched customer-case\n"
    (folder / "customer-case.yaml").write_text("templateName: customer-case\n# mine\n")
    ended = hfit("pkg-tmpl", "pull", folder)
    assert (ended.code, "--force" in ended.err) == (6, True)
    assert "mine" in (folder / "customer-case.yaml").read_text()
    bundles: list[bytes] = []

    def note(handler: Handler) -> None:
        bundles.append(handler.body)
        handler.template_routes(["packtmpl-bundle"])

    logged_in.hooks["POST", "/packtmpl-bundle"] = note
    assert hfit("pkg-tmpl", "push", folder, "--dry-run").out == "untouched customer-case\n"
    assert json.loads(hfit("pkg-tmpl", "push", folder, "--json").out) == [
        {"name": "customer-case", "result": "updated"}
    ]
    assert bundles[0] == bundles[1]
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(bundles[0]))) as tar:
        assert tar.getnames() == ["customer-case.yaml"]
    assert hfit("pkg-tmpl", "pull", folder, "--force").out == "updated customer-case\n"
    assert "mine" not in (folder / "customer-case.yaml").read_text()
    logged_in.templates["../evil"] = "x"
    assert hfit("pkg-tmpl", "pull", folder).code == 5


def test_the_example_is_a_valid_template(hfit: Hfit) -> None:
    text = hfit("pkg-example").out
    template = parse_template(text)
    assert template.name == "customer-case"
    assert {getattr(export.data, "dbms", "chinook") for export in template.exports} == {"chinook"}
    assert yaml.safe_load(json.loads(hfit("pkg-example", "--json").out)["template"]) == yaml.safe_load(text)


def test_a_plan_is_a_table_for_people_and_a_document_for_machines(logged_in: FakeHfitd, hfit: Hfit) -> None:
    ended = hfit("pkg-plan", "customer-case", "customer_id=42")
    for part in ("case-42", "public.customer", "email: hash", "plan digest"):
        assert part in ended.out
    assert "Column x is not classified." in ended.err
    assert json.loads(hfit("pkg-plan", "customer-case", "42", "--json").out)["plan_digest"] == "ab"


def test_settings_come_from_flag_environment_file_and_default(
    hfit: Hfit, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert hfit("config", "get", "server-url").code == 4
    assert hfit("config", "set", "server-url", "HTTPS://File.Test:443/").code == 0
    assert hfit("config", "set", "timeout", "7.5").code == 0
    assert hfit("config", "get", "server-url").out == "https://file.test\n"
    assert (home / ".hfit" / "config.toml").stat().st_mode & 0o777 == 0o600
    monkeypatch.setenv("HFIT_SERVER_URL", "https://environment.test")
    assert hfit("config", "get", "server-url").out == "https://environment.test\n"
    shown = json.loads(hfit("config", "show", "--json", "--server-url", "https://flag.test").out)["settings"]
    assert shown["server-url"] == {"value": "https://flag.test", "source": "flag"}
    assert shown["timeout"] == {"value": "7.5", "source": "file"}
    assert shown["verify-ssl"] == {"value": "true", "source": "default"}
    assert all(key in hfit("config", "list", "-v").out + hfit("config", "show").out for key in KEYS)
    assert hfit("config", "set", "timeout", "").code == 0
    assert "timeout" not in (home / ".hfit" / "config.toml").read_text()
    monkeypatch.setenv("HFIT_VERIFY_SSL", "no")
    assert load_settings().verify_tls is False
    other = home / "other"
    assert hfit("--config-dir", other, "config", "set", "email", "x@y.test").code == 0
    assert "x@y.test" in (other / "config.toml").read_text()


@pytest.mark.parametrize(
    ("key", "value"),
    [("timeout", "0"), ("timeout", "soon"), ("timeout", "nan"), ("verify-ssl", "maybe"), ("server-url", "x")],
)
def test_settings_that_cannot_be_right_are_refused(
    hfit: Hfit, monkeypatch: pytest.MonkeyPatch, key: str, value: str
) -> None:
    assert hfit("config", "set", key, value).code == 2
    monkeypatch.setenv("HFIT_" + key.upper().replace("-", "_"), value)
    assert hfit("config", "show").code == 2


@pytest.mark.parametrize("text", ["x = 1\n", "email = [1]\n", "email = \n", "\xff"])
def test_a_broken_settings_file_is_named(hfit: Hfit, home: Path, text: str) -> None:
    (home / ".hfit").mkdir(mode=0o700)
    (home / ".hfit" / "config.toml").write_bytes(text.encode("latin-1"))
    ended = hfit("config", "show")
    assert ended.code == 2
    assert ended.err


def test_insecure_warns_every_time_also_in_json(fake: FakeHfitd, hfit: Hfit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HFIT_SERVER_URL", "https://127.0.0.1:9")
    for _ in range(2):
        assert "Warning: The certificate" in hfit("whoami", "--insecure", "--json").err
    assert "Warning" not in hfit("whoami").err


def test_c06_hostile_words_reach_people_as_visible_escapes(logged_in: FakeHfitd, hfit: Hfit) -> None:
    logged_in.hooks["GET", "/db/dbmss"] = lambda h: h.error(404, "NOT_FOUND", HOSTILE, HOSTILE + "x" * 1_000_000)
    ended = hfit("dbmss")
    assert not set("\x1b\x9b\r\u202e\x00") & set(ended.err)
    assert "\\x1b]52" in ended.err
    assert len(ended.err) < 10_000
    assert "\x1b" not in hfit("pkg-tmpl", "list").out
    logged_in.hooks["GET", "/db/dbmss"] = lambda h: h.json([HOSTILE])
    for arguments in (["dbmss"], ["dbmss", "--json"]):
        out = hfit(*arguments).out
        assert json.loads(out) == [HOSTILE]
        assert not set("\x1b\x9b\r\u202e\x00") & set(out)


def on_terminal(*arguments: str) -> bytes:
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "hfit", *arguments], stdout=follower, stderr=follower, stdin=follower
    )
    os.close(follower)
    shown = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    process.wait()
    os.close(leader)
    return shown


def test_c06_a_terminal_never_gets_raw_bytes_from_the_server(logged_in: FakeHfitd, hfit: Hfit) -> None:
    raw = HOSTILE.encode() + b"\xff\n"
    path = "/packtmpl/customer-case"
    logged_in.hooks["GET", path] = lambda h: h.send(200, HOSTILE.encode() + b"\n", "application/yaml")
    logged_in.hooks["GET", "/db/shop/main/t/rows"] = lambda h: h.chunked([raw])
    for arguments in (["pkg-tmpl", "show", "customer-case"], ["rows", "shop", "main", "t", "--format", "csv"]):
        shown = on_terminal(*arguments)
        assert b"\\x1b]52" in shown
        assert b"\x1b]" not in shown
        assert b"\x07" not in shown
    assert hfit("rows", "shop", "main", "t", "--format", "csv").raw == raw


def test_progress_and_colours_are_for_a_terminal_only(logged_in: FakeHfitd, hfit: Hfit, work: Path) -> None:
    assert b"download" in on_terminal("pkg-download", "customer-case", "42")
    assert b"\x1b[31mError" in on_terminal("describe", "shop", "main", "none")
    assert b"\x1b" not in on_terminal("--no-color", "describe", "shop", "main", "none")
    assert "\x1b" not in hfit("describe", "shop", "main", "none").err
    assert hfit("pkg-download", "customer-case", "42", "--refresh", "--json").err == ""


def test_a_reader_that_leaves_ends_us_quietly(logged_in: FakeHfitd) -> None:
    logged_in.rows = [{"id": number, "text": "x" * 200} for number in range(20_000)]
    process = subprocess.Popen(
        [sys.executable, "-m", "hfit", "rows", "shop", "main", "public.customer"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout
    assert process.stderr
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 1
    process.stderr.close()


def test_an_unexpected_mistake_is_said_in_words(
    hfit: Hfit, logged_in: FakeHfitd, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("x")

    monkeypatch.setattr(Printer, "document", broken)
    ended = hfit("dbmss")
    assert (ended.code, "Traceback" in ended.err) == (1, False)
    assert "Traceback" in hfit("dbmss", "-v").err


def test_visible_text_keeps_what_is_harmless() -> None:
    assert visible("caf\u00e9 \U0001f600") == "caf\u00e9 \U0001f600"
    assert visible("a\tb\nc") == "a\\x09b\\x0ac"
    assert visible_lines("a\tb\nc\x7f") == "a\tb\nc\\x7f"
    assert json.loads(json_text({"a": HOSTILE})) == {"a": HOSTILE}
    assert len(visible("x" * 10_000, limit=10)) < 20
