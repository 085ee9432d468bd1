"""Masks that PostgreSQL computes itself, byte for byte what the daemon would, and whether it may be trusted with a key.

Only the built-in types whose text is their value are served, and only of plain tables. A key is never in a statement's
text: it is a bound value, which for COPY is put into a setting of the transaction by a bound ``set_config`` and taken
out again afterwards (``postgres_binds``). A key is sent only where nothing on the way writes it down or shows it:

1. The server is 11 or later, for the built-in ``sha256``, and works in UTF-8, for that is what the daemon hashes.
2. It logs no SELECT: ``log_statement`` is not ``all``, and no duration, sample or transaction rate makes it log one.
   Logged durations alone have no text.
3. It writes no parameters of failed statements (``log_parameter_max_length_on_error``), and prints no parse or plan
   trees, in which bound values stand.
4. No module is loaded that may log more. Modules that can be told are named by their settings, or by the preload lists
   where the role may read these; any that is not known to keep values to itself counts as one that does not.
   ``auto_explain`` is known, and has to be off.
5. The connection is encrypted, or never leaves the machine.
6. ``pg_stat_activity`` and ``pg_stat_statements`` show texts, never bound values or settings of other sessions.
7. Nothing that somebody else wrote runs in the statement and could read the setting: views, foreign tables and
   partitions, whose parts may be foreign, are not served.

What the settings say holds for this session from now on; they are read before each statement that needs them. Where
one of these does not hold, the daemon computes the mask, and the bytes are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hfitd.engines.postgres_errors import Stage, translated
from hfitd.masks.derive import hmac_pads
from hfitd.masks.interface import HashTwin, RedactTwin, StepTwin, Twin
from hfitd.model import Column
from hfitd.sql import Sql, bind, text

_SETTINGS = """
SELECT name, setting FROM pg_catalog.pg_settings
WHERE name = ANY ($1::pg_catalog.text[]) OR name LIKE '%.%'
UNION ALL
SELECT 'hfit.private', CASE WHEN s.ssl OR pg_catalog.inet_client_addr() IS NULL
    OR pg_catalog.inet_client_addr() <<= '127.0.0.0/8' OR pg_catalog.inet_client_addr() = '::1' THEN 'on' ELSE 'off' END
FROM pg_catalog.pg_stat_ssl s WHERE s.pid = pg_catalog.pg_backend_pid()
"""
# What each setting has to be where the server has it.
_QUIET: Mapping[str, frozenset[str]] = {
    "server_encoding": frozenset({"UTF8"}),  # 1
    "log_statement": frozenset({"none", "ddl", "mod"}),  # 2
    "log_min_duration_statement": frozenset({"-1"}),
    "log_min_duration_sample": frozenset({"-1"}),
    "log_transaction_sample_rate": frozenset({"0"}),
    "log_parameter_max_length_on_error": frozenset({"0"}),  # 3
    "debug_print_parse": frozenset({"off"}),
    "debug_print_raw_parse": frozenset({"off"}),
    "debug_print_rewritten": frozenset({"off"}),
    "debug_print_plan": frozenset({"off"}),
    "auto_explain.log_min_duration": frozenset({"-1"}),  # 4
    "hfit.private": frozenset({"on"}),  # 5
}
_NEEDED = frozenset(
    {"server_encoding", "log_statement", "log_min_duration_statement", "server_version_num", "hfit.private"}
)
_PRELOADS = ("shared_preload_libraries", "session_preload_libraries", "local_preload_libraries")
_KNOWN_MODULES = frozenset({"", "plpgsql", "pg_stat_statements", "auto_explain", "pg_prewarm", "hfit"})
_OLDEST = 110_000

_TEXTS = ("text", "character varying")
_WHOLES = ("smallint", "integer", "bigint")


def spell_twin(name: str, column: Column, twin: Twin, mark: str) -> Sql | None:
    """The mask of the column, quoted as ``name``, as an expression; None for types that are not served.

    ``mark`` is the literal of what redacts.
    """
    is_text = column.type_name.startswith(_TEXTS) and column.type_name.rstrip("()0123456789") in _TEXTS
    if isinstance(twin, StepTwin):
        return text(f"({name} / {twin.step} * {twin.step})") if column.type_name in _WHOLES else None
    if not is_text:
        return None
    if isinstance(twin, RedactTwin):
        hidden = f"pg_catalog.char_length({name}) - {twin.first + twin.last}"
        return text(
            f"CASE WHEN {hidden} <= 0 THEN pg_catalog.repeat({mark}, pg_catalog.char_length({name})) "
            f"ELSE pg_catalog.left({name}, {twin.first}) || pg_catalog.repeat({mark}, {hidden}) "
            f"|| pg_catalog.right({name}, {twin.last}) END"
        )
    return _hash(name, twin)


def _hash(name: str, twin: HashTwin) -> Sql:
    """HMAC (RFC 2104) of two built-in digests. A pad stands in a sub-select: it is read once and not per row."""
    inner, outer = (
        text("(SELECT pg_catalog.decode(") + bind(pad.hex(), "text") + text(", 'hex'))")
        for pad in hmac_pads(twin.key)
    )
    first = text("pg_catalog.sha256(") + inner + text(f" || pg_catalog.convert_to({name}, 'UTF8'))")
    second = text("pg_catalog.sha256(") + outer + text(" || ") + first + text(")")
    return text("pg_catalog.left(pg_catalog.encode(") + second + text(f", 'hex'), {twin.length})")


async def may_serve(connection: Any, *, secret: bool) -> bool:
    """Whether this session's server may compute masks, with keys among what it is told if ``secret``. Where it works in
    another encoding it counts other characters than the daemon."""
    if connection.get_settings().server_encoding != "UTF8":
        return False
    return not secret or await keeps_secrets(connection)


async def keeps_secrets(connection: Any) -> bool:
    """Whether this session's server may be told the key of a mask."""
    names = [*_QUIET, *_NEEDED, *_PRELOADS]
    with translated(Stage.OWN):
        records = await connection.fetch(_SETTINGS, names)
    return is_discreet({record[0]: record[1] for record in records})


def is_discreet(settings: Mapping[str, str]) -> bool:
    """Whether a server with these settings keeps a bound value to itself; what it does not say counts against it."""
    if not settings.keys() >= _NEEDED or int(settings["server_version_num"]) < _OLDEST:
        return False
    if any(value not in _QUIET.get(name, {value}) for name, value in settings.items()):
        return False
    modules = {name.partition(".")[0] for name in settings if "." in name}
    for listed in _PRELOADS:
        modules |= {item.strip(' "').rpartition("/")[2] for item in settings.get(listed, "").split(",")}
    return modules <= _KNOWN_MODULES
