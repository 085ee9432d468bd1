"""Who got what: questions to a folder of chains."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from hfitd.audit.log import AuditLog
from hfitd.audit.record import AuditRecord, TableCount
from hfitd.audit.search import Entry, Question, parse_moment, search_audit
from hfitd.audit.tail import follow_records, newest_records
from hfitd.errors import AuditUnavailable, BadRequest

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
CUSTOMER, RENTAL = "shop/public/customer", "shop/public/rental"


@dataclass(frozen=True)
class Written:
    """A folder with what happened: packages of bob and eve, a login, one that is still open."""

    folder: Path
    log: AuditLog


@pytest_asyncio.fixture(params=[1_000_000, 400], ids=["one segment", "many segments"])
async def written(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Written]:
    log = await AuditLog.open(
        tmp_path / "audit", instance="one", keys_dir=tmp_path / "keys", segment_bytes=request.param
    )
    for number in range(6):
        who, table = ("bob@x", CUSTOMER) if number % 2 else ("eve@x", RENTAL)
        raw = (f"{table}.email",) if number == 3 else ()
        record = AuditRecord("package", email=who, objects=(table,), columns=(f"{table}.email",), raw=raw)
        token = await log.begin(record)
        counts = [TableCount(table, number, 10 * number)]
        await log.end(token, "done", rows=number, size=100, package_digest=f"d{number}", tables=counts)
    await log.note(AuditRecord("login", email="bob@x"), "done")
    await log.begin(AuditRecord("rows", email="bob@x", objects=(CUSTOMER,)))
    yield Written(tmp_path / "audit", log)
    await log.close()


def found(written: Written, **question: object) -> list[Entry]:
    return list(search_audit(written.folder, Question(**question)))  # type: ignore[arg-type]


async def test_an_operation_is_one_entry_with_its_end(written: Written) -> None:
    entries = found(written, about="customer", action="package")
    assert [entry.fields["rows"] for entry in entries] == [1, 3, 5]
    first = entries[0].fields
    assert (first["email"], first["outcome"], first["package_digest"]) == ("bob@x", "done", "d1")
    assert first["tables"] == [{"object": CUSTOMER, "rows": 1, "bytes": 10}]
    assert str(first["time"]) < str(first["ended"])
    assert not {"hash", "kind", "begin", "boot"} & first.keys()


@pytest.mark.parametrize("about", ["customer", "public.customer", CUSTOMER, "shop/*", "cust*"])
async def test_a_table_goes_by_every_name_it_has(written: Written, about: str) -> None:
    assert {entry.fields["email"] for entry in found(written, about=about)} >= {"bob@x"}
    assert found(written, about="customers") == []


async def test_who_got_which_columns_raw(written: Written) -> None:
    (entry,) = found(written, raw=True)
    assert entry.fields["raw"] == [f"{CUSTOMER}.email"]


async def test_each_filter_alone_and_with_others(written: Written) -> None:
    assert len(found(written, email="eve@x")) == 3
    assert [entry.fields["action"] for entry in found(written, email="bob@x", action="log*")] == ["login"]
    assert [entry.fields["rows"] for entry in found(written, package="d4")] == [4]
    assert found(written, email="bob@x", package="d4") == []
    assert found(written, since="2999") == []
    assert found(written, until="2000") == []


async def test_what_is_still_open_comes_last_without_a_cursor(written: Written) -> None:
    entries = found(written, email="bob@x")
    assert [entry.fields["outcome"] for entry in entries][-1] == "open"
    assert [bool(entry.cursor) for entry in entries] == [True] * 4 + [False]


async def test_since_reads_no_segment_that_had_ended_before(written: Written) -> None:
    everything = found(written)
    later = str(everything[4].fields["time"])
    assert [entry.fields["rows"] for entry in found(written, since=later, action="package")] == [4, 5]
    paths = sorted(written.folder.glob("*.jsonl"))
    earlier = paths[: len(paths) // 3]
    for path in earlier:  # if it were read it would be missed
        path.write_bytes(b"")
    assert [entry.fields["rows"] for entry in found(written, since=later, action="package")][-1:] == [5]


async def test_pages_follow_one_another_without_a_gap(written: Written) -> None:
    whole = found(written)
    pages: list[Entry] = []
    after = ""
    while page := list(itertools.islice(search_audit(written.folder, Question(after=after)), 2)):
        pages += page
        after = page[-1].cursor
        if not after or len(page) < 2:
            break
    assert [entry.fields for entry in pages] == [entry.fields for entry in whole]


async def test_what_comes_before_an_entry_is_all_that_ended_before_it(written: Written) -> None:
    whole = found(written)
    ended = [entry for entry in whole if entry.cursor]
    assert len(ended) > 2
    for number, entry in enumerate(ended):
        assert [one.fields for one in found(written, before=entry.cursor)] == [one.fields for one in ended[:number]]


async def test_entries_of_several_instances_are_merged_by_time(written: Written) -> None:
    other = await AuditLog.open(written.folder, instance="two", keys_dir=written.folder.parent / "keys")
    await other.note(AuditRecord("login", email="ann@x"), "done")
    await written.log.note(AuditRecord("login", email="joe@x"), "done")
    await other.close()
    names = [entry.fields["email"] for entry in found(written, action="login")]
    assert names == ["bob@x", "ann@x", "joe@x"]


async def test_an_operation_over_a_restart_ends_as_crashed(written: Written) -> None:
    await written.log.close()
    again = await AuditLog.open(written.folder, instance="one", keys_dir=written.folder.parent / "keys")
    (entry,) = found(written, action="rows")
    assert (entry.fields["outcome"], entry.fields["email"]) == ("crashed", "bob@x")
    await again.close()


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31", "2026-01-31T00:00:00.000000+00:00"),
        ("2026-01-31T12:00", "2026-01-31T12:00:00.000000+00:00"),
        ("2026-01-31T12:00+02:00", "2026-01-31T10:00:00.000000+00:00"),
        ("30d", (NOW - timedelta(days=30)).isoformat(timespec="microseconds")),
        ("90m", "2026-03-31T10:30:00.000000+00:00"),
    ],
)
def test_times_are_dates_or_how_long_ago(text: str, moment: str) -> None:
    assert parse_moment(text, NOW) == moment


@pytest.mark.parametrize("text", ["yesterday", "30", "d", "2026-13-01", "999999d", "-1d", "1w", "\u0663d"])
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        parse_moment(text, NOW)


@pytest.mark.parametrize("cursor", ["x", "a/b", "a/b/c", "//1", "a/b/" + "1" * 30])
async def test_a_cursor_of_another_form_is_refused(written: Written, cursor: str) -> None:
    with pytest.raises(BadRequest):
        found(written, after=cursor)


def test_a_folder_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(AuditUnavailable):
        list(search_audit(tmp_path / "no", Question()))
    with pytest.raises(AuditUnavailable):
        newest_records(tmp_path / "no", 3)


async def test_the_newest_records_come_from_the_end(written: Written) -> None:
    newest = newest_records(written.folder, 3)
    assert len(newest) == 3
    assert newest[-1]["action"] == "rows"
    mine = newest_records(written.folder, 100, email="eve@x")
    assert {record["email"] for record in mine if record["kind"] == "begin"} == {"eve@x"}
    assert newest_records(written.folder, 1000)[0]["kind"] in {"segment", "start"}


async def test_who_follows_sees_what_is_written_from_then_on(written: Written) -> None:
    seen: list[object] = []

    def follow() -> None:
        for record in follow_records(written.folder, going=lambda: len(seen) < 5):
            seen.append(record.get("action"))

    following = asyncio.create_task(asyncio.to_thread(follow))
    await asyncio.sleep(0.1)
    for number in range(6):
        await written.log.note(AuditRecord(f"word{number}"), "done")
    await following
    assert [word for word in seen if word][:3] == ["word0", "word1", "word2"]


async def test_nobody_hides_a_table_behind_a_thousand_others(tmp_path: Path) -> None:
    log = await AuditLog.open(tmp_path / "audit", instance="one", keys_dir=tmp_path / "keys")
    try:
        crowd = tuple(f"shop/public/a{number}" for number in range(1001))
        await log.note(AuditRecord("package", email="eve@x", objects=(*crowd, CUSTOMER)), "done")
        await log.note(AuditRecord("package", email="bob@x", objects=crowd[:3]), "done")
        entries = list(search_audit(tmp_path / "audit", Question(about="customer")))
        assert [entry.fields["email"] for entry in entries] == ["eve@x"]
    finally:
        await log.close()
