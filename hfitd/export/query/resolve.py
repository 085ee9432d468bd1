"""Every name of a checked query given its meaning, in place, scope by scope.

1. A table is what it is by scope: the innermost CTE of that name, unless a schema is written, else a relation the
   actor was granted (S05, S06). Catalogue schemas are never looked up (S20).
2. Every physical table is replaced by its derived table; every CTE gets a fresh name, so that a reference the server
   would understand otherwise is an error, never a table.
3. A column is a visible field of a source of its own or an outer query, or an output where SQL allows that. There is
   nothing else, so a whole row, a system column or a function in dot notation is NotFound (S21).
4. Only an output of the outermost SELECT that is directly a keyed column shows the raw value, to its cell; it is
   named by a word no text can have, and ORDER BY, by position or name, is given the masked column instead (S22).
   Under DISTINCT, GROUP BY, aggregates and set operations it stays NULL (S24).
5. The columns of all its SELECTs and of the tables it reads are counted: a short text of stars can come to millions,
   and would be written out for the server (S29, S30).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from sqlglot import exp

from hfitd.engines.interface import Dialect, Output, Reads
from hfitd.errors import SqlRefused
from hfitd.export.query.names import resolve_names, resolve_order
from hfitd.export.query.projection import (
    Outputs,
    Projection,
    exact,
    is_transparent,
    name_projections,
    quoted,
    read_projections,
    too_many_columns,
)
from hfitd.export.query.relations import DerivedTable
from hfitd.export.query.scopes import Field, Found, Reach, Scope, Source, no_such_name
from hfitd.export.query.special import special_of
from hfitd.export.query.spelling import column_key, distinct_names
from hfitd.masks.interface import BoundMask
from hfitd.model import Relation
from hfitd.sql import Sql, text

MAX_COLUMNS = 6000  # engines have at most 2000 in a table, and few give as many of one query
_CATALOGUES = frozenset(
    {"information_schema", "pg_catalog", "pg_toast", "mysql", "performance_schema", "sys", "sqlite_master", "temp"}
)


@dataclass(frozen=True, slots=True)
class Reader:
    """Where relations and their masks come from, for one actor."""

    relation_of: Callable[[str | None, str], Relation]
    masks_of: Callable[[Relation], Mapping[str, BoundMask]]
    default_schema: str


@dataclass(frozen=True, slots=True)
class Cte:
    """A CTE in view: how its author calls it, how we do, what it offers."""

    name: str
    alias: str
    fields: tuple[Field, ...]


Ctes = tuple[Cte, ...]


class Resolver:
    """Resolves one query; ``types`` and ``tables()`` are for the writer."""

    def __init__(self, dialect: Dialect, reader: Reader, taken: str) -> None:
        self._dialect = dialect
        self._reader = reader
        self._stem = "hfit_"
        while self._stem in taken.lower():
            self._stem += "_"
        self._number = 0
        self._room = MAX_COLUMNS
        self._derived: dict[int, DerivedTable] = {}
        self._ctes: dict[int, str] = {}
        self._subjects: dict[int, int] = {}  # by the place of an output, that of the subject of its mask
        self.origins: dict[int, str] = {}

    def fresh_name(self) -> str:
        """A name that neither the query nor what it can see has."""
        self._number += 1
        return f"{self._stem}{self._number}"

    def _take_room(self, columns: int) -> None:
        """5"""
        self._room -= columns
        if self._room < 0:
            raise too_many_columns()

    def tables(self) -> Mapping[int, Sql]:
        """What stands in the place of each table."""
        derived = {key: table.sql() for key, table in self._derived.items()}
        return derived | {key: text(self._dialect.identifier(name)) for key, name in self._ctes.items()}

    def reads(self) -> Reads:
        """What the query may read; to be asked when it is resolved."""
        derived = self._derived.values()
        return Reads(frozenset(table.name for table in derived), tuple(table.sql() for table in derived))

    def outermost(self, root: exp.Expr) -> tuple[Output, ...]:
        """Resolve the whole query and say what it puts out."""
        if isinstance(root, exp.Select):
            projections, fields = self._select(root, None, (), outermost=True)
            return self._outputs(projections, fields)
        fields = self.block(root, None, ())
        return tuple(Output(name) for name in distinct_names(self._dialect, (field.name for field in fields)))

    def block(self, node: exp.Expr, parent: Scope | None, ctes: Ctes) -> tuple[Field, ...]:
        """Resolve a query inside the query; its outputs."""
        if isinstance(node, exp.Subquery):
            fields = self.block(node.this, parent, ctes)
            resolve_order(node, _outputs_of(fields), None, self)
            return fields
        if isinstance(node, exp.Select):
            return self._select(node, parent, ctes, outermost=False)[1]
        if isinstance(node, exp.SetOperation):
            return self._set_operation(node, parent, self._with(node, parent, ctes))
        raise SqlRefused("A part of the query is not a SELECT.")

    def _set_operation(
        self,
        node: exp.SetOperation,
        parent: Scope | None,
        ctes: Ctes,
        itself: Callable[[Sequence[Field]], Cte] | None = None,
    ) -> tuple[Field, ...]:
        left = self.block(node.this, parent, ctes)
        right = self.block(node.expression, parent, (*ctes, itself(left)) if itself else ctes)
        if len(left) != len(right):
            raise SqlRefused("The parts of a set operation have different numbers of columns.")
        resolve_order(node, _outputs_of(left), None, self)
        return tuple(
            Field(one.name, special=one.special or other.special) for one, other in zip(left, right, strict=True)
        )  # 4

    def _with(self, node: exp.Expr, parent: Scope | None, ctes: Ctes) -> Ctes:
        with_ = node.args.get("with_")
        if with_ is None:
            return ctes
        for cte in with_.expressions:
            alias, body = cte.args["alias"], cte.this
            name, fresh = exact(alias.this, self._dialect), self.fresh_name()
            alias.set("this", quoted(fresh))  # 2

            def known(fields: Sequence[Field], alias: exp.Expr = alias, name: str = name, fresh: str = fresh) -> Cte:
                renamed = self._renamed(fields, alias)
                return Cte(name, fresh, tuple(Field(field.name, special=field.special) for field in renamed))

            if with_.args.get("recursive") and isinstance(body, exp.SetOperation) and body.args.get("with_") is None:
                fields = self._set_operation(body, parent, ctes, known)
            else:
                fields = self.block(body, parent, ctes)
            ctes = (*ctes, Cte(name, fresh, self._renamed(fields, alias)))
            self._refuse_doubles(ctes[-1].fields)
        return ctes

    def _select(
        self, node: exp.Select, parent: Scope | None, ctes: Ctes, *, outermost: bool
    ) -> tuple[list[Projection], tuple[Field, ...]]:
        ctes = self._with(node, parent, ctes)
        scope = Scope(self._dialect, parent)
        self._from(node, scope, ctes)
        projections = read_projections(node, scope, self._room)
        self._take_room(len(projections))
        for item in projections:
            item.found = resolve_names(item.body, scope, None, self, ctes)
        name_projections(projections, scope, self.fresh_name, outermost=outermost)
        transparent = is_transparent(node, projections)
        fields = tuple(self._field(node, item, transparent) for item in projections)
        node.set("expressions", [exp.Alias(this=item.body, alias=quoted(item.alias)) for item in projections])
        outputs = Outputs(projections, partial(column_key, self._dialect))
        distinct = node.args.get("distinct")
        for part in (distinct, node.args.get("where")):
            if part is not None:
                resolve_names(part, scope, outputs if part is distinct else None, self, ctes)
        for part in (node.args.get("group"), node.args.get("having"), *(node.args.get("windows") or [])):
            if part is not None:
                resolve_names(part, scope, outputs, self, ctes)
        resolve_order(node, outputs, scope, self, ctes)
        if outermost:
            self._show(node, projections, fields)
        return projections, fields

    def _show(self, node: exp.Select, projections: Sequence[Projection], fields: Sequence[Field]) -> None:
        """4: the outputs that show a raw value; every other use was resolved before, on the masked columns."""
        subjects: list[exp.Expr] = []
        for number, (item, field) in enumerate(zip(projections, fields, strict=True)):
            raw = item.found.field.raw if item.found is not None else None
            if field.raw is None or item.found is None or raw is None:
                continue
            table = _source_name(item.found)
            node.expressions[number].replace(self._fresh(raw.reach(), table))
            if raw.subject is not None:
                self._subjects[number] = len(projections) + len(subjects)
                subjects.append(self._fresh(raw.subject(), table))
        for subject in subjects:
            node.append("expressions", subject)

    def _fresh(self, column: str, table: str) -> exp.Expr:
        """A raw column under a name that no text can have."""
        return exp.Alias(this=exp.Column(this=quoted(column), table=quoted(table)), alias=quoted(self.fresh_name()))

    def _outputs(self, projections: Sequence[Projection], fields: Sequence[Field]) -> tuple[Output, ...]:
        shown = [
            Output(
                item.name,
                field.raw.cell if field.raw else None,
                field.origin,
                field.raw.row_cell if field.raw else None,
                self._subjects.get(number, -1),
            )
            for number, (item, field) in enumerate(zip(projections, fields, strict=True))
        ]
        return (*shown, *(Output("subject", hidden=True) for _ in self._subjects))

    def _field(self, node: exp.Select, item: Projection, transparent: bool) -> Field:
        found = item.found
        if found is None:
            return Field(item.name, special=special_of(item.body))
        field = Field(item.name, found.field.origin, special=found.field.special)
        raw = found.field.raw
        if not transparent or not found.own or found.source is None or raw is None:
            return field
        table = found.source.name

        def hand_on(inner: Reach) -> Reach:
            made: list[str] = []

            def reach() -> str:
                if not made:
                    made.append(self.fresh_name())
                    column = exp.Column(this=quoted(inner()), table=quoted(table))
                    node.append("expressions", exp.Alias(this=column, alias=quoted(made[0])))
                return made[0]

            return reach

        subject = hand_on(raw.subject) if raw.subject is not None else None
        return replace(field, raw=replace(raw, reach=hand_on(raw.reach), subject=subject))

    def _from(self, node: exp.Select, scope: Scope, ctes: Ctes) -> None:
        source = node.args.get("from_")
        joins = node.args.get("joins") or []
        if source is None:
            if joins:
                raise SqlRefused("A join needs a FROM.")
            return
        first = self._source(source.this, scope, ctes)
        scope.add(first)
        scope.star += [(first, field) for field in first.fields]
        for join in joins:
            joined = self._source(join.this, scope, ctes)
            scope.add(joined)
            using = [exact(name, self._dialect) for name in join.args.get("using") or []]
            if not (using or join.args.get("on") or join.args.get("kind") or join.args.get("side")):
                scope.group = len(scope.star)
            if using:
                scope.merge(using, joined)
                join.set("using", [quoted(name) for name in using])
            else:
                scope.star += [(joined, field) for field in joined.fields]
        for join in joins:
            if join.args.get("on") is not None:
                resolve_names(join.args["on"], scope, None, self, ctes)

    def _source(self, node: exp.Expr, scope: Scope, ctes: Ctes) -> Source:
        if isinstance(node, exp.Table):
            return self._table(node, ctes)
        alias = node.args.get("alias")
        if alias is None or alias.this is None or not isinstance(node, exp.Subquery | exp.Lateral):
            raise SqlRefused("A part of FROM has to be a table, or a sub-select with a name.")
        lateral = isinstance(node, exp.Lateral)
        inner = node.this if lateral else node
        queries = exp.Select | exp.SetOperation | exp.Subquery
        if not isinstance(inner, exp.Subquery) or not isinstance(inner.this, queries):
            raise SqlRefused("A part of FROM has to be a table, or a sub-select with a name.")
        fields = self.block(inner.this, scope if lateral else scope.parent, ctes)
        name = exact(alias.this, self._dialect)
        alias.set("this", quoted(name))
        source = Source(name, self._renamed(fields, alias))
        self._refuse_doubles(source.fields)
        return source

    def _table(self, node: exp.Table, ctes: Ctes) -> Source:
        name = exact(node.this, self._dialect)
        schema = exact(node.args["db"], self._dialect) if node.args.get("db") is not None else None
        alias = node.args.get("alias")
        shown = exact(alias.this, self._dialect) if alias is not None else name
        if alias is not None and alias.args.get("columns"):
            raise SqlRefused("Columns of a table cannot be renamed in FROM.")
        node.set("alias", exp.TableAlias(this=quoted(shown)))
        if schema is None:
            for cte in reversed(ctes):  # 1
                if self._dialect.same_name(cte.name, name):
                    self._ctes[id(node)] = cte.alias
                    return Source(shown, cte.fields)
        if (schema or "").lower() in _CATALOGUES or name.lower().startswith(("sqlite_", "pg_")):
            raise no_such_name(name)
        relation = self._reader.relation_of(schema, name)
        if not any(not item.column.invisible for item in relation.columns):
            raise no_such_name(name)
        while any(item.column.name.lower().startswith(self._stem) for item in relation.columns):
            self._stem += "_"
        derived = DerivedTable(relation, self._dialect, self._reader.masks_of(relation), self.fresh_name)
        self._derived[id(node)] = derived
        self._take_room(len(relation.columns))
        unaliased = (schema or self._reader.default_schema) if alias is None else None
        return derived.source(shown, unaliased)

    def _renamed(self, fields: Sequence[Field], alias: exp.Expr) -> tuple[Field, ...]:
        columns = alias.args.get("columns") or []
        if not columns:
            return tuple(fields)
        if len(columns) != len(fields):
            raise SqlRefused("An alias has to name all columns or none.")
        names = [exact(column, self._dialect) for column in columns]
        alias.set("columns", [quoted(name) for name in names])
        return tuple(_listed(field, name, alias) for field, name in zip(fields, names, strict=True))

    def _refuse_doubles(self, fields: Sequence[Field]) -> None:
        seen: set[str] = set()
        for field in fields:
            key = column_key(self._dialect, field.name)
            if key in seen:
                raise SqlRefused("A sub-select has two columns of one name; give them names.", resource=field.name)
            seen.add(key)


def _outputs_of(fields: Sequence[Field]) -> Outputs:
    """What the ORDER BY of a set operation or a query in parentheses can name."""
    return Outputs([Projection(exp.Null(), field.name, True, alias=field.name) for field in fields], str.lower)


def _source_name(found: Found) -> str:
    if found.source is None:
        raise SqlRefused("A column of the query is ambiguous; name its table.")
    return found.source.name


def _listed(field: Field, name: str, alias: exp.Expr) -> Field:
    """A field under a new name; reaching it adds the raw column to the list of names too."""
    raw = field.raw
    if raw is None:
        return replace(field, name=name)

    def hand_on(inner: Reach) -> Reach:
        seen: list[str] = []

        def reach() -> str:
            if not seen:
                seen.append(inner())
                alias.append("columns", quoted(seen[0]))
            return seen[0]

        return reach

    subject = hand_on(raw.subject) if raw.subject is not None else None
    return replace(field, name=name, raw=replace(raw, reach=hand_on(raw.reach), subject=subject))
