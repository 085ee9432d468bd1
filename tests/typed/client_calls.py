"""What type checkers see of the clients: `make lint` checks this file, nothing runs it."""

from __future__ import annotations

from typing import assert_type

from hfit import AsyncClient, Client
from hfit.documents.governance import Request
from hfit.documents.session import Person
from hfit.package_download import Downloaded


def blocking(client: Client) -> None:
    """The types of the client."""
    assert_type(client.dbmss(), list[str])
    assert_type(client.download_package("customer-case", {"customer_id": 42}), Downloaded)


async def awaited(client: AsyncClient) -> None:
    """Those of the awaited one are the same; what the client refuses is refused here, too."""
    assert_type(await client.dbmss(), list[str])
    assert_type(await client.download_package("customer-case", {"customer_id": 42}), Downloaded)
    assert_type(await client.whoami(), Person)
    for table in (await client.plan("customer-case", {"customer_id": 42}))["exports"][0]["tables"]:
        assert_type(table["estimated_rows"], int | None)
    assert_type((await client.describe("shop_pg", "shop", "public.customer"))["columns"][0]["mask"], str | None)
    assert_type(await client.requests(), list[Request])
    assert_type((await client.templates())[0]["state"], str)
    async for entry in client.files("app_logs"):
        assert_type(entry["size"], int)
    async for line in client.rows("shop_pg", "shop", "public.customer", limit=3):
        assert_type(line, bytes)
    (await client.whoami())["nothing"]  # type: ignore[misc]
    await client.dbs(3)  # type: ignore[arg-type]
    await client.dbs("shop_pg", nothing=True)  # type: ignore[call-arg]
