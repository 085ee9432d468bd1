"""The budget of the code's shape. Whoever passes it splits, or argues to raise it here."""

from __future__ import annotations

import statistics

from tests.support.source import body_lines, branches, everything, functions

MAX_FUNCTION_LINES = 60
P95_FUNCTION_LINES = 30
MAX_BRANCHES = 12
MAX_FILE_LINES = 400
MEDIAN_FILE_LINES = 130


def _report(problems: list[str]) -> None:
    assert not problems, "\n" + "\n".join(sorted(problems))


def test_no_function_is_longer_than_a_page() -> None:
    _report([
        f"{module.at(function.lineno)} {name} has {body_lines(function)} lines, at most {MAX_FUNCTION_LINES}"
        for module in everything()
        for name, function in functions(module)
        if body_lines(function) > MAX_FUNCTION_LINES
    ])


def test_most_functions_are_short() -> None:
    sizes = [
        (body_lines(function), f"{module.at(function.lineno)} {name}")
        for module in everything()
        for name, function in functions(module)
    ]
    lengths = sorted(size for size, _ in sizes)
    p95 = lengths[int(len(lengths) * 0.95)]
    longest = "\n".join(f"{size} {where}" for size, where in sorted(sizes, reverse=True)[:25])
    assert p95 <= P95_FUNCTION_LINES, f"19 of 20 functions have {p95} lines or less\n{longest}"


def test_no_function_decides_too_much() -> None:
    _report([
        f"{module.at(function.lineno)} {name} has {branches(function)} branches, at most {MAX_BRANCHES}"
        for module in everything()
        for name, function in functions(module)
        if branches(function) > MAX_BRANCHES
    ])


def test_no_file_is_too_long() -> None:
    _report([
        f"{module.at(1)} has {module.lines} lines, at most {MAX_FILE_LINES}"
        for module in everything()
        if module.lines > MAX_FILE_LINES
    ])


def test_most_files_are_short() -> None:
    lengths = [module.lines for module in everything() if not module.is_package]
    longest = sorted(((m.lines, str(m.name)) for m in everything()), reverse=True)[:15]
    assert statistics.median(lengths) <= MEDIAN_FILE_LINES, longest
