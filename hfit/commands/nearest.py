"""Did you mean: a name that the server does not know is answered with the nearest of those that it lists for you.

Only what the server lists is proposed, so nothing is told that the user may not see. The looking up is silent: where it
fails, the error stays as it was.
"""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from hfit.errors import HfitClientError, NotFound
from hfit.gateway import Gateway

NEAR = 3
FILES_LOOKED_AT = 2000
Look = tuple[str, str, Callable[[], Iterable[str]]]
"""What a name is for, the name, and how to list those that there are."""


@contextlib.contextmanager
def nearest(*looks: Look) -> Iterator[None]:
    """Add to a NotFound of the server what may have been meant. Names stand in the order in which they depend."""
    try:
        yield
    except NotFound as error:
        with contextlib.suppress(HfitClientError, OSError):
            error.suggest(*_words(looks))
        raise


def template_look(gateway: Gateway, name: str) -> Look:
    """Look among the templates."""
    return "template", name, lambda: [item["name"] for item in gateway.templates()]


def volume_look(gateway: Gateway, name: str) -> Look:
    """Look among the volumes."""
    return "volume", name, gateway.volumes


def file_look(gateway: Gateway, volume: str, path: str) -> Look:
    """Look among the files of the same folder."""
    folder = path.strip("/").rpartition("/")[0]

    def ask() -> Iterator[str]:
        entries = islice(gateway.files(volume, {"folder": [folder]} if folder else None), FILES_LOOKED_AT)
        return (entry["path"] for entry in entries if not entry["isdir"])

    return "file", path.strip("/"), ask


def table_looks(gateway: Gateway, provider: str, database: str | None = None, table: str | None = None) -> list[Look]:
    """Look among providers, then the databases of this one, then the tables of this one."""
    looks: list[Look] = [("provider", provider, gateway.dbmss)]
    if database is not None:
        looks.append(("database", database, lambda: gateway.dbs(provider)))
        if table is not None:
            looks.append(("table", table, lambda: gateway.tables(provider, database)))
    return looks


def near_names(name: str, known: Sequence[str]) -> list[str]:
    """The nearest of ``known``, best first; of ``schema.table`` the table alone may be near too."""
    lowered = {item.lower(): item for item in reversed(known)}
    bare = {item.lower().rpartition(".")[2]: item for item in reversed(known)}
    near = difflib.get_close_matches(name.lower(), {**bare, **lowered}, n=NEAR)
    return list(dict.fromkeys(lowered.get(item) or bare[item] for item in near))


def _words(looks: Sequence[Look]) -> list[str]:
    for kind, name, ask in looks:
        known = [item for item in ask() if item]
        if name in known or (kind == "table" and name in {item.rpartition(".")[2] for item in known}):
            continue
        near = near_names(name, known)
        if near:
            return [f"Did you mean {' or '.join(near)}?"]
        shown = ", ".join(sorted(known)[:10]) + (", ..." if len(known) > 10 else "")
        return [f"The {kind}s that you may see: {shown}." if known else f"There is no {kind} that you may see."]
    return []
