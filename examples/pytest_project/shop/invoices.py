"""Invoices of the music shop, in SQLite."""

import sqlite3


def total(connection: sqlite3.Connection, customer: int) -> float:
    """What a customer has paid in all."""
    (amount,) = connection.execute('SELECT sum("Total") FROM "Invoice" WHERE "CustomerId" = ?', (customer,)).fetchone()
    return round(float(amount or 0), 2)


def forget(connection: sqlite3.Connection, customer: int) -> int:
    """Remove a customer with all invoices; how many there were."""
    mine = 'SELECT "InvoiceId" FROM "Invoice" WHERE "CustomerId" = ?'
    connection.execute(f'DELETE FROM "InvoiceLine" WHERE "InvoiceId" IN ({mine})', (customer,))
    count = connection.execute('DELETE FROM "Invoice" WHERE "CustomerId" = ?', (customer,)).rowcount
    connection.execute('DELETE FROM "Customer" WHERE "CustomerId" = ?', (customer,))
    return count
