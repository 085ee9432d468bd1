"""Types a free query may cast to, and how each dialect spells them.

User-defined types and those that look into the catalogue (``regclass`` and its kin) are not here, so a cast cannot
ask about what is not granted.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from hfitd.errors import SqlRefused

_T = exp.DType
_TYPES: Mapping[str, Mapping[exp.DType, str]] = {
    "postgres": {
        _T.BOOLEAN: "boolean", _T.SMALLINT: "smallint", _T.INT: "integer", _T.BIGINT: "bigint", _T.DECIMAL: "numeric",
        _T.FLOAT: "real", _T.DOUBLE: "double precision", _T.TEXT: "text", _T.VARCHAR: "varchar", _T.CHAR: "char",
        _T.DATE: "date", _T.TIME: "time", _T.TIMETZ: "timetz", _T.TIMESTAMP: "timestamp",
        _T.TIMESTAMPTZ: "timestamptz", _T.INTERVAL: "interval", _T.UUID: "uuid", _T.JSON: "json", _T.JSONB: "jsonb",
    },
    "mysql": {
        _T.BIGINT: "SIGNED", _T.INT: "SIGNED", _T.UBIGINT: "UNSIGNED", _T.UINT: "UNSIGNED", _T.DECIMAL: "DECIMAL",
        _T.FLOAT: "FLOAT", _T.DOUBLE: "DOUBLE", _T.CHAR: "CHAR", _T.VARCHAR: "CHAR", _T.TEXT: "CHAR",
        _T.BINARY: "BINARY", _T.VARBINARY: "BINARY", _T.DATE: "DATE", _T.TIME: "TIME", _T.DATETIME: "DATETIME",
        _T.TIMESTAMP: "DATETIME",
    },
    "sqlite": {
        _T.INT: "INTEGER", _T.BIGINT: "INTEGER", _T.FLOAT: "REAL", _T.DOUBLE: "REAL", _T.DECIMAL: "NUMERIC",
        _T.TEXT: "TEXT", _T.VARCHAR: "TEXT", _T.CHAR: "TEXT", _T.BLOB: "BLOB", _T.VARBINARY: "BLOB",
    },
}  # fmt: skip
_SIZED = frozenset({"numeric", "varchar", "char", "DECIMAL", "CHAR", "BINARY", "DATETIME", "TIME", "time", "timestamp"})


def type_sql(node: exp.Expr, sqlglot_name: str) -> str:
    """The type as SQL. Raises SqlRefused when it is not one of the plain types."""
    if node.this is _T.ARRAY and sqlglot_name == "postgres" and len(node.expressions) == 1:
        (element,) = node.expressions
        if isinstance(element, exp.DataType) and element.this is not _T.ARRAY:
            return f"{type_sql(element, sqlglot_name)}[]"
    word = _TYPES[sqlglot_name].get(node.this)
    if word is None:
        raise SqlRefused("A cast to this type is not allowed.")
    sizes = [str(size.name) for size in node.expressions]
    if not sizes:
        return word
    if word not in _SIZED or len(sizes) > 2 or not all(size.isascii() and size.isdigit() for size in sizes):
        raise SqlRefused("A cast to this type is not allowed.")
    return f"{word}({', '.join(sizes)})"
