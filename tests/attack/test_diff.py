"""R15: a change of a template that is hard to align is shown at once."""

from __future__ import annotations

from hfitd.export.library import unified_diff


def test_t04_a_large_change_is_one_replacement_and_applies() -> None:
    old = "".join(f"{n % 90}\n" for n in range(12_000))
    new = "".join(f"{n * 7 % 90}\n" for n in range(12_000))
    diff = unified_diff(old, new, "case").splitlines(keepends=True)
    hunk = diff[3:]
    assert diff[2] == "@@ -2,11999 +2,11999 @@\n"
    assert "".join(line[1:] for line in hunk if line[0] == "-") == old.split("\n", 1)[1]
    assert "".join(line[1:] for line in hunk if line[0] == "+") == new.split("\n", 1)[1]


def test_a_small_change_is_aligned() -> None:
    assert unified_diff("a\nb\nc\n", "a\nB\nc\n", "x").splitlines()[2:] == ["@@ -1,3 +1,3 @@", " a", "-b", "+B", " c"]
    assert unified_diff("a\n", "a\n", "x") == ""
