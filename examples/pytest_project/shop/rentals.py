"""Rentals of the film shop, in PostgreSQL."""

import asyncpg


async def give_back(url: str, customer: int) -> int:
    """Mark everything that a customer still has as returned; how much it was."""
    connection = await asyncpg.connect(url)
    try:
        done = await connection.execute(
            "UPDATE rental SET return_date = now() WHERE customer_id = $1 AND return_date IS NULL", customer
        )
        return int(done.split()[-1])
    finally:
        await connection.close()


async def films(url: str, customer: int) -> list[str]:
    """Titles that a customer has rented, each once."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(
            "SELECT DISTINCT title FROM rental JOIN inventory USING (inventory_id) JOIN film USING (film_id)"
            " WHERE customer_id = $1 ORDER BY title",
            customer,
        )
        return [row["title"] for row in rows]
    finally:
        await connection.close()
