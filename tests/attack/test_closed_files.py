"""F14 at a running daemon that permissions stop: listings say what cannot be read, exports fail whole."""

from __future__ import annotations

import json
from collections.abc import Iterator

import aiohttp
import pytest

from tests.live.daemon import Daemon, Person, bound_by_permissions, role, running, volume
from tests.live.world import EVERYTHING, LIMITS
from tests.support.http import Api

TEMPLATE = """hfitVersion: 1
templateName: {name}
packageName: {name}
exports:
  {export}
"""
EXPORTS = {
    "unreadable-file": 'all: {type: files, volume: files, filters: ["folder:mixed"]}',
    "closed-folder": 'all: {type: files, volume: files, filters: ["folder:deep", "name:*.txt"]}',
    "names-only": 'all: {type: files, volume: files, filters: ["folder:names"]}',
    "one": "one.txt: {type: file, volume: files, path: mixed/closed.txt}",
}


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Daemon, Person, Person]]:
    """A volume with a file, a folder and names that the daemon may not read; somebody who may have all of it, and
    somebody who is denied exactly that."""
    folder = tmp_path_factory.mktemp("closed")
    files = folder / "files"
    for name in ("mixed/a.txt", "mixed/closed.txt", "mixed/z.txt", "deep/a.txt", "deep/closed/b.txt", "names/x.txt"):
        path = files / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"content of {name}\n")
    hidden = ("!files.read:files/deep/closed/**", "!files.read:files/mixed/closed.txt")
    body = [volume("files", files), LIMITS, role("developer", *EVERYTHING), role("fenced", *EVERYTHING, *hidden)]
    daemon = Daemon(folder, "\n".join(body))
    daemon.under = bound_by_permissions()
    with running(daemon):
        whole, fenced = daemon.add_person("whole@x", "developer"), daemon.add_person("fenced@x", "fenced")
        (files / "mixed" / "closed.txt").chmod(0)
        (files / "deep" / "closed").chmod(0)
        (files / "names").chmod(0o444)
        yield daemon, whole, fenced
        for name in ("deep/closed", "names"):
            (files / name).chmod(0o700)


def entries(body: bytes) -> dict[str, str]:
    """Path -> error of a listing."""
    lines = [json.loads(line) for line in body.splitlines()]
    return {entry["path"]: entry.get("error", "") for entry in lines}


async def test_f14_a_listing_names_what_cannot_be_examined_and_goes_on(closed: tuple[Daemon, Person, Person]) -> None:
    daemon, whole, _ = closed
    listing = await Api(daemon, whole).get("/files/files")
    assert listing.status == 200
    found = entries(listing.body)
    assert found["deep/closed"] == "EACCES"
    assert found["names/x.txt"] == "EACCES"
    assert found["mixed/closed.txt"] == ""  # a listing does not open it
    assert {"mixed/a.txt", "mixed/z.txt", "deep/a.txt"} <= set(found)
    assert "deep/closed/b.txt" not in found
    single = await Api(daemon, whole).get("/files/files/download?path=mixed/closed.txt")
    missing = await Api(daemon, whole).get("/files/files/download?path=mixed/none.txt")
    assert (single.status, single.code) == (missing.status, missing.code) == (404, "NOT_FOUND")


@pytest.mark.parametrize("name", EXPORTS)
async def test_f14_an_export_that_would_miss_something_fails_whole(
    closed: tuple[Daemon, Person, Person], name: str
) -> None:
    daemon, whole, _ = closed
    api = Api(daemon, whole)
    assert (await api.put_template(TEMPLATE.format(name=name, export=EXPORTS[name]))).status == 201
    if name == "unreadable-file":  # only opening it tells, when the package has begun
        with pytest.raises(aiohttp.ClientPayloadError):
            await api.package(name)
    else:
        refused = await api.package(name)
        assert refused.status >= 400
        assert refused.json["resource"] in {"all", "one.txt"}
    records = daemon.audit_records()
    builds = [r for r in records if r.get("action") == "package.build" and r["details"]["template"] == name]
    begun = {r["seq"] for r in builds}
    assert {r["outcome"] for r in records if r.get("begin") in begun} == {"failed"}


async def test_f14_what_is_denied_anyway_is_not_missed(closed: tuple[Daemon, Person, Person]) -> None:
    daemon, _, fenced = closed
    api = Api(daemon, fenced)
    for name in ("unreadable-file", "closed-folder"):
        text = TEMPLATE.format(name=f"fenced-{name}", export=EXPORTS[name])
        assert (await api.put_template(text)).status == 201
        assert (await api.package(f"fenced-{name}")).status == 200
