"""What was allowed before is not served after: finished packages and changes of the configuration."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from hfitd.export.kept import KeptArchives
from tests.attack.conftest import Till
from tests.support.http import Api

FILES = """hfitVersion: 1
templateName: all-files
packageName: all-files
exports:
  f: {type: files, volume: files, filters: ["name:*"]}
"""


async def test_a_package_from_before_a_rule_of_a_volume_is_not_served_after_it(till: Till) -> None:
    api = Api(till.daemon, till.alice)
    assert (await api.put_template(FILES)).status == 201
    first = await api.package("all-files", compression="none")
    assert b"CANARYpem" in first.body
    old = first.headers["X-Hfit-Package"]
    assert (await api.get(f"/packages/{old}")).status == 200
    try:
        tightened = till.body.replace("[volumes.files]", '[volumes.files]\nallowed_extensions = [".txt"]')
        assert await reloaded(till, tightened, api) == [b"open.txt"]
        again = await api.package("all-files", compression="none")
        assert again.status == 200
        assert b"open\n" in again.body
        assert b"CANARY" not in again.body
        assert (await api.get(f"/packages/{old}")).status == 404
    finally:
        await reloaded(till, till.body, api)


async def reloaded(till: Till, body: str, api: Api) -> list[bytes]:
    """Take over a configuration; the files that can be listed then."""
    before = till.daemon.log.read_text().count("config_reloaded")
    till.daemon.write_config(body)
    till.daemon.signal(signal.SIGHUP)
    while till.daemon.log.read_text().count("config_reloaded") == before:
        time.sleep(0.02)
    listing = (await api.get("/files/files?name=*.pem&name=open*")).body
    return [name for name in (b"key.pem", b"open.txt") if name in listing]


def test_making_room_touches_nothing_but_packages(tmp_path: Path) -> None:
    for name in ("notes.txt", "old.tar.gz", "older.tar", "new.tar.gz"):
        (tmp_path / name).write_text("x")
        os.utime(tmp_path / name, (1, 1))
    KeptArchives(tmp_path, ttl_seconds=60, max_bytes=1).make_room("new.tar.gz", 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.tar.gz", "notes.txt"]
