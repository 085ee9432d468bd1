"""Masks in logs: named groups of a pattern; Python's own engine is the oracle."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfitd.config.model import VolumeMask
from hfitd.errors import FileNotMaskable
from hfitd.masks.table import bind_text_mask
from hfitd.model import MaskRule
from hfitd.volumes.masked.interface import MAX_LINE
from tests.support.masked import KEY, feed, machine

HASH = bind_text_mask("hash", {}, KEY)
USER = r"user=(?P<hash>[^ ]+)"


def masked(value: bytes) -> bytes:
    made = HASH.cover(value)
    assert made is not None
    return made


def rule(pattern: str = USER, unmatched: str = "keep", **masks: str) -> VolumeMask:
    return VolumeMask(("*",), "log", {k: MaskRule(v) for k, v in masks.items()}, {}, pattern, unmatched=unmatched)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(st.sampled_from(["user=", "a", " ", "é", "\udcff", "=", "\r"]), max_size=8).map("".join)),
       st.integers(1, 9), st.booleans())  # fmt: skip
def test_every_match_is_masked_and_all_else_keeps_its_bytes(lines: list[str], piece: int, ended: bool) -> None:
    original = "\n".join(lines).encode("utf-8", "surrogateescape") + (b"\n" if ended else b"")
    expected = re.sub(
        rb"(user=)((?:(?!\r$)[^ \n])+)", lambda found: found[1] + masked(found[2]), original, flags=re.MULTILINE
    )
    assert feed(machine(rule()), original, piece) == expected


@pytest.mark.parametrize(
    ("unmatched", "made", "dropped"), [("keep", b"hello\n \nuser=%s\nbye", 0), ("drop", b" \nuser=%s\n", 2)]
)
def test_lines_that_no_pattern_fits_are_left_out_or_kept_as_the_rule_says(
    unmatched: str, made: bytes, dropped: int
) -> None:
    maker = machine(rule(unmatched=unmatched))
    assert feed(maker, b"hello\n \nuser=x\nbye", 2) == made % masked(b"x")
    assert maker.dropped == dropped


def test_f13_text_in_which_no_pattern_sees_is_not_kept() -> None:
    maker = machine(rule())
    text = "hello\nuser=CANARY more\nbye\n"
    made = feed(maker, text.encode() + text.encode("utf-16") + text.encode("utf-16-be") + b"\nuser=x a\0b\nend\n", 3)
    assert made.replace(b"\0", b"") == b"hello\nuser=%s more\nbye\n\nend\n" % masked(b"CANARY")
    assert maker.dropped == 7


def test_lines_that_no_pattern_fits_are_left_out_by_default() -> None:
    assert VolumeMask(("*",), "log").unmatched == "drop"
    strict = machine(rule(unmatched="refuse"), rule("no(?P<hash>x)", unmatched="keep"))
    with pytest.raises(FileNotMaskable, match=r"line 2"):
        feed(strict, b"user=x\nCANARY\n")


def test_the_patterns_of_several_rules_all_apply_and_overlaps_are_hidden_whole() -> None:
    whole = rule(r"\[(?P<all>[^\]]*)\]", all="redact")
    assert feed(machine(whole, rule()), b"[user=ann] user=bob\n") == b"[********* user=%s\n" % masked(b"bob")
    nested = rule(r"id=(?P<pair>(?P<inner>[a-z]+):[0-9]+)", pair="redact", inner="hash")
    assert feed(machine(nested), b"id=ann:42 x") == b"id=****** x"


def test_parts_without_a_value_are_cut_out() -> None:
    parts = rule("a(?P<one>[0-9]*)b(?P<two>x)?c(?P<three>.)", one="drop", two="hash", three="null")
    assert feed(machine(parts), b"a12bcz!\n") == b"abc!\n"


def test_columns_of_a_log_line_by_a_whole_pattern() -> None:
    line = b'10.0.0.1 - ann@x.org [10/Oct/2000] "GET /a?b HTTP/1.0" 200\r\n'
    pattern = r'^(?P<ip>\S+) \S+ (?P<who>\S+) \[[^\]]*\] "[^"]*" \d+$'
    made = feed(machine(rule(pattern, "drop", ip="redact", who="hash")), line)
    assert made == line.replace(b"10.0.0.1", b"********").replace(b"ann@x.org", masked(b"ann@x.org"))


def test_o10_a_line_that_is_too_long_is_refused_in_bounded_memory() -> None:
    for ending in (b"", b"\n"):
        with pytest.raises(FileNotMaskable, match="longer than"):
            feed(machine(rule()), b"x" * (MAX_LINE + 2) + ending, 1 << 16)
    assert len(feed(machine(rule()), b"x" * MAX_LINE + b"\r\n")) == MAX_LINE + 2
