"""Why an actor sees of a table what they see: every column with the line, the rule or the lack of one that decided.

For administrators. It asks the policy itself and repeats nothing of its own, so what it prints is what is done.
"""

from __future__ import annotations

from dataclasses import dataclass

from hfitd.access.classification import looks_personal
from hfitd.access.globs import escape, table_object
from hfitd.access.masking import Classes
from hfitd.access.policy import ColumnView, Policy
from hfitd.access.rowfilters import EVERY_ROW, rows_of_roles
from hfitd.access.viewing import kin_paths
from hfitd.errors import NotFound
from hfitd.model import Action, Actor, Catalog, Column, Json, Permission, Table, TableName


@dataclass(frozen=True, slots=True)
class Why:
    """One column: what the actor gets of it, and why, in words."""

    column: str
    shown: str  # "as it is" | "masked: NAME" | "refused" | "absent"
    granted: str  # the line of a role that decided
    class_: str  # the rule, the clearance, or that there is none
    raw: str

    def document(self) -> dict[str, Json]:
        """As it is printed."""
        return {
            "column": self.column, "shown": self.shown, "granted": self.granted, "class": self.class_, "raw": self.raw,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class ColumnClass:
    """One column's class, whoever looks: ``state`` is masked, clear, unclassified, or personal for an unclassified one
    that looks like it; ``mask`` its mask; ``why`` the line that says so, or what it looks like."""

    column: str
    type_name: str
    state: str
    mask: str
    why: str

    def document(self) -> dict[str, Json]:
        """As it is shown."""
        return {
            "column": self.column, "type": self.type_name, "state": self.state, "mask": self.mask or None,
            "why": self.why,
        }  # fmt: skip


def explain_classes(policy: Policy, provider: str, catalog: Catalog, name: TableName) -> list[ColumnClass]:
    """Every column of a table in its order, with its class; NotFound."""
    table = catalog.tables.get(name)
    if table is None:
        raise NotFound("There is no such table.", resource=str(name))
    classes, path = policy.classes(provider, catalog), table_object(provider, name)
    found = []
    for column in table.columns:
        rule = classes.rules.get((name, column.name))
        word, _, why = _class_of(policy, path, classes, table, column).partition(": ")
        state = "masked" if rule else "clear" if word == "clear" else "unclassified"
        if state == "unclassified" and word == "unclassified":  # with a reason behind it
            state = "personal"
        shown = why if why else "no rule names it, and it does not look personal"
        found.append(ColumnClass(column.name, column.type_name, state, rule.mask if rule else "", shown))
    return found


def explain_table(
    policy: Policy, actor: Actor, provider: str, catalog: Catalog, name: TableName
) -> tuple[list[Why], list[str]]:
    """Every column of a table in its order, and the row filters that fence it for this actor. NotFound."""
    table = catalog.tables.get(name)
    if table is None:
        raise NotFound("There is no such table.", resource=str(name))
    try:
        views = {view.column.name: view for view in policy.columns(actor, provider, catalog, name)}
    except NotFound:
        views = {}
    classes = policy.classes(provider, catalog)
    whys = [
        _explain_column(policy, actor, table_object(provider, name), classes, table, column, views.get(column.name))
        for column in table.columns
    ]
    return whys, _row_filters(policy, actor, provider, catalog, name)


def _explain_column(  # noqa: PLR0917 - what is known of one column
    policy: Policy,
    actor: Actor,
    path: str,
    classes: Classes,
    table: Table,
    column: Column,
    view: ColumnView | None,
) -> Why:
    object_ = f"{path}.{escape(column.name)}"
    granted = policy.decide(actor, Permission(Action.ROWS, object_))
    raw = policy.decide(actor, Permission(Action.RAW, object_))
    class_ = _class_of(policy, path, classes, table, column)
    if view is None:
        reason = granted.reason
        if granted.allowed:
            reason += "; yet it is not shown: " + _why_absent(classes, table, column)
        return Why(column.name, "absent", reason, class_, raw.reason)
    lifted = raw.reason
    if raw.allowed and view.rule is not None and not view.raw:
        lifted += "; yet the mask stays, for another role shows rows that this one does not"
    if view.unclassified:
        return Why(column.name, "refused", granted.reason, class_, lifted)
    mask = "" if view.raw or view.rule is None else view.rule.mask
    return Why(column.name, f"masked: {mask}" if mask else "as it is", granted.reason, class_, lifted)


def _why_absent(classes: Classes, table: Table, column: Column) -> str:
    rule = classes.rules.get((table.name, column.name))
    if rule is not None and rule.mask == "drop":
        return "its mask is drop"
    if not column.readable:
        return "the database role may not read it"
    if table.reads:
        return "the view reads fenced or denied tables, and no line names it without wildcards"
    return "a denial covers a partition or the table it belongs to"


def _class_of(policy: Policy, path: str, classes: Classes, table: Table, column: Column) -> str:
    place, word = (table.name, column.name), escape(column.name)
    rule = classes.rules.get(place)
    if rule is not None:
        glob = next((glob.text for glob, _ in policy.compiled.masks.masks if glob.covers(path, word)), None)
        source = f"policy.mask {glob}" if glob else "by a key, a partition or a computation of a masked column"
        return f"mask {rule.mask}: {source}"
    if place in classes.clear:
        return "clear: policy.clear " + next(
            glob.text for glob in policy.compiled.masks.clear if glob.covers(path, word)
        )
    if place in classes.derived:
        return "unclassified: the view computes from columns that have a mask"
    reason = looks_personal(table.name.name, column)
    return f"unclassified: {reason}" if reason else "unclassified, and it does not look personal"


def _row_filters(policy: Policy, actor: Actor, provider: str, catalog: Catalog, name: TableName) -> list[str]:
    paths = kin_paths(provider, catalog, name)
    lines = []
    for role in actor.roles:
        rows = rows_of_roles(policy.compiled.row_filters, paths, (role,))
        if rows != EVERY_ROW:
            lines += [f"role {role}: {' and '.join(f'({where})' for where in sorted(one))}" for one in rows]
        elif any(grant.role == role for grant in policy.grants_of(actor)):
            lines.append(f"role {role}: every row")
    return lines
