"""What an actor may do and see: the one place that turns tables into relations.

The argument that no raw value leaves ungranted:

1. Default deny: without a grant that covers it, nothing is allowed, and what is not granted looks like what is not
   there (the same NotFound for both).
2. A denial of any role wins, on a table also for its partitions; and what is denied on a partition is denied on the
   table that would show its rows.
3. A dropped column is absent; it cannot be asked for.
4. Every other rule of the policy travels with the column as its MaskRule, and a Relation is the only way to rows.
5. ``raw`` lifts a mask only where the roles that grant it let through every row that any role of the actor could,
   whether that role grants anything or not: otherwise one role's rows would show another role's raw values, or
   taking a grant away could lift a mask. A row filter without roles holds for all of them.
6. A column that no rule and no clearance names and that looks personal is refused, or masked, never shown, unless
   the owner said ``unclassified = "allow"``.
7. Row filters of the roles go into the relation, so that every read is fenced by them.
8. A generated column that may show a column that is not granted shows NULL, unless it has a class of its own.
9. A view over fenced or denied tables is not granted by wildcards (``viewing``).
10. What a table's statistics say of its size is said only to who may see every row.
11. A column that the database role may not read is shown only as a constant.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from hfitd.access.classification import looks_personal
from hfitd.access.compiled import compile_policy, policy_version
from hfitd.access.globs import compile_glob, escape
from hfitd.access.grants import (
    Decision,
    Grant,
    covers_below,
    decide,
    decide_below,
    decide_raw_file,
    grants_on_loan,
    template_role,
)
from hfitd.access.masking import Classes, classify_columns, may_compute_from
from hfitd.access.rowfilters import Rows, row_condition, rows_of_roles, within
from hfitd.access.viewing import kin_paths, roles_that_mean_it
from hfitd.config.model import PolicyConfig, RoleConfig
from hfitd.errors import ColumnUnclassified, Internal, NotFound
from hfitd.masks.derive import derive_key, digest
from hfitd.masks.interface import BoundMask
from hfitd.masks.table import bind_mask
from hfitd.model import (
    Action,
    Actor,
    Catalog,
    Column,
    Kind,
    MaskedColumn,
    MaskRule,
    Permission,
    Relation,
    Table,
    TableName,
)

_KEPT_CATALOGS = 8
_BLANKS = {
    Kind.TEXT: "",
    Kind.BYTES: "",
    Kind.INTEGER: "0",
    Kind.NUMBER: "0",
    Kind.BOOLEAN: "false",
    Kind.DATE: "1970-01-01",
    Kind.TIME: "00:00:00",
    Kind.TIMESTAMP: "1970-01-01 00:00:00",
    Kind.JSON: "{}",
    Kind.UUID: "00000000-0000-0000-0000-000000000000",
}


@dataclass(frozen=True, slots=True)
class ColumnView:
    """A granted column: its rule, whether that is lifted, and why it has no class if it looks personal.

    ``unclassified`` is the reason when the column is refused for lack of a class, else the empty text.
    """

    column: Column
    rule: MaskRule | None = None
    raw: bool = False
    unclassified: str = ""


@dataclass(frozen=True, slots=True)
class _Sight:
    """What the roles of one actor have to say about one table."""

    table: Table
    paths: tuple[str, ...]  # its own, then its partition roots' and its partitions'
    views: tuple[ColumnView, ...]
    rows: Mapping[str, Rows]  # per visible column


class Policy:
    """The policy of the configuration, pure and immutable; a reload makes a new one.

    ``mask_key`` is the secret under which keyed masks work, ``file_rules`` names the mask rules of all volumes, which
    are part of the policy's version. Internal when the configuration has mistakes; ask
    ``policy_mistakes`` first to report them all.
    """

    def __init__(
        self, config: PolicyConfig, roles: Mapping[str, RoleConfig], mask_key: bytes, *, file_rules: str = ""
    ) -> None:
        self._config = config
        self.residual_scan = config.residual_scan
        self.compiled, mistakes = compile_policy(config, roles)
        if mistakes:
            raise Internal("the policy is not valid") from ValueError("; ".join(mistakes))
        self._mask_key = mask_key
        self._classes: OrderedDict[tuple[str, int], tuple[Catalog, Classes]] = OrderedDict()
        self._lock = threading.Lock()  # plans are made in threads
        self.version = policy_version(config, roles, file_rules)
        self.mask_key_id = digest(derive_key(mask_key, "key-id"), b"").hex()[:16]

    def decide(self, actor: Actor, permission: Permission) -> Decision:
        """Whether the actor may, and why; pure, default deny, a denial wins."""
        return decide(self.grants_of(actor), permission)

    def may(self, actor: Actor, action: Action, object_: str) -> bool:
        """Whether the actor may do this to that object."""
        return self.decide(actor, Permission(action, object_)).allowed

    def may_run(self, actor: Actor, owner: str, name: str) -> bool:
        """Whether the actor may run this owner's template: roles grant and deny by its name, a loan is for it alone."""
        if self.may(actor, Action.TEMPLATE_RUN, name):
            return True
        denied = any(grant.deny and grant.touches(Action.TEMPLATE_RUN, name, None) for grant in self.grants_of(actor))
        return template_role(owner, name) in actor.roles and not denied

    def may_raw_file(self, actor: Actor, volume: str, path: str) -> bool:
        """Whether the actor may have a file of a volume without the masks of its rules."""
        return decide_raw_file(self.grants_of(actor), f"{volume}/{path}")

    def may_below(self, actor: Actor, action: Action, top: str) -> Callable[[str], bool]:
        """``may`` for many objects ``top/PATH`` of one volume, prepared once: PATH -> whether."""
        return decide_below(self.grants_of(actor), action, top)

    def may_all_below(self, actor: Actor, action: Action, top: str) -> bool:
        """Whether nothing in a volume is kept from the actor, so that no path has to be looked at."""
        return covers_below(self.grants_of(actor), action, top)

    def may_enter(self, actor: Actor, action: Action, *path: str) -> bool:
        """Whether some grant of this action reaches into a provider, a volume, or a schema of a provider."""
        words = [escape(name) for name in path]
        return any(
            grant.action is action and not grant.deny and _reaches(grant, words) for grant in self.grants_of(actor)
        )

    def may_find(self, actor: Actor, action: Action, volume: str, folder: str) -> bool:
        """Whether there may be files for the actor in a folder that nobody can look into: a grant reaches into it, and
        no denial covers all of it."""
        if not self.may_enter(actor, action, volume, *folder.split("/")):
            return False
        anything = f"{volume}/{folder}/\x01"
        return not any(grant.deny and grant.touches(action, anything, None) for grant in self.grants_of(actor))

    def visible_tables(
        self, actor: Actor, provider: str, catalog: Catalog, action: Action = Action.ROWS
    ) -> list[Table]:
        """The tables of which the actor may see something, sorted, each with only the columns and keys it may see."""
        tables = []
        for name in sorted(catalog.tables):
            sight = self._sight(actor, provider, catalog, name, action)
            if sight is not None:
                shown = {view.column.name for view in sight.views}
                tables.append(
                    replace(
                        sight.table,
                        columns=tuple(column for column in sight.table.columns if column.name in shown),
                        keys=tuple(key for key in sight.table.keys if shown.issuperset(key.columns)),
                    )
                )
        return tables

    def columns(
        self, actor: Actor, provider: str, catalog: Catalog, name: TableName, action: Action = Action.ROWS
    ) -> tuple[ColumnView, ...]:
        """The granted columns that are not dropped, with what the policy says of each; NotFound as ``relation``."""
        sight = self._sight(actor, provider, catalog, name, action)
        if sight is None:
            raise NotFound(resource=str(name))
        return sight.views

    def sees(self, actor: Actor, provider: str, catalog: Catalog, name: TableName, action: Action) -> bool:
        """Whether something of the table is granted for this action."""
        return self._sight(actor, provider, catalog, name, action) is not None

    def relation(
        self,
        actor: Actor,
        provider: str,
        catalog: Catalog,
        name: TableName,
        *,
        columns: Collection[str] | None = None,
        action: Action = Action.ROWS,
    ) -> Relation:
        """The table as this actor may see it.

        ``columns`` are those the caller touches in any way; None means all. A touched column without a class that
        looks personal is ColumnUnclassified; untouched ones are left out of the relation. NotFound when the table
        does not exist or nothing of it is granted. ``action`` QUERY needs ``rows`` and ``query``; DDL is about
        definitions, so columns without a class stay.
        """
        sight = self._sight(actor, provider, catalog, name, action)
        if sight is None:
            raise NotFound(resource=str(name))  # 1
        visible = []
        for view in sight.views:
            if view.unclassified:  # 6
                if columns is not None and view.column.name not in columns:
                    continue
                raise ColumnUnclassified(
                    f"the column {view.column.name} of {name} is not classified: {view.unclassified}",
                    resource=f"{name}.{view.column.name}",
                    suggestions=("the data owner adds it to policy.mask or policy.clear",),
                )
            visible.append(view)
        condition = row_condition(sight.rows[view.column.name] for view in visible)  # 7
        if not visible:
            condition = row_condition(sight.rows.values())
        return Relation(
            provider,
            sight.table if condition is None else replace(sight.table, estimated_rows=None, estimated_bytes=None),  # 10
            tuple(
                MaskedColumn(view.column, None if view.raw else view.rule, view.raw and view.rule is not None)  # 4
                for view in visible
            ),
            condition,
        )

    def bound_mask(self, relation: Relation, column: MaskedColumn) -> BoundMask:
        """The mask of a visible column, ready for its cells. MaskDoesNotFit when the column cannot hold its values."""
        if column.rule is None:
            raise Internal("a column without a rule has no mask")
        name = column.column.name
        unique = any(name in key.columns for key in relation.table.keys)
        return bind_mask(column.rule, column.column, self._mask_key, unique=unique, table=relation.table)

    def grants_of(self, actor: Actor) -> list[Grant]:
        """Every line of the actor's roles."""
        roles = dict.fromkeys(actor.roles)
        return [grant for role in roles for grant in self.compiled.grants.get(role) or grants_on_loan(role)]

    def classes(self, provider: str, catalog: Catalog) -> Classes:
        """Which rule, clearance or neither each column of the catalogue has."""
        key = (provider, id(catalog))
        with self._lock:
            return self._kept_classes(key, provider, catalog)

    def _kept_classes(self, key: tuple[str, int], provider: str, catalog: Catalog) -> Classes:
        kept = self._classes.get(key)
        if kept is not None and kept[0] is catalog:  # the catalogue is held, so its id cannot be given away
            self._classes.move_to_end(key)
            return kept[1]
        classes = classify_columns(self.compiled.masks, provider, catalog)
        self._classes[key] = (catalog, classes)
        if len(self._classes) > _KEPT_CATALOGS:
            self._classes.popitem(last=False)
        return classes

    def _sight(self, actor: Actor, provider: str, catalog: Catalog, name: TableName, action: Action) -> _Sight | None:
        table = catalog.tables.get(name)
        if table is None:
            return None
        classes = self.classes(provider, catalog)
        paths = kin_paths(provider, catalog, name, _partitions_below(classes, name))
        grants = self.grants_of(actor)
        actions = (Action.ROWS, Action.QUERY) if action is Action.QUERY else (action,)
        filters = self.compiled.row_filters
        widest = rows_of_roles(filters, paths, (role for role in actor.roles if role in self.compiled.grants))
        meant = self._roles_of_view(actor, provider, catalog, table, classes) if action is not Action.DDL else None
        if not table.columns:  # PostgreSQL has such tables; whoever may have any column may have their rows
            roles = [_granting_roles(grants, item, paths, "") for item in actions]
            return _Sight(table, paths, (), {"": rows_of_roles(filters, paths, roles[0])}) if all(roles) else None
        views: list[ColumnView] = []
        rows: dict[str, Rows] = {}
        for column in table.columns:
            granting = _granting_roles(grants, actions[0], paths, column.name)
            granting = granting if meant is None else granting & meant  # 9
            if not granting or not all(_granting_roles(grants, item, paths, column.name) for item in actions[1:]):
                continue  # 1
            seen = rows_of_roles(filters, paths, granting)
            raising = _granting_roles(grants, Action.RAW, paths, column.name)
            raw = bool(raising) and within(widest, rows_of_roles(filters, paths, raising))  # 5
            view = self._view(classes, table, column, raw)
            if view is not None and view.unclassified and action is Action.DDL:
                # a definition shows no values; whoever reads rows by this relation all the same sees none either
                view = ColumnView(column, MaskRule("null"))
            if view is not None:
                views.append(view)
                rows[column.name] = seen
        views = _hide_computed(views, table, classes)
        return _Sight(table, paths, tuple(views), rows) if views else None

    def _roles_of_view(
        self, actor: Actor, provider: str, catalog: Catalog, table: Table, classes: Classes
    ) -> set[str] | None:
        """9: the roles whose grants of a view count; None for a table."""
        sources = classes.sources.get(table.name)
        if sources is None:
            return None
        paths = {
            name: kin_paths(provider, catalog, name, _partitions_below(classes, name))
            for name in (table.name, *sources)
        }
        grants, filters = self.grants_of(actor), self.compiled.row_filters
        return roles_that_mean_it(set(actor.roles), table, grants, filters, sources=sources, paths_of=paths)

    def _view(self, classes: Classes, table: Table, column: Column, raw: bool) -> ColumnView | None:
        place = (table.name, column.name)
        rule = classes.rules.get(place)
        if rule is not None:
            if (rule.mask == "drop" and not raw) or not (column.readable or rule.mask in {"null", "const"}):
                return None  # 3, 11
            return ColumnView(column, rule, raw and column.readable)
        if not column.readable:
            return None  # 11
        if raw or place in classes.clear or self._config.unclassified == "allow":
            return ColumnView(column)
        reason = looks_personal(table.name.name, column)
        if reason is None and place in classes.derived:
            reason = "the view computes from columns that have a mask"
        if reason is None and self._config.unclassified_all:
            reason = "every column needs a class here"
        if reason is None:
            return ColumnView(column)
        if self._config.unclassified == "mask" and (column.nullable or column.kind in _BLANKS):  # 6
            return ColumnView(column, _blank(column))
        return ColumnView(column, unclassified=reason)


def _granting_roles(grants: Iterable[Grant], action: Action, paths: tuple[str, ...], column: str) -> set[str]:
    """The roles that grant the column, or none when any role denies it on the table, a root or a partition of it."""
    word, roles = escape(column), set()
    for grant in grants:
        if grant.action is not action:
            continue
        if grant.deny:
            if any(grant.glob.covers(path, word) for path in paths):
                return set()  # 2
        elif grant.glob.covers(paths[0], word):
            roles.add(grant.role)
    return roles


def _partitions_below(classes: Classes, name: TableName) -> list[TableName]:
    """Every partition whose rows the table shows, at any depth; heirs of a plain table are not read through it."""
    found = list(classes.partitions.get(name, ()))
    for partition in found:
        found.extend(classes.partitions.get(partition, ()))
    return found


def _hide_computed(views: list[ColumnView], table: Table, classes: Classes) -> list[ColumnView]:
    """8: generated columns that may show one that is not granted show NULL, unless they have a class of their own."""
    absent = {column.name for column in table.columns} - {view.column.name for view in views}
    while True:
        found = {
            view.column.name
            for view in views
            if view.column.generated and view.rule is None and not view.raw and view.column.name not in absent
            if (table.name, view.column.name) not in classes.clear and may_compute_from(view.column, absent)
        }
        if not absent or not found:
            return views
        absent |= found
        views = [ColumnView(v.column, MaskRule("null")) if v.column.name in found else v for v in views]


def _reaches(grant: Grant, names: list[str]) -> bool:
    """Whether something below the names could be granted; a segment with ``**`` reaches everything below it."""
    for part, name in zip(grant.glob.text.split("/"), names, strict=False):
        if "**" in part:
            return True
        if not compile_glob(part).covers_path(name):
            return False
    return True


def _blank(column: Column) -> MaskRule:
    return MaskRule("null") if column.nullable else MaskRule("const", {"value": _BLANKS[column.kind]})
