"""What type checkers see of the clients: `make lint` checks this file, nothing runs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_type

from hfit import AsyncClient, Client
from hfit.package_download import Downloaded


def blocking(client: Client) -> None:
    """The types of the client."""
    assert_type(client.dbmss(), list[str])
    assert_type(client.download_package("customer-case", {"customer_id": 42}), Downloaded)


async def awaited(client: AsyncClient) -> None:
    """Those of the awaited one are the same; what the client refuses is refused here, too."""
    assert_type(await client.dbmss(), list[str])
    assert_type(await client.download_package("customer-case", {"customer_id": 42}), Downloaded)
    assert_type(await client.whoami(), Mapping[str, object])
    async for line in client.rows("shop_pg", "shop", "public.customer", limit=3):
        assert_type(line, bytes)
    await client.dbs(3)  # type: ignore[arg-type]
    await client.dbs("shop_pg", nothing=True)  # type: ignore[call-arg]
