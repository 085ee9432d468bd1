"""The template that ``hfit pkg-example`` prints. A test parses it with the daemon's own parser."""

from __future__ import annotations

EXAMPLE = """\
# A template says what belongs into a package; `hfit pkg-download` fills in the parameters.
# Try it against the demo (hfitd demo --keep):
#
#   hfit pkg-example > customer-case.yaml
#   hfit pkg-tmpl validate customer-case.yaml
#   hfit pkg-tmpl create customer-case.yaml
#   hfit pkg-plan customer-case customer_id=42
#   hfit pkg-download customer-case customer_id=42
#
hfitVersion: 1
templateName: customer-case
description: One customer with invoices and log files
projectName: demo

# The folder that the package becomes: ./case-42/
packageName: case-${customer_id}

# Typed: a value that is not an integer is refused before anything is read.
parameters:
  customer_id:
    type: integer
    required: true
    description: Whose case

# Each entry is one file of the package; the extension says how it is written (.sql, .csv, .ndjson).
exports:

  # How the tables are made, so that the package loads into an empty database.
  10-tables.sql:
    type: table-create
    data:
      dbms: chinook
      tablelist: [Employee, Customer, Invoice]
      option: ifnotexists

  # A whole table: customers name the employee who looks after them, so the employees come along.
  20-employee.sql:
    type: table-data
    data:
      dbms: chinook
      table: Employee

  # Rows of one table. ${customer_id} is a bound value, never text. Names, addresses and numbers arrive masked:
  # the gateway's policy decides that, not the template.
  30-customer.sql:
    type: table-data
    data:
      dbms: chinook
      table: Customer
      filter: "WHERE CustomerId = ${customer_id}"

  40-invoice.sql:
    type: table-data
    data:
      dbms: chinook
      table: Invoice
      filter: "WHERE CustomerId = ${customer_id}"

  # A query of your own; only SELECT, and only what the policy lets through.
  totals.csv:
    type: database
    data:
      dbms: chinook
      query: >-
        SELECT InvoiceId, COUNT(*) AS lines, ROUND(SUM(UnitPrice * Quantity), 2) AS total
        FROM InvoiceLine
        WHERE InvoiceId IN (SELECT InvoiceId FROM Invoice WHERE CustomerId = ${customer_id})
        GROUP BY InvoiceId
        ORDER BY InvoiceId

  # Files of a volume that carry the customer's number in their name; they go to logs/<path in the volume>.
  logs:
    type: files
    volume: app_logs
    filters: ["name:*_${customer_id}_*"]
"""
