"""What the TAB key proposes: in a real bash, and as the shells ask for it."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.hfit.conftest import Hfit
from tests.support.fake_hfitd import FakeHfitd

BIN = Path(sys.executable).parent
READY = "ready> "


@pytest.mark.parametrize(
    ("shell", "mended"),
    [("bash", 'COMP_LINE="${COMP_LINE'), ("zsh", 'compadd -U -S "" -- "$key"'), ("fish", 'string split -m 1 ","')],
)
def test_completion_scripts_are_printed_with_what_is_mended_in_them(hfit: Hfit, shell: str, mended: str) -> None:
    ended = hfit("completion", shell)
    assert ended.code == 0
    assert "_HFIT_COMPLETE" in ended.out
    assert mended in ended.out


def complete(line: str, breaks: str = "", **environment: str) -> list[str]:
    """What the script of bash gets for a line with the cursor at its end."""
    asked = {"_HFIT_COMPLETE": "bash_complete", "COMP_LINE": line, "COMP_WORDBREAKS": breaks}
    done = subprocess.run(
        [sys.executable, "-m", "hfit"], env={**os.environ, **asked, **environment}, capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


def test_names_are_completed_from_the_server(logged_in: FakeHfitd) -> None:
    assert complete("hfit pkg-d") == ["pkg-download"]
    assert complete("hfit pkg-download c") == ["customer-case"]
    assert complete("hfit pkg-download customer-case ") == ["customer_id="]
    assert complete("hfit tables shop ") == ["main"]
    assert complete("hfit describe shop main p") == ["public.customer"]
    assert complete("hfit files a") == ["app_logs"]
    logged_in.tokens.clear()
    logged_in.keys.clear()
    assert complete("hfit dbs s") == []


def test_paths_within_volumes_are_completed_a_folder_at_a_time(logged_in: FakeHfitd) -> None:
    logged_in.files |= {"app/old/c.log": b"c", "app/with blank.log": b"d", "top.txt": b"e"}
    assert complete("hfit download a") == ["app_logs", "app_logs:/"]
    assert complete("hfit download app_logs:/") == ["app_logs:/app/", "app_logs:/top.txt"]
    assert complete("hfit download app_logs:/app/", ":=") == ["/app/a.log", "/app/b_42_.txt", "/app/old/",
                                                              "/app/with\\ blank.log"]  # fmt: skip
    assert complete("hfit download app_logs:/app/with\\ b", ":") == ["/app/with\\ blank.log"]
    assert complete("hfit files app_logs folder:app/") == ["folder:app/old/"]
    assert complete("hfit files app_logs sort:size:") == ["sort:size:asc", "sort:size:desc"]
    assert complete("hfit download none:/") == []


def test_the_options_of_the_line_say_who_is_asked(logged_in: FakeHfitd, home: Path) -> None:
    elsewhere = shutil.move(home / ".hfit", home / "elsewhere")
    assert complete("hfit dbs s") == []  # nobody is logged in there
    assert complete(f"hfit --config-dir {elsewhere} dbs s", HFIT_PRIVATE_KEY_PATH="/none") == ["shop"]
    assert complete("hfit dbs --config-dir ~/elsewhere s", HFIT_PRIVATE_KEY_PATH="/none") == ["shop"]


def test_a_server_that_does_not_answer_is_not_waited_for(logged_in: FakeHfitd) -> None:
    answered = threading.Event()
    logged_in.hooks["GET", "/db/dbmss"] = lambda _: answered.wait(100)
    assert complete("hfit dbs s") == []  # and not a minute later: nobody has answered yet
    answered.set()


def test_in_bash_the_tab_key_goes_on_with_a_path_although_it_has_a_colon(logged_in: FakeHfitd, hfit: Hfit) -> None:
    """Typed at a terminal; what the line has become is then run, by an ``hfit`` that prints its words."""
    logged_in.files |= {"app/with blank.log": b"d"}
    script = hfit("completion", "bash").out
    typed = ("hfit download app_logs:/app/a", "hfit download app_logs:/a\tw", "hfit pkg-dow\tcust\tcust")
    words = at_bash(script + "hfit() { printf '<%s>' \"$@\"; echo; }\n", [f"{line}\t" for line in typed])
    assert "<download><app_logs:/app/a.log>" in words
    assert "<download><app_logs:/app/with blank.log>" in words
    assert "<pkg-download><customer-case><customer_id=>" in words


def at_bash(settings: str, keys: list[str]) -> str:
    """What an interactive bash shows while it is typed at."""
    leader, follower = pty.openpty()
    environment = {**os.environ, "PATH": f"{BIN}:/usr/bin:/bin", "TERM": "dumb"}
    read, write = os.pipe()
    os.write(write, f"{settings}\nPS1='{READY}'; bind 'set bell-style none'\n".encode())
    os.close(write)
    argv = ["bash", "--noprofile", "--rcfile", f"/dev/fd/{read}", "-i"]
    with subprocess.Popen(argv, stdin=follower, stdout=follower, stderr=follower, env=environment, pass_fds=[read],
                          start_new_session=True) as process:  # fmt: skip
        os.close(follower)
        os.close(read)
        shown = b""
        with contextlib.suppress(OSError):  # Linux ends a terminal so
            for line in (*keys, "exit"):
                while not shown.endswith(READY.encode()):
                    shown += os.read(leader, 65536)
                os.write(leader, f"{line}\n".encode())
                shown += b"\n"
            while piece := os.read(leader, 65536):
                shown += piece
        process.wait()
    os.close(leader)
    return re.sub(r"\r", "", shown.decode(errors="replace"))
