"""Functions a free query may call: pure, of values only, and cheap for what they are given.

This is the whole list; a name that is not here is refused, whatever it does. A list of what is denied loses (S08 to
S13): servers have thousands of functions, among them ones that run SQL text, read files, sleep, lock, or answer
questions about the session. So nothing here takes SQL text, a table or a file name, waits, locks, has state, is
random, or makes text of any length from short input (S28): ``LPAD`` and ``RPAD`` need a small literal length.
Names are compared in upper case, unquoted and unqualified; on PostgreSQL sessions have an empty search path, so they
mean the server's own functions.
"""

from __future__ import annotations

_COMMON = frozenset(
    {
        "ABS", "CEIL", "CEILING", "FLOOR", "ROUND", "SIGN", "MOD", "POWER", "POW", "SQRT", "EXP", "LN", "LOG", "LOG10",
        "DEGREES", "RADIANS", "PI", "SIN", "COS", "TAN", "ASIN", "ACOS", "ATAN", "ATAN2", "COALESCE", "NULLIF", "LOWER",
        "UPPER", "LENGTH", "REPLACE", "LTRIM", "RTRIM", "SUBSTR", "CONCAT", "CONCAT_WS", "COUNT", "SUM", "AVG", "MIN",
        "MAX", "ROW_NUMBER", "RANK", "DENSE_RANK", "PERCENT_RANK", "CUME_DIST", "NTILE", "LAG", "LEAD", "FIRST_VALUE",
        "LAST_VALUE", "NTH_VALUE",
    }
)  # fmt: skip

_POSTGRES = frozenset(
    {
        "CBRT", "DIV", "TRUNC", "WIDTH_BUCKET", "GREATEST", "LEAST", "CHAR_LENGTH", "CHARACTER_LENGTH", "OCTET_LENGTH",
        "BIT_LENGTH", "BTRIM", "LEFT", "RIGHT", "LPAD", "RPAD", "REVERSE", "ASCII", "CHR", "INITCAP", "STRPOS",
        "SPLIT_PART", "STARTS_WITH", "TRANSLATE", "MD5", "TO_HEX", "ENCODE", "QUOTE_LITERAL", "REGEXP_REPLACE",
        "REGEXP_MATCH", "REGEXP_COUNT", "REGEXP_SUBSTR", "TO_CHAR", "TO_DATE", "TO_TIMESTAMP", "TO_NUMBER", "NOW",
        "AGE", "DATE_PART", "DATE_TRUNC", "DATE_BIN", "MAKE_DATE", "MAKE_TIME", "MAKE_TIMESTAMP", "MAKE_INTERVAL",
        "ISFINITE", "JUSTIFY_DAYS", "JUSTIFY_HOURS", "JUSTIFY_INTERVAL", "NUM_NULLS", "NUM_NONNULLS", "DATE",
        "ARRAY_LENGTH", "ARRAY_TO_STRING", "STRING_TO_ARRAY", "CARDINALITY", "ARRAY_POSITION", "ARRAY_APPEND",
        "ARRAY_CAT", "ARRAY_REMOVE", "ARRAY_LOWER", "ARRAY_UPPER", "JSON_BUILD_OBJECT", "JSONB_BUILD_OBJECT",
        "JSON_BUILD_ARRAY", "JSONB_BUILD_ARRAY", "TO_JSON", "TO_JSONB", "JSON_ARRAY_LENGTH", "JSONB_ARRAY_LENGTH",
        "JSON_TYPEOF", "JSONB_TYPEOF", "JSON_EXTRACT_PATH", "JSONB_EXTRACT_PATH", "JSON_EXTRACT_PATH_TEXT",
        "JSONB_EXTRACT_PATH_TEXT", "JSONB_PRETTY", "JSON_STRIP_NULLS", "JSONB_STRIP_NULLS", "GROUPING",
    }
)  # fmt: skip

_MYSQL = frozenset(
    {
        "CBRT", "TRUNCATE", "GREATEST", "LEAST", "CHAR_LENGTH", "CHARACTER_LENGTH", "OCTET_LENGTH", "BIT_LENGTH",
        "LEFT", "RIGHT", "LPAD", "RPAD", "REVERSE", "ASCII", "ORD", "INSTR", "LOCATE", "SUBSTRING_INDEX", "FIELD",
        "FIND_IN_SET", "ELT", "STRCMP", "UCASE", "LCASE", "MID", "HEX", "MD5", "SHA1", "SHA2", "CRC32", "FORMAT",
        "IFNULL", "ISNULL", "LOG2", "REGEXP_REPLACE", "REGEXP_SUBSTR", "REGEXP_INSTR", "SOUNDEX", "BIT_COUNT", "CONV",
        "BIN", "OCT", "QUOTE", "NOW", "CURDATE", "CURTIME", "UTC_DATE", "UTC_TIMESTAMP", "DATE", "TIME", "YEAR",
        "MONTH", "DAY", "DAYOFMONTH", "DAYOFWEEK", "DAYOFYEAR", "DAYNAME", "MONTHNAME", "WEEK", "WEEKDAY", "WEEKOFYEAR",
        "YEARWEEK", "QUARTER", "HOUR", "MINUTE", "SECOND", "MICROSECOND", "DATE_ADD", "DATE_SUB", "ADDDATE", "SUBDATE",
        "DATEDIFF", "TIMEDIFF", "TIMESTAMPDIFF", "TIMESTAMPADD", "DATE_FORMAT", "TIME_FORMAT", "STR_TO_DATE",
        "LAST_DAY", "TO_DAYS", "FROM_DAYS", "TO_SECONDS", "TIME_TO_SEC", "SEC_TO_TIME", "MAKEDATE", "MAKETIME",
        "PERIOD_ADD", "PERIOD_DIFF", "UNIX_TIMESTAMP", "FROM_UNIXTIME", "TIMESTAMP", "ADDTIME", "SUBTIME", "EXTRACT",
        "JSON_EXTRACT", "JSON_UNQUOTE", "JSON_QUOTE", "JSON_LENGTH", "JSON_TYPE", "JSON_VALID", "JSON_KEYS",
        "JSON_CONTAINS", "JSON_CONTAINS_PATH", "JSON_SEARCH", "JSON_VALUE", "JSON_OBJECT", "JSON_ARRAY", "JSON_DEPTH",
    }
)  # fmt: skip

_SQLITE = frozenset(
    {
        "TRIM", "SUBSTRING", "TRUNC", "IFNULL", "IIF", "INSTR", "HEX", "UNICODE", "CHAR", "TYPEOF",
        "QUOTE", "SIGN", "DATE", "TIME", "DATETIME", "JULIANDAY", "STRFTIME", "UNIXEPOCH", "LOG2", "JSON", "JSON_ARRAY",
        "JSON_ARRAY_LENGTH", "JSON_EXTRACT", "JSON_OBJECT", "JSON_TYPE", "JSON_VALID", "JSON_QUOTE",
    }
)  # fmt: skip

_COMMON_AGGREGATES = frozenset(
    {
        "COUNT", "SUM", "AVG", "MIN", "MAX",
    }
)  # fmt: skip

_POSTGRES_AGGREGATES = frozenset(
    {
        "STRING_AGG", "ARRAY_AGG", "JSON_AGG", "JSONB_AGG", "JSON_OBJECT_AGG", "JSONB_OBJECT_AGG", "BOOL_AND",
        "BOOL_OR", "EVERY", "BIT_AND", "BIT_OR", "STDDEV", "STDDEV_POP", "STDDEV_SAMP", "VARIANCE", "VAR_POP",
        "VAR_SAMP", "CORR", "COVAR_POP", "COVAR_SAMP", "REGR_SLOPE", "REGR_INTERCEPT", "PERCENTILE_CONT",
        "PERCENTILE_DISC", "MODE",
    }
)  # fmt: skip

_MYSQL_AGGREGATES = frozenset(
    {
        "GROUP_CONCAT", "JSON_ARRAYAGG", "JSON_OBJECTAGG", "BIT_AND", "BIT_OR", "BIT_XOR", "STD", "STDDEV",
        "STDDEV_POP", "STDDEV_SAMP", "VARIANCE", "VAR_POP", "VAR_SAMP", "ANY_VALUE",
    }
)  # fmt: skip

_SQLITE_AGGREGATES = frozenset(
    {
        "GROUP_CONCAT", "TOTAL", "STRING_AGG", "JSON_GROUP_ARRAY", "JSON_GROUP_OBJECT",
    }
)  # fmt: skip

AGGREGATES = _COMMON_AGGREGATES | _POSTGRES_AGGREGATES | _MYSQL_AGGREGATES | _SQLITE_AGGREGATES
FUNCTIONS = {
    "postgres": _COMMON | _POSTGRES | _COMMON_AGGREGATES | _POSTGRES_AGGREGATES,
    "mysql": _COMMON | _MYSQL | _COMMON_AGGREGATES | _MYSQL_AGGREGATES,
    "sqlite": _COMMON | _SQLITE | _COMMON_AGGREGATES | _SQLITE_AGGREGATES,
}
PADDING = frozenset({"LPAD", "RPAD"})
MAX_PADDING = 1000  # characters
UNIT_FIRST = frozenset({"TIMESTAMPDIFF", "TIMESTAMPADD"})  # a unit is the first argument
UNITS = frozenset(
    {
        "MICROSECOND", "SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR", "DECADE", "CENTURY",
        "MILLENNIUM", "EPOCH", "DOW", "DOY", "ISODOW", "ISOYEAR", "MILLISECOND", "MICROSECONDS", "MILLISECONDS",
        "YEAR_MONTH", "DAY_HOUR", "DAY_MINUTE", "DAY_SECOND", "HOUR_MINUTE", "HOUR_SECOND", "MINUTE_SECOND", "DAYS",
        "HOURS", "MINUTES", "SECONDS", "WEEKS", "MONTHS", "YEARS",
    }
)  # fmt: skip
