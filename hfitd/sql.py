"""SQL as a composed value: text that is ours, values that are bound, never joined by hand.

``Sql`` is a sequence of ``Text`` and ``Bind`` pieces. Only the builders in ``export/query`` and the engines
make ``Text``; a caller's value can only be a ``Bind``. An engine turns the pieces into its own placeholders.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of SQL written by us: keywords, operators, quoted identifiers."""

    sql: str


@dataclass(frozen=True, slots=True)
class Bind:
    """A value that travels apart from the text.

    ``value`` is the canonical text of the value, or None for NULL. ``type_name`` is the engine's type it is
    compared with (``"integer"``, ``"varchar(20)"``), or None when the engine has to infer it; a value that the
    type cannot take is ParamInvalid naming ``label``.
    """

    value: str | None
    type_name: str | None = None
    label: str = ""


Piece = Text | Bind


@dataclass(frozen=True, slots=True)
class Sql:
    """A composed statement or a part of one."""

    pieces: tuple[Piece, ...] = ()

    def __add__(self, other: Sql) -> Sql:
        return Sql(self.pieces + other.pieces)

    @property
    def binds(self) -> tuple[Bind, ...]:
        """The bound values in order of appearance."""
        return tuple(piece for piece in self.pieces if isinstance(piece, Bind))


def text(sql: str) -> Sql:
    """Our own words as SQL. Never pass anything a caller wrote."""
    return Sql((Text(sql),))


def bind(value: str | None, type_name: str | None = None, label: str = "") -> Sql:
    """A bound value as SQL."""
    return Sql((Bind(value, type_name, label),))


def join(separator: str, parts: Iterable[Sql]) -> Sql:
    """The parts with our own separator between them."""
    pieces: list[Piece] = []
    for number, part in enumerate(parts):
        if number:
            pieces.append(Text(separator))
        pieces.extend(part.pieces)
    return Sql(tuple(pieces))
