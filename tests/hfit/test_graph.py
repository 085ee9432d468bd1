"""Graphs of subsets are read a row at a time: any keys come out as they went in, and memory stays small."""

from __future__ import annotations

import io
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfit.graph import READ_BYTES, ROWS_PER_MARK, GraphFile

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
ROWS = st.lists(
    st.tuples(st.lists(TEXT, min_size=1, max_size=3), st.none() | st.tuples(st.integers(0, 9), st.integers(0, 10**9))),
    max_size=200,
)


def written(tables: dict[str, list[Any]], **facts: Any) -> io.BytesIO:
    entries = [{"key": ["a", "б"], "rows": rows, "table": name} for name, rows in tables.items()]
    document = {"format": 1, "subsets": [{"steps": [], "tables": entries, **facts}, {"steps": [1], "tables": []}]}
    return io.BytesIO(json.dumps(document, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode())


@settings(max_examples=30, deadline=None)
@given(rows=ROWS, name=TEXT)
def test_every_row_is_found_by_its_number(rows: list[Any], name: str) -> None:
    graph = GraphFile(written({name: rows, "empty": []}, provider=name))
    assert [subset.facts["steps"] for subset in graph.subsets] == [[], [1]]
    assert graph.subsets[0].facts["provider"] == name
    table = next(item for item in graph.subsets[0].tables if item.facts["table"] == name)
    expected = [(values, None if way is None else list(way)) for values, way in rows]
    if name != "empty":
        assert list(graph.rows(table)) == expected
        assert [graph.row(table, number) for number in range(len(rows))] == expected
    assert table.facts["key"] == ["a", "б"]


def test_a_graph_much_larger_than_a_window_takes_little_memory() -> None:
    rows = [[[f"ключ {number}", "x" * 20], [0, number]] for number in range(60_000)]
    file = written({"t": rows, "u": rows[: ROWS_PER_MARK + 1]})
    size = len(file.getvalue())
    assert size > 8 * READ_BYTES
    tracemalloc.start()
    graph = GraphFile(file)
    first, second = graph.subsets[0].tables
    assert graph.row(first, 59_999)[0][0] == "ключ 59999"
    assert graph.row(second, ROWS_PER_MARK) == (rows[ROWS_PER_MARK][0], [0, ROWS_PER_MARK])
    assert sum(1 for _ in graph.rows(first)) == 60_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < size / 2


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"subsets":[{"tables":[{"rows":[', '{"subsets":[{"tables":[{"rows":[1]}]}]}', '{"subsets":3}',
     '{"subsets":[{"tables":[{"rows":[[["a"],[0,-1]]]}]}]}', '{"subsets":[{"tables":[{"rows":[[["a"],"x"]]}]}]}'],
)  # fmt: skip
def test_what_is_no_graph_is_an_error(text: str) -> None:
    with pytest.raises((ValueError, TypeError)):
        graph = GraphFile(io.BytesIO(text.encode()))
        for subset in graph.subsets:
            for table in subset.tables:
                list(graph.rows(table))


def test_a_row_beyond_the_last_is_an_error() -> None:
    graph = GraphFile(written({"t": [[["a"], None]]}))
    with pytest.raises(ValueError, match="not there"):
        graph.row(graph.subsets[0].tables[0], 1)
