"""The select list of one SELECT: names of its outputs, and which of them may show a raw value in the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlglot import exp

from hfitd.engines.interface import Dialect
from hfitd.errors import SqlRefused, SqlTooComplex
from hfitd.export.query.functions import AGGREGATES
from hfitd.export.query.scopes import Field, Found, Scope
from hfitd.export.query.spelling import distinct_names


@dataclass(slots=True)
class Projection:
    """One output. ``alias`` is how the SQL calls it, ``name`` how a reader does; ``found`` is what a column means."""

    body: exp.Expr
    name: str
    explicit: bool
    found: Found | None = None
    alias: str = ""


def exact(identifier: exp.Expr | None, dialect: Dialect) -> str:
    """The name an identifier means: quoted ones as they are, others folded."""
    if not isinstance(identifier, exp.Identifier):
        raise SqlRefused("A name of the query is not understood.")
    word = str(identifier.this)
    return word if identifier.args.get("quoted") else dialect.fold(word)


def quoted(name: str) -> exp.Identifier:
    """An identifier that means exactly this name."""
    return exp.Identifier(this=name, quoted=True)


class Outputs:
    """The outputs of a query as its other clauses name them: by place, or by name. ``key`` says when names are one."""

    def __init__(self, items: Sequence[Projection], key: Callable[[str], str]) -> None:
        self.items = items
        self._key = key
        self._named: dict[str, list[Projection]] = {}
        self._meant: dict[str, Projection | None] = {}
        for item in items:
            self._named.setdefault(key(item.name), []).append(item)

    def named(self, name: str) -> Sequence[Projection]:
        """All that have the name."""
        return self._named.get(self._key(name), ())

    def meant(self, name: str) -> Projection | None:
        """What the name means; SqlRefused when it could be this or that."""
        key = self._key(name)
        if key not in self._meant:
            matches = self.named(name)
            if len({item.body.sql() for item in matches}) > 1:
                raise SqlRefused("A name in ORDER BY is ambiguous.", resource=name)
            self._meant[key] = matches[0] if matches else None
        return self._meant[key]


def read_projections(node: exp.Select, scope: Scope, room: int) -> list[Projection]:
    """The outputs in order, stars expanded into what the actor may see. NotFound, SqlRefused; SqlTooComplex when they
    are more than ``room``."""
    found: list[Projection] = []
    for item in list(node.expressions):
        if len(found) > room:
            break
        if isinstance(item, exp.Star):
            if not scope.star:
                raise SqlRefused("There is nothing to select * from.")
            found += [_column_of(field, source.name if source else None) for source, field in scope.star]
        elif isinstance(item, exp.Column) and isinstance(item.this, exp.Star):
            source = scope.source(exact(item.args.get("table"), scope.dialect))
            found += [_column_of(field, source.name) for field in source.fields]
        elif isinstance(item, exp.Alias):
            found.append(Projection(item.this, exact(item.args["alias"], scope.dialect), explicit=True))
        else:
            found.append(Projection(item, _implicit_name(item, scope.dialect, len(found) + 1), explicit=False))
    if len(found) > room:
        raise too_many_columns()
    return found


def too_many_columns() -> SqlTooComplex:
    """The answer for a query whose stars and tables come to more columns than anybody reads."""
    return SqlTooComplex("The query has too many columns.", suggestions=("Name the columns that you need.",))


def _column_of(field: Field, table: str | None) -> Projection:
    column = exp.Column(this=quoted(field.name), table=quoted(table) if table is not None else None)
    return Projection(column, field.name, explicit=False)


def _implicit_name(item: exp.Expr, dialect: Dialect, number: int) -> str:
    while isinstance(item, exp.Window | exp.Filter | exp.WithinGroup | exp.Paren | exp.Cast):
        item = item.this
    if isinstance(item, exp.Column):
        return exact(item.this, dialect)
    if isinstance(item, exp.Anonymous):
        return str(item.this).lower()
    if isinstance(item, exp.Case):
        return "case"
    return f"column{number}"


def name_projections(
    projections: Sequence[Projection], scope: Scope, fresh_name: Callable[[], str], *, outermost: bool
) -> None:
    """Give every output an alias. Outermost doubles get ``_2``, ``_3``; inside a query they are refused when used."""
    if outermost:
        for item, name in zip(projections, distinct_names(scope.dialect, (p.name for p in projections)), strict=True):
            item.name = name
    captures = scope.dialect.name != "postgresql"  # there an unnamed call has that name by itself
    for item in projections:
        named = item.explicit or isinstance(item.body, exp.Column)
        item.alias = fresh_name() if not named and captures and scope.has(item.name) else item.name


def is_transparent(node: exp.Select, projections: Sequence[Projection]) -> bool:
    """Whether each row of the output is one row of the sources: no DISTINCT, no groups, no aggregates."""
    if any(node.args.get(key) is not None for key in ("distinct", "group", "having")):
        return False
    return not any(_aggregates(item.body) for item in projections)


def _aggregates(body: exp.Expr) -> bool:
    for call in body.find_all(exp.Anonymous, exp.GroupConcat):
        name = "GROUP_CONCAT" if isinstance(call, exp.GroupConcat) else str(call.this).upper()
        around = call.parent
        while isinstance(around, exp.Filter | exp.WithinGroup):
            around = around.parent
        if name in AGGREGATES and not isinstance(around, exp.Window):
            return True
    return False
