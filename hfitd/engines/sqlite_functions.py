"""Functions of SQLite that a caller's statement may use: pure ones, by name in lower case.

Not among them: what reads files or loads code, what depends on the connection, and what makes values out of nothing
in any size (``zeroblob``, ``randomblob``, ``printf`` with its widths).
"""

from __future__ import annotations

FUNCTIONS = frozenset((
    # scalar
    "abs", "ceil", "ceiling", "char", "coalesce", "floor", "glob", "hex", "ifnull", "iif", "instr", "length", "like",
    "likely", "lower", "ltrim", "max", "min", "nullif", "quote", "replace", "round", "rtrim", "sign", "substr",
    "substring", "trim", "trunc", "typeof", "unicode", "unlikely", "likelihood", "upper",
    # arithmetic
    "acos", "asin", "atan", "atan2", "cos", "degrees", "exp", "ln", "log", "log10", "log2", "mod", "pi", "pow",
    "power", "radians", "sin", "sqrt", "tan",
    # dates
    "date", "time", "datetime", "julianday", "strftime", "unixepoch", "timediff", "current_date", "current_time",
    "current_timestamp",
    # aggregates and windows
    "avg", "count", "group_concat", "string_agg", "sum", "total", "cume_dist", "dense_rank", "first_value", "lag",
    "last_value", "lead", "nth_value", "ntile", "percent_rank", "rank", "row_number",
    # JSON
    "->", "->>", "json", "json_array", "json_array_length", "json_extract", "json_group_array", "json_group_object",
    "json_object", "json_quote", "json_type", "json_valid",
))  # fmt: skip
