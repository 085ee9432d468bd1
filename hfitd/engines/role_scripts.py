"""The script that gives a provider's database role what the policy needs and nothing else: one line an engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from hfitd.config.model import ProviderConfig
from hfitd.engines.mysql_role import mysql_role_script
from hfitd.engines.postgres_role import postgres_role_script
from hfitd.model import Catalog, TableNeed

Script = Callable[[ProviderConfig, str, Catalog, Sequence[TableNeed]], list[str]]


def sqlite_role_script(provider: ProviderConfig, role: str, catalog: Catalog, needs: Sequence[TableNeed]) -> list[str]:
    """SQLite has no roles; the file's mode is all there is."""
    return [
        "-- SQLite has no roles and no grants. Give the daemon's user the right to read the file and no more:",
        "--   chown root:hfitd FILE; chmod 0440 FILE",
        "-- A file that is written to meanwhile (WAL) needs its folder readable, too, and its -shm file writable.",
        "-- Or let the daemon read a copy without the tables and columns that nobody may see.",
    ]


ROLE_SCRIPTS: Mapping[str, Script] = {
    "postgresql": postgres_role_script,
    "mysql": mysql_role_script,
    "sqlite": sqlite_role_script,
}
