"""A ``Select`` made ready for the server: values apart from the text, of the right types, in one statement.

1. A value never stands in a text. Where the extended protocol runs it is ``$n``; for COPY, which takes no
   parameters, it is put into a setting of the transaction by a bound ``set_config`` and read by ``current_setting``.
2. Every text is prepared in the extended protocol before it is used, and that protocol refuses two statements. COPY
   runs in the simple protocol, so what stands in its parentheses has passed there as one statement first.
3. A value is cast to the type the builder names or the server infers, and only if it is spelt as that type prints.
4. What was described is not prepared again, on none of the snapshot's connections: all are the same role's at the same
   server, and the first one's transaction, which goes on as long as any, holds the locks that keep its tables so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hfitd.engines.interface import OutputType, Select
from hfitd.engines.postgres_errors import Stage, translated
from hfitd.engines.postgres_types import (
    NAMED_TYPES_SQL,
    TYPES_SQL,
    TypeInfo,
    checked_value,
    invalid_value,
    is_proved,
    type_infos,
)
from hfitd.errors import HfitError, SchemaChanged
from hfitd.sql import Bind, Sql, Text

_KEPT_CHARACTERS = 1000  # of a value; the keys of a subset are given once and then let go
_SET_BINDS = """
SELECT pg_catalog.count(pg_catalog.set_config(pg_catalog.concat('hfit.p', number), value, true))
FROM pg_catalog.unnest($1::pg_catalog.text[]) WITH ORDINALITY AS given (value, number) WHERE value IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Bound:
    """A value, checked, with the type it is cast to."""

    value: str | None
    info: TypeInfo
    label: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement the server has accepted, with its values and the types of its outputs."""

    sql: Sql
    binds: tuple[Bound, ...]
    types: tuple[OutputType, ...]

    @property
    def text(self) -> str:
        """For the extended protocol; ``values`` go with it."""
        return spell(self.sql, [_parameter(number, bound.info) for number, bound in enumerate(self.binds, 1)])

    @property
    def values(self) -> tuple[str | None, ...]:
        """The values of ``text`` in order."""
        return tuple(bound.value for bound in self.binds)

    @property
    def copy_text(self) -> str:
        """For COPY; ``set_binds`` has to run before."""
        return spell(self.sql, [_setting(number, bound) for number, bound in enumerate(self.binds, 1)])


def spell(sql: Sql, placeholders: Sequence[str]) -> str:
    """The text with the n-th bind spelt as the n-th placeholder."""
    following = iter(placeholders)
    return "".join(piece.sql if isinstance(piece, Text) else next(following) for piece in sql.pieces)


@dataclass(frozen=True, slots=True)
class Known:
    """What the connections of one snapshot need to ask only once: types, and the statements that were described."""

    types: dict[int, TypeInfo] = field(default_factory=dict)
    named: dict[str, int] = field(default_factory=dict)
    described: dict[int, Prepared] = field(default_factory=dict)  # by the identity of their ``Sql``, which they hold

    def find(self, sql: Sql) -> Prepared | None:
        """4. The statement, if this very one was described."""
        prepared = self.described.get(id(sql))
        return prepared if prepared is not None and prepared.sql is sql else None


class Statements:
    """Prepares selects on one connection."""

    def __init__(self, connection: Any, known: Known) -> None:
        self._connection = connection
        self._setter: Any = None  # prepared once
        self._known = known

    async def prepare(self, select: Select, stage: Stage) -> Prepared:
        """Infer and check the binds, and learn the outputs. ParamInvalid names the label of a value that is not of
        its type; SqlRefused when the server does not take the statement, two statements included."""
        if (known := self._known.find(select.sql)) is not None:
            return known
        binds = select.sql.binds
        await self._look_up_names(bind.type_name for bind in binds if bind.type_name)
        placeholders = [
            _parameter(number, self._of_name(bind.type_name)) if bind.type_name else f"${number}"
            for number, bind in enumerate(binds, 1)
        ]
        with translated(stage):
            statement = await self._connection.prepare(spell(select.sql, placeholders))  # 2
            inferred = [parameter.oid for parameter in statement.get_parameters()]
            outputs = [attribute.type.oid for attribute in statement.get_attributes()]
        await self._look_up([*inferred, *outputs])
        infos = [
            self._of_name(bind.type_name) if bind.type_name else self._known.types[oid]
            for bind, oid in zip(binds, inferred, strict=True)
        ]
        prepared = Prepared(
            select.sql,
            tuple(_bound(bind, info) for bind, info in zip(binds, infos, strict=True)),
            tuple(OutputType(self._known.types[oid].spelled, self._known.types[oid].kind) for oid in outputs),
        )
        if stage is Stage.DESCRIBE and all(len(value or "") <= _KEPT_CHARACTERS for value in prepared.values):
            self._known.described[id(select.sql)] = prepared
        return prepared

    async def check_values(self, prepared: Prepared) -> None:
        """Let the server convert the values that a pattern alone cannot judge (30 February, a member of an enum);
        ParamInvalid names the label of the first it refuses."""
        for bound in prepared.binds:
            if bound.value is None or is_proved(bound.info):
                continue
            with translated(Stage.OWN):
                await self._connection.execute("SAVEPOINT hfit_value")
            accepted = await self._accepts(bound)
            with translated(Stage.OWN):
                await self._connection.execute("ROLLBACK TO SAVEPOINT hfit_value; RELEASE SAVEPOINT hfit_value")
            if not accepted:
                raise invalid_value(bound.label, bound.info)

    async def set_binds(self, prepared: Prepared) -> None:
        """Put the values where ``copy_text`` reads them; NULLs stand in the text."""
        if any(value is not None for value in prepared.values):
            await self._set(list(prepared.values))  # 1

    async def clear_binds(self, prepared: Prepared) -> None:
        """Take the values out of the settings again: some are the keys of masks."""
        if any(value is not None for value in prepared.values):
            await self._set(["" for _ in prepared.values])

    async def _set(self, values: Sequence[str | None]) -> None:
        with translated(Stage.RUN):
            if self._setter is None:
                self._setter = await self._connection.prepare(_SET_BINDS)
            await self._setter.fetchval(values)

    async def _accepts(self, bound: Bound) -> bool:
        try:
            with translated(Stage.DESCRIBE):
                converted = _parameter(1, bound.info)
                await self._connection.fetchval(f"SELECT pg_catalog.num_nulls({converted})", bound.value)
        except HfitError as error:
            if error.status >= 500:
                raise
            return False
        return True

    async def _look_up(self, oids: Sequence[int]) -> None:
        missing = sorted(set(oids) - self._known.types.keys())
        if missing:
            with translated(Stage.OWN):
                self._known.types.update(type_infos(await self._connection.fetch(TYPES_SQL, missing)))

    async def _look_up_names(self, names: Iterable[str]) -> None:
        missing = sorted(set(names) - self._known.named.keys())
        if missing:
            with translated(Stage.OWN):
                records = await self._connection.fetch(NAMED_TYPES_SQL, missing)
            if any(record["oid"] is None for record in records):
                raise SchemaChanged("A type is no longer there; plan again.")
            self._known.named.update({record["name"]: record["oid"] for record in records})
            await self._look_up([record["oid"] for record in records])

    def _of_name(self, name: str) -> TypeInfo:
        return self._known.types[self._known.named[name]]


def _bound(bind: Bind, info: TypeInfo) -> Bound:
    value = None if bind.value is None else checked_value(bind.value, info, bind.label)  # 3
    return Bound(value, info, bind.label)


def _parameter(number: int, info: TypeInfo) -> str:
    return f"CAST(${number}::pg_catalog.text AS {info.spelled})"


def _setting(number: int, bound: Bound) -> str:
    spelled = bound.info.spelled
    if bound.value is None:
        return f"CAST(NULL AS {spelled})"
    value = f"CAST(pg_catalog.current_setting('hfit.p{number}') AS {spelled})"
    # A setting is read again for each row; a long array is read once, and the outer cast keeps ANY from taking
    # the sub-select for a set.
    return f"CAST((SELECT {value}) AS {spelled})" if bound.info.is_array else value


