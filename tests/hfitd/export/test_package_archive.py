"""The archive: what any reader can unpack, what no byte can change unnoticed."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hfitd.errors import LimitExceeded, SourceChanged, TemplateInvalid
from hfitd.export.items.interface import Built, Member
from hfitd.export.package.build import Finished, PackageBuild, load_orders
from hfitd.export.package.codec import CODECS
from hfitd.export.package.context import PackageContext, SourceEntry
from hfitd.export.package.manifest import MemberEntry, package_digest
from hfitd.export.package.part import Budget
from hfitd.export.sources import SourceKey
from hfitd.model import Sink

SOURCE = SourceKey("shop", "main")


def member(path: str, content: bytes, *, kind: str = "data", table: str | None = None, after: str = "") -> Member:
    async def build(sink: Sink) -> Built:
        for start in range(0, len(content), 70_000):
            await sink.write(content[start : start + 70_000])
            await asyncio.sleep(0)
        return Built(rows=content.count(b"\n"))

    return Member(path, kind, build, SOURCE, table, after=frozenset({after} if after else ()))


def context() -> PackageContext:
    moment = datetime(2024, 5, 1, tzinfo=UTC)
    return PackageContext(
        package_name="case-42",
        template_name="case",
        template_text="templateName: case\n",
        template_digest="0" * 64,
        description="A case",
        parameters={"customer_id": "42"},
        variables={"customer_id": {"value": "42", "source": "input"}},
        sources={SOURCE: SourceEntry(SOURCE, "sqlite", "3.40", "1", moment)},
        policy_version="1" * 64,
        plan_digest="2" * 64,
        origin="https://gateway.test",
        sign=lambda manifest: "signature of " + hashlib.sha256(manifest).hexdigest() + "\n",
    )


async def build_archive(
    folder: Path, members: Sequence[Member], compression: str = "gzip", budget: Budget | None = None
) -> tuple[Finished, bytes]:
    folder.mkdir()
    target = folder / "archive"
    with ThreadPoolExecutor(2) as executor, target.open("wb") as file:
        build = PackageBuild(
            folder,
            CODECS[compression],
            executor=executor,
            budget=budget or Budget(10**9, 10**9),
            grown=lambda size: None,
            member_done=lambda entry: None,
        )
        finished = await build.run(members, context(), file)
    return finished, target.read_bytes()


MEMBERS = (
    member("customer.sql", b"insert 1;\n" * 50_000, table="main.customer"),
    member("empty.csv", b"", kind="rows"),
    member("schema.sql", b"create table;\n", kind="ddl"),
    member("logs/ä.log", b"line\n", kind="file"),
)


@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
async def test_any_tar_reader_unpacks_the_members_in_their_order(tmp_path: Path, compression: str) -> None:
    _, data = await build_archive(tmp_path / "a", MEMBERS, compression)
    if compression == "gzip":
        data = gzip.decompress(data)
    elif compression == "zstd":
        from hfitd.export.package.codec import zstd

        data = zstd.decompress(data)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        names = archive.getnames()
        content = archive.extractfile("case-42/customer.sql")
        assert content is not None
        assert content.read() == b"insert 1;\n" * 50_000
        entries = archive.getmembers()
    assert names == [
        "case-42/README.md",
        "case-42/customer.sql",
        "case-42/empty.csv",
        "case-42/logs/ä.log",
        "case-42/schema.sql",
        "case-42/METADATA/input.json",
        "case-42/METADATA/replacement.json",
        "case-42/METADATA/template.yaml",
        "case-42/METADATA/timestamps.json",
        "case-42/METADATA/manifest.json",
        "case-42/METADATA/manifest.sig",
    ]
    assert {(e.mode, e.uid, e.gid, e.mtime, e.uname, e.isreg()) for e in entries} == {(0o644, 0, 0, 0, "", True)}


async def test_the_seal_covers_every_compressed_byte_before_it(tmp_path: Path) -> None:
    _, data = await build_archive(tmp_path / "a", MEMBERS)
    seal = data[-(12 + 36 + 10) :]
    assert seal[:10].hex() == "1f8b0804" + "00000000" + "00ff"
    assert seal[12:16] == b"HF\x20\x00"
    assert seal[16:48] == hashlib.sha256(data[: -len(seal)]).digest()


async def test_two_builds_give_the_same_members_and_the_same_package_digest(tmp_path: Path) -> None:
    first, _ = await build_archive(tmp_path / "a", MEMBERS)
    second, _ = await build_archive(tmp_path / "b", tuple(reversed(MEMBERS)), "zstd")
    assert first.package_digest == second.package_digest
    stable = [m for m in first.members if not m.path.endswith("timestamps.json")]
    assert stable == [m for m in second.members if not m.path.endswith("timestamps.json")]


async def test_the_manifest_lists_every_other_member_and_is_what_was_signed(tmp_path: Path) -> None:
    finished, data = await build_archive(tmp_path / "a", MEMBERS)
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(data))) as archive:
        contents = {m.name.partition("/")[2]: archive.extractfile(m).read() for m in archive}  # type: ignore[union-attr]
    manifest = json.loads(contents["METADATA/manifest.json"])
    assert {m["path"] for m in manifest["members"]} == contents.keys() - {
        "METADATA/manifest.json",
        "METADATA/manifest.sig",
    }
    for entry in manifest["members"]:
        assert hashlib.sha256(contents[entry["path"]]).hexdigest() == entry["sha256"]
        assert len(contents[entry["path"]]) == entry["size"]
    assert manifest["package_digest"] == finished.package_digest
    signed = hashlib.sha256(contents["METADATA/manifest.json"]).hexdigest()
    assert contents["METADATA/manifest.sig"].decode() == f"signature of {signed}\n"


def test_the_package_digest_is_the_sorted_list_of_contract_ruling_1() -> None:
    entries = [
        MemberEntry("b", 1, "bb", "data"),
        MemberEntry("METADATA/timestamps.json", 1, "cc", "metadata"),
        MemberEntry("a", 1, "aa", "data"),
    ]
    assert package_digest(entries) == hashlib.sha256(b"aa  a\nbb  b\n").hexdigest()


async def test_a_failing_member_leaves_no_part_behind_and_its_error_is_the_one_raised(tmp_path: Path) -> None:
    async def build(sink: Sink) -> Built:
        await sink.write(b"half")
        raise SourceChanged

    broken = Member("broken.sql", "data", build, SOURCE)
    with pytest.raises(SourceChanged):
        await build_archive(tmp_path / "a", [*MEMBERS, broken])
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["archive"]


async def test_a_package_above_its_limits_is_refused_and_not_cut(tmp_path: Path) -> None:
    with pytest.raises(LimitExceeded):
        await build_archive(tmp_path / "a", MEMBERS, budget=Budget(400_000, 10**9))
    with pytest.raises(LimitExceeded):
        await build_archive(tmp_path / "b", MEMBERS, budget=Budget(10**9, 49_999))


async def test_two_members_of_one_name_are_refused_whatever_their_case(tmp_path: Path) -> None:
    with pytest.raises(TemplateInvalid):
        await build_archive(tmp_path / "a", [member("Logs/a", b""), member("logs/A", b"")])


def test_ddl_loads_first_and_parents_before_children_also_in_a_cycle() -> None:
    members = [
        member("a-child.sql", b"", table="main.child", after="main.parent"),
        member("b-parent.sql", b"", table="main.parent"),
        member("c-one.sql", b"", table="main.one", after="main.two"),
        member("d-two.sql", b"", table="main.two", after="main.one"),
        member("z-schema.sql", b"", kind="ddl"),
    ]
    orders = load_orders(members)
    assert sorted(orders, key=lambda path: orders[path])[0] == "z-schema.sql"
    assert orders["b-parent.sql"] < orders["a-child.sql"]
    assert sorted(orders.values()) == [1, 2, 3, 4, 5]
