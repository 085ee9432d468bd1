"""How long packages may be used and fetched: in the manifest, at the client, and until their owner takes them back."""

from __future__ import annotations

import io
import json
import tarfile
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.live.daemon import Daemon, Person
from tests.support.http import Api

TEMPLATE = """hfitVersion: 1
templateName: {name}
packageName: {name}
{more}exports:
  artist.csv: {{type: table-data, data: {{dbms: music, table: Artist}}}}
"""


def lifetime_of(archive: bytes) -> float | None:
    """Seconds between creation and expiry in the manifest."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        file = tar.extractfile(next(item for item in tar.getmembers() if item.name.endswith("manifest.json")))
        assert file is not None
        manifest: dict[str, Any] = json.load(file)
    if manifest["expires"] is None:
        return None
    created, expires = (datetime.fromisoformat(manifest[name]) for name in ("created", "expires"))
    return (expires - created).total_seconds()


async def built(api: Api, name: str, more: str = "") -> bytes:
    """A package of a fresh template."""
    assert (await api.put_template(TEMPLATE.format(name=name, more=more))).status == 201
    answer = await api.package(name, compression="none")
    assert answer.status == 200, answer.body
    return answer.body


def limited(daemon: Daemon, lifetime: str) -> Api:
    """The daemon, started again with a package lifetime, as a developer."""
    text = daemon.config.read_text().replace("[limits]", f'[limits]\npackage_lifetime = "{lifetime}"')
    daemon.config.write_text(text)
    daemon.stop()
    daemon.start()
    return Api(daemon, daemon.add_person("dev@example.org", "developer"))


async def test_the_shorter_of_the_servers_and_the_templates_lifetime_stands_in_the_manifest(small: Daemon) -> None:
    api = Api(small, small.add_person("first@example.org", "developer"))
    assert lifetime_of(await built(api, "unlimited")) is None
    assert lifetime_of(await built(api, "two-days", "expires: 2d\n")) == 2 * 86400
    bad = await api.put_template(TEMPLATE.format(name="bad", more="expires: 3\n"))
    assert bad.code == "TEMPLATE_INVALID"
    api = limited(small, "1h")
    assert lifetime_of(await built(api, "hour")) == 3600
    assert lifetime_of(await built(api, "short", "expires: 10m\n")) == 600
    assert lifetime_of(await built(api, "long", "expires: 10d\n")) == 3600


async def test_an_expired_package_is_built_anew_by_the_server_and_refused_and_purged_by_hfit(
    small: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = limited(small, "2s")
    assert api.person is not None
    person: Person = api.person
    assert (await api.put_template(TEMPLATE.format(name="brief", more=""))).status == 201
    assert small.hfit(person, "login").code == 0
    got = small.hfit(person, "pkg-download", "brief", "--json")
    assert got.code == 0, got.err
    first = json.loads(got.out)
    place = Path(first["path"])
    while small.hfit(person, "verify", place).code == 0:
        pass
    refused = small.hfit(person, "load", place, "--into", "sqlite:///t.db")
    assert (refused.code, "expired" in refused.err) == (6, True)
    assert (await api.get(f"/packages/{first['package_id']}")).status == 404
    again = small.hfit(person, "pkg-download", "brief", "-o", "second", "--json")
    assert json.loads(again.out)["package_id"] != first["package_id"]
    purged = small.hfit(person, "purge", place)
    assert (purged.code, place.exists()) == (0, False)


async def test_the_owner_sees_who_can_still_fetch_a_package_and_takes_it_back(small: Daemon) -> None:
    one = Api(small, small.add_person("one@example.org", "developer"))
    two = Api(small, small.add_person("two@example.org", "developer"))
    assert (await one.put_template(TEMPLATE.format(name="case", more=""))).status == 201
    assert (await one.request("POST", "/packtmpl/case/share")).status == 200
    ids = {(await api.package("case")).headers["X-Hfit-Package"] for api in (one, two)}
    (package,) = ids
    listed = json.loads(small.hfitd("package", "list").out)
    assert [(item["id"], item["people"]) for item in listed] == [(package, ["one@example.org", "two@example.org"])]
    assert json.loads(small.hfitd("package", "list", "--email", "three@example.org").out) == []
    assert small.hfitd("package", "revoke", package, "--reason", "by mistake").code == 0
    for api in (one, two):
        assert (await api.get(f"/packages/{package}")).status == 404
    assert small.hfitd("package", "revoke", package).code == 4
    assert json.loads(small.hfitd("package", "list").out) == []
    assert not list((small.data / "artifacts").glob("*.tar.gz"))
    fresh = await one.package("case")
    assert (fresh.status, fresh.headers["X-Hfit-Cache"]) == (200, "miss")
    record = next(r for r in small.audit_records() if r.get("action") == "admin.package.revoke")
    assert (record["objects"], record["reason"]) == ([package], "by mistake")
