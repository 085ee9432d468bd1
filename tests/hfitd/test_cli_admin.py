"""What the admin verbs print, where developers and databases chose the words."""

from __future__ import annotations

import json

import pytest

from hfitd.cli_admin import say, show

HOSTILE = "x\x1b]52;c;eA==\x07\x1b[2J\x9b2J\r\x7f\u202eyes\u2066\u2028"


def test_c06_a_reason_or_name_cannot_move_the_cursor_of_an_administrator(capsys: pytest.CaptureFixture[str]) -> None:
    say(HOSTILE, err=True)
    show({"reason": HOSTILE, "name": "Zo\u00eb \U0001f600"})
    printed = capsys.readouterr()
    assert printed.err.removesuffix("\n").isprintable() and printed.err.startswith("x\\u001b]52;c;eA==")
    assert all(line.isprintable() for line in printed.out.split("\n"))
    assert json.loads(printed.out) == {"reason": HOSTILE, "name": "Zo\u00eb \U0001f600"}
    assert "Zo\u00eb \U0001f600" in printed.out
