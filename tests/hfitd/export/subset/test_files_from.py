"""Files that exported rows name: in the package, or listed as missing; nothing outside of the volume and the grants."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hfitd.config.model import MaskPolicy, PolicyConfig, VolumeConfig, VolumeMask
from hfitd.errors import ExportRefused, FileNotMaskable, TemplateInvalid
from hfitd.model import MaskRule
from hfitd.volumes.folder import FolderVolume, open_volume
from tests.live.databases import run_sql
from tests.live.servers import Server
from tests.support.subset_worlds import OPEN_POLICY, Bytes, SubsetWorld, server_provider, subset_world

SCRIPT = """
CREATE TABLE owner (id int PRIMARY KEY, photo text);
CREATE TABLE document (id int PRIMARY KEY, owner int REFERENCES owner, path text);
INSERT INTO owner VALUES (1, '/photos/ada.jpg'), (2, 'photos/bob.jpg');
INSERT INTO document VALUES (10, 1, 'a/one.txt'), (11, 1, 'a/one.txt'), (12, 1, NULL), (13, 1, ''),
    (14, 1, 'a/gone.txt'), (15, 2, 'b/two.txt');
"""
DOCUMENTS = {"column": "document.path", "volume": "uploads"}
PHOTOS = {"column": "owner.photo", "volume": "uploads"}


@pytest.fixture
def uploads(tmp_path: Path) -> Path:
    """The folder of a volume, with a secret beside it."""
    for name in ("a/one.txt", "b/two.txt", "photos/ada.jpg", "photos/bob.jpg"):
        (tmp_path / "uploads" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "uploads" / name).write_text(f"this is {name}")
    (tmp_path / "secret.txt").write_text("secret")
    return tmp_path / "uploads"


@pytest.fixture
def database(postgres_server: Server, postgres_database: str) -> tuple[Server, str]:
    """Owners and their documents."""
    run_sql(postgres_server, SCRIPT, postgres_database)
    return postgres_server, postgres_database


@asynccontextmanager
async def opened(
    database: tuple[Server, str], folder: Path, *grants: str, policy: PolicyConfig = OPEN_POLICY, **settings: Any
) -> AsyncIterator[SubsetWorld]:
    """The world with the volume."""
    volume: FolderVolume = open_volume(VolumeConfig("uploads", folder, **settings))
    given = ("rows:**", *(grants or ("files.read:uploads/**",)))
    try:
        async with subset_world(
            server_provider(*database), grants=given, policy=policy, volumes={"uploads": volume}
        ) as world:
            yield world
    finally:
        volume.close()


async def files_of(world: SubsetWorld, where: str, *entries: dict[str, str]) -> tuple[dict[str, bytes], list[str]]:
    """The files in the package and the paths that are missing."""
    result = await world.run(("owner", where), files_from=entries)
    found = {}
    for member in result.checked.members[1:]:
        sink = Bytes()
        await member.build(sink)
        found[member.path] = sink.data
    assert {entry["volume"] for entry in result.detail("missing_files")} <= {"uploads"}
    return found, [entry["path"] for entry in result.detail("missing_files")]


async def test_the_files_that_rows_name_are_in_the_package_once_and_no_others(
    database: tuple[Server, str], uploads: Path
) -> None:
    """Also: NULL and the empty text name nothing, a leading slash is the volume's root, what is gone is listed."""
    async with opened(database, uploads) as world:
        found, missing = await files_of(world, "id = 1", DOCUMENTS, PHOTOS)
    assert found == {
        "case.files/uploads/a/one.txt": b"this is a/one.txt",
        "case.files/uploads/photos/ada.jpg": b"this is photos/ada.jpg",
    }  # fmt: skip
    assert missing == ["a/gone.txt"]


ODD = (
    "../secret.txt", "a/../../secret.txt", "a/..", "..", "a//one.txt", "./a/one.txt", "a", "a/", "~/x", "C:\\x",
    "a\\one.txt", "link", "inside/secret.txt", "a/one.txt\n", "//etc/passwd", "%2e%2e/secret.txt", "a/one.txt ", "-rf",
    "con.txt", "a/" * 40 + "x", "x" * 5000, "\u202egpj.txt",
)  # fmt: skip


async def test_values_that_are_no_path_in_the_volume_bring_nothing(database: tuple[Server, str], uploads: Path) -> None:
    """T10: values of the database are not trusted; whatever they say, they are listed like files that are not there."""
    os.symlink("../secret.txt", uploads / "link")
    os.symlink("..", uploads / "inside")
    listed = json.dumps(ODD).replace("'", "''")
    more = f"""DELETE FROM document;
    INSERT INTO document SELECT n, 2, item #>> '{{}}' FROM jsonb_array_elements('{listed}')
    WITH ORDINALITY g (item,n)"""
    run_sql(database[0], more, database[1])
    async with opened(database, uploads) as world:
        found, missing = await files_of(world, "id = 2", DOCUMENTS)
    assert found == {} and missing == sorted(path.removeprefix("/") for path in ODD)


async def test_files_that_are_not_granted_are_missing_like_those_that_are_not_there(
    database: tuple[Server, str], uploads: Path
) -> None:
    async with opened(database, uploads, "files.read:uploads/**", "!files.read:uploads/a/**") as world:
        found, missing = await files_of(world, "id = 1", DOCUMENTS, PHOTOS)
    assert list(found) == ["case.files/uploads/photos/ada.jpg"] and missing == ["a/gone.txt", "a/one.txt"]


async def test_a_volume_that_is_not_granted_refuses_as_one_that_is_not_there(
    database: tuple[Server, str], uploads: Path
) -> None:
    async with opened(database, uploads, "files.list:uploads/**") as world:
        for volume in ("uploads", "nothing"):
            with pytest.raises(ExportRefused) as refusal:
                world.plan(("owner", ""), files_from=(DOCUMENTS | {"volume": volume},))
            assert refusal.value.resource == "case.sql"


@pytest.mark.parametrize("column", ["document.nothing", "nothing.path", "document", "other:document.path"])
async def test_a_column_that_is_not_there_refuses(
    database: tuple[Server, str], uploads: Path, column: str
) -> None:
    async with opened(database, uploads) as world:
        with pytest.raises(ExportRefused):
            world.plan(("owner", ""), files_from=({"column": column, "volume": "uploads"},))


async def test_a_column_that_the_subset_does_not_reach_or_the_actor_not_see_refuses(
    database: tuple[Server, str], uploads: Path
) -> None:
    async with opened(database, uploads) as world:
        with pytest.raises(ExportRefused):
            world.plan(("owner", ""), children="none", files_from=(DOCUMENTS,))
    async with opened(database, uploads, "files.read:**", "!rows:src/*/document.path") as world:
        with pytest.raises(ExportRefused):
            world.plan(("owner", ""), files_from=(DOCUMENTS,))


async def test_a_masked_column_names_no_files(database: tuple[Server, str], uploads: Path) -> None:
    policy = PolicyConfig(unclassified="allow", mask=(MaskPolicy(("src/*/document.path",), "hash"),))
    async with opened(database, uploads, policy=policy) as world:
        with pytest.raises(TemplateInvalid, match="masked column"):
            world.plan(("owner", ""), files_from=(DOCUMENTS,))


async def test_of_two_names_that_differ_by_case_the_first_is_in_the_package(
    database: tuple[Server, str], uploads: Path
) -> None:
    (uploads / "a" / "ONE.txt").write_text("other")
    run_sql(database[0], "UPDATE document SET path = 'a/ONE.txt' WHERE id = 14", database[1])
    async with opened(database, uploads) as world:
        found, missing = await files_of(world, "id = 1", DOCUMENTS)
    assert found == {"case.files/uploads/a/ONE.txt": b"other"} and missing == ["a/one.txt"]


async def test_files_that_a_rule_masks_come_masked_and_what_cannot_be_masked_refuses(
    database: tuple[Server, str], uploads: Path
) -> None:
    rule = VolumeMask(("*.csv",), "csv", columns={"email": MaskRule("null")})
    run_sql(database[0], "UPDATE document SET path = 'a/list.csv' WHERE id IN (10, 11, 14)", database[1])
    (uploads / "a" / "list.csv").write_text("id,email\n1,ada@example.com\n")
    async with opened(database, uploads, masks=(rule,)) as world:
        found, missing = await files_of(world, "id = 1", DOCUMENTS)
        assert b"ada@" not in found["case.files/uploads/a/list.csv"] and missing == []
        (uploads / "a" / "list.csv").write_bytes(b'id,email\n1,"unclosed')
        with pytest.raises(FileNotMaskable):
            await files_of(world, "id = 1", DOCUMENTS)


async def test_hundreds_of_files_come_in_one_order(database: tuple[Server, str], uploads: Path) -> None:
    for number in range(300):
        (uploads / "b" / f"{number}.txt").write_text(str(number))
    more = "INSERT INTO document SELECT 100 + i, 2, 'b/' || i || '.txt' FROM generate_series(0, 299) i;"
    run_sql(database[0], more, database[1])
    async with opened(database, uploads) as world:
        first, _ = await files_of(world, "id = 2", DOCUMENTS)
        again, _ = await files_of(world, "id = 2", DOCUMENTS)
    assert len(first) == 301 and list(first.items()) == list(again.items()) and list(first) == sorted(first)
