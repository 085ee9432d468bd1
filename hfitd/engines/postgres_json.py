r"""NDJSON that the server renders: ``row_to_json`` over a COPY whose CSV has nothing to quote. The bytes are those that
``rendering`` would make of the cells.

1. Between tokens ``row_to_json`` puts nothing, names and texts it escapes as JSON asks and no further, numbers are the
   type's own text, and those that JSON does not know (NaN, Infinity) are strings; dates and times are ISO 8601.
2. Other types would come out in another form (arrays nested, ``bytea`` as ``\x``, ``oid`` as a string, types with a
   cast to JSON as that): these are turned into the text or the number that we write first.
3. CSV with the control characters 1 and 2 as quote and delimiter leaves a line as it is, for JSON has no raw control
   character but white space, and line ends in a document become blanks here.
4. A result that this does not hold for is rendered from its cells: masks in the row stream, domains, ``timetz``, names
   longer than the server's.
"""

from __future__ import annotations

from hfitd.engines.interface import OutputType
from hfitd.engines.postgres_binds import Prepared
from hfitd.engines.postgres_dialect import PostgresDialect
from hfitd.engines.shape import Shape
from hfitd.model import Kind

CSV_OPTIONS = {"format": "csv", "quote": "\x01", "delimiter": "\x02"}
_LONGEST_NAME = 63  # bytes; the server would cut a longer alias
_AS_IT_IS = frozenset((
    "smallint", "integer", "bigint", "numeric", "real", "double precision", "boolean", "text", "character varying",
    "bpchar", "name", "uuid", "date", "timestamp without time zone", "timestamp with time zone", "jsonb",
))  # fmt: skip
_STRINGS = frozenset((Kind.TEXT, Kind.OTHER))


def json_lines(prepared: Prepared, shape: Shape) -> str | None:
    """The statement whose only output is a line of NDJSON, for COPY; None where the cells are needed (4)."""
    names = shape.names
    if not names or not shape.is_raw or any(len(name.encode()) > _LONGEST_NAME for name in names):
        return None
    values = [_value(f"q.c{number}", output) for number, output in enumerate(prepared.types)]
    if None in values:
        return None
    quote = PostgresDialect().identifier
    listed = ", ".join(f"{value} AS {quote(name)}" for value, name in zip(values, names, strict=True))
    inner = ", ".join(f"c{number}" for number in range(len(names)))
    rows = f"SELECT {listed} FROM ({prepared.copy_text}) AS q ({inner})"  # noqa: S608 - ours, and the composed text
    row = "hfit_row"
    while row in names:  # a column of that name would be meant
        row += "_"
    return f"SELECT pg_catalog.row_to_json({row}) FROM ({rows}) AS {row}"  # noqa: S608 - as above


def _value(name: str, output: OutputType) -> str | None:
    """What ``row_to_json`` writes as we write the column; None where nothing does."""
    if output.type_name in _AS_IT_IS:
        return name
    if output.type_name == "bytea":  # base64, which the server breaks into lines
        return f"pg_catalog.translate(pg_catalog.encode({name}, 'base64'), E'\\n', '')"
    if output.type_name == "json":
        return f"CAST(pg_catalog.translate(CAST({name} AS pg_catalog.text), E'\\r\\n', '  ') AS pg_catalog.json)"
    if output.type_name == "oid":
        return f"CAST({name} AS pg_catalog.int8)"
    if output.kind in _STRINGS:
        return f"CASE pg_catalog.num_nulls({name}) WHEN 0 THEN pg_catalog.format('%s', {name}) END"
    return None
