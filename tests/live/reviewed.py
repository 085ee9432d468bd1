"""A small installation with review: an author, a developer, reviewers and somebody with nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.live.daemon import Daemon, Person, running, sqlite_provider, volume

POLICY = """
[policy]
mask_key = "a mask key for tests only, 32 or more"
[[policy.mask]]
columns = "music/main/Customer.Email"
mask = "hash"
[[policy.clear]]
columns = ["music/main/*.*"]
[limits]
requests_per_minute = 100000
requests_per_hour = {asks}
[auth]
max_attempts = 1000
"""
ROLES = """
[roles.author]
grants = ["rows:music/main/Customer", "rows:music/main/Invoice", "template.run:*", "template.edit:*",
  "template.share:*"]
[roles.developer]
grants = ["rows:music/main/Customer", "rows:music/main/Invoice", "template.run:*", "files.list:files/**",
  "files.read:files/**", "ddl:music/main/Customer"]
[roles.reviewed]
grants = ["rows:music/main/Customer", "template.run:*", "files.list:files/**", "files.read:files/**"]
require_approved = true
[roles.raw]
grants = ["rows:music/main/Customer", "rows:music/main/Invoice", "raw:music/main/Customer", "template.run:*"]
[roles.owner]
grants = ["template.approve:*"]
[roles.lead]
grants = ["rows:music/main/Customer"]
[roles.support]
grants = ["rows:music/main/Invoice", "rows:music/main/Customer", "template.run:*"]
requestable = true
approvers = ["owner"]
max_duration = "2h"
break_glass = true
[roles.oncall]
grants = ["template.approve:*"]
requestable = true
approvers = ["owner"]
break_glass = true
[roles.peers]
grants = ["rows:music/main/Artist"]
requestable = true
[roles.fixed]
grants = ["rows:music/main/Album"]
"""
TEMPLATE = """hfitVersion: 1
templateName: {name}
packageName: {name}-${{customer_id}}
parameters:
  customer_id: {{type: integer, required: true}}
exports:
  customer.csv: {{type: database, provider: music, query: "SELECT CustomerId, Email, City FROM Customer
    WHERE CustomerId <= ${{customer_id}}"}}
"""


@dataclass(frozen=True)
class Reviewed:
    """The running daemon and its people."""

    daemon: Daemon
    author: Person
    dev: Person
    owner: Person
    second: Person
    nobody: Person


def config(folder: Path, music: Path, *, strict: bool, asks: int = 10_000) -> str:
    """``strict``: the provider is read by approved templates only."""
    provider = sqlite_provider("music", music) + f"\nrequire_approved = {str(strict).lower()}\n"
    return "\n".join([provider, volume("files", folder / "files"), POLICY.replace("{asks}", str(asks)), ROLES])


def config_of(folder: Path, music: Path, store: str = "", *, strict: bool = True, asks: int = 10_000) -> str:
    """The whole body of a configuration file."""
    return config(folder, music, strict=strict, asks=asks) + store


@contextlib.contextmanager
def running_review(folder: Path, music: Path, store: str = "", *, strict: bool = True) -> Iterator[Reviewed]:
    """The installation, running, until the block ends."""
    (folder / "files").mkdir()
    (folder / "files" / "a.log").write_text("a line\n")
    with running(Daemon(folder, config_of(folder, music, store, strict=strict))) as daemon:
        yield Reviewed(
            daemon,
            daemon.add_person("author@example.org", "author"),
            daemon.add_person("dev@example.org", "developer"),
            daemon.add_person("owner@example.org", "owner"),
            daemon.add_person("second@example.org", "owner"),
            daemon.add_person("nobody@example.org"),
        )
