"""Which store ``store.url`` means."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from hfitd.errors import StoreUnavailable
from hfitd.store.embedded import EmbeddedStore
from hfitd.store.formats import STEPS
from hfitd.store.interface import Store
from hfitd.store.redis import RedisStore
from hfitd.store.schema import prepare_schema
from hfitd.store.sealed import SealedStore
from hfitd.store.secret import load_secret

_FILE = "store.sqlite3"
_KEY_FILE = "store.key"


async def open_store(
    url: str, *, password: str | None, data_dir: Path, keys_dir: Path, on_tampered: Callable[[str], None]
) -> Store:
    """Open the store of ``url`` (``embedded:`` or a Redis URL) with its records sealed.

    ``on_tampered`` is called with the key of every record that somebody else has written. StoreUnavailable when it
    does not answer, is in use by another process, has a format of another version, or the URL or the key file cannot
    be used.
    """
    secret = await asyncio.to_thread(load_secret, keys_dir / _KEY_FILE)
    inner: Store
    if url == "embedded:":
        inner = await EmbeddedStore.open(data_dir / _FILE)
    else:
        try:
            inner = await RedisStore.open(url, password)
        except ValueError as error:
            raise StoreUnavailable(str(error), resource="store.url") from error
    store = SealedStore(inner, secret, on_tampered)
    try:
        await prepare_schema(store, STEPS)
    except BaseException:
        await store.close()
        raise
    return store
