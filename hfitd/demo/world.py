"""What the demo works with: a "production" database, a volume, a configuration and a developer's key, in one folder.

The database is Chinook, a music shop, as a SQLite file that is shipped in ``hfitd/sample`` with its licence; the logs
are our own. The configuration is written here, so that it shows the least that a gateway needs.
"""

from __future__ import annotations

import gzip
import socket
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

EMAIL = "dev@example.org"

CONFIG = """\
[server]
listen = "127.0.0.1:{port}"
data_dir = "gateway"
admin_socket = "admin.sock"

[log]
format = "text"

[providers.chinook]
type = "sqlite"
path = "production/chinook.db"

[volumes.app_logs]
path = "production/logs"
allowed_extensions = [".txt", ".log"]

[[policy.mask]]
columns = "chinook/main/*.Email"
mask = "email"

[[policy.mask]]
columns = ["chinook/main/*.Phone", "chinook/main/*.Fax"]
mask = "phone"

[[policy.mask]]
columns = ["chinook/main/*.FirstName", "chinook/main/*.LastName"]
mask = "person_name"

[[policy.mask]]
columns = ["chinook/main/*.Address", "chinook/main/*.BillingAddress"]
mask = "const"
value = "1 Sample Street"

[[policy.mask]]
columns = ["chinook/main/*.PostalCode", "chinook/main/*.BillingPostalCode"]
mask = "redact"

[[policy.mask]]
columns = "chinook/main/Employee.BirthDate"
mask = "null"

[roles.developer]
grants = [
  "rows:chinook/main/*", "query:chinook/main/*", "ddl:chinook/main/*",
  "files.list:app_logs/**", "files.read:app_logs/**",
  "template.run:*", "template.edit:*", "template.share:*",
]
"""


@dataclass(frozen=True, slots=True)
class World:
    """Where everything is. Names in it are also what the printed commands use, relative to ``folder``."""

    folder: Path
    origin: str

    @property
    def database(self) -> Path:
        """The "production" database."""
        return self.folder / "production" / "chinook.db"

    @property
    def config(self) -> Path:
        """The daemon's configuration."""
        return self.folder / "config.toml"

    @property
    def client(self) -> Path:
        """The client's own configuration folder, instead of ``~/.hfit``."""
        return self.folder / "client"

    @property
    def log(self) -> Path:
        """What the daemon says."""
        return self.folder / "hfitd.log"


def make_world(folder: Path) -> World:
    """Fill an empty folder; OSError when it cannot be written."""
    port = free_port()
    world = World(folder, f"http://127.0.0.1:{port}")
    sample = files("hfitd") / "sample"
    logs = world.database.parent / "logs"
    logs.mkdir(parents=True)
    world.database.write_bytes(gzip.decompress((sample / "chinook.sqlite.gz").read_bytes()))
    for entry in (sample / "app_logs").iterdir():
        (logs / entry.name).write_bytes(entry.read_bytes())
    world.config.write_text(CONFIG.format(port=port), encoding="utf-8")
    write_key_pair(folder / "key")
    return world


def write_key_pair(path: Path) -> None:
    """What ``ssh-keygen -t ed25519 -N '' -f PATH`` makes, where there is no ssh-keygen."""
    key = Ed25519PrivateKey.generate()
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    path.with_name(path.name + ".pub").write_bytes(public + b" " + EMAIL.encode() + b"\n")


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
