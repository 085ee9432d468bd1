"""Grants of roles: how they are written, and the pure function that decides by them.

The argument, step by step:

1. A role says ``ACTION:OBJECT-GLOB``; with a leading ``!`` it denies. Nothing else is a grant; a text that cannot be
   read is a mistake, never "no restriction". A glob that is only ``*`` means every object of the action.
2. A denial of any role of the actor that touches the object wins over every grant.
3. Otherwise one grant that covers the object allows it.
4. Otherwise it is denied: no role, no access.

A whole table (an object without a column) is allowed when some column of it is granted and denied only by a denial
of the whole table; reading it still yields the granted columns alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from hfitd.access.globs import Glob, compile_glob, split_column
from hfitd.model import Action, Permission

TABLE_ACTIONS = frozenset({Action.ROWS, Action.QUERY, Action.DDL, Action.RAW})
_RUN = f"{Action.TEMPLATE_RUN.value}:"


@dataclass(frozen=True, slots=True)
class Decision:
    """Yes or no, and why, in words for ``hfitd policy explain`` and the audit log; never shown to the caller."""

    allowed: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Grant:
    """One line of a role."""

    role: str
    action: Action
    deny: bool
    glob: Glob
    text: str
    file: Glob | None = None  # the same words as the path of a file, whose name has no column

    def touches(self, action: Action, path: str, column: str | None) -> bool:
        """Whether this line has something to say about the object."""
        if action is not self.action:
            return False
        if column is None and not self.deny:
            return self.glob.covers_path(path)
        return self.glob.covers(path, column)


def parse_grant(role: str, text: str) -> Grant:
    """One grant of a role as the configuration writes it; ValueError says what is wrong."""
    deny = text.startswith("!")
    word, colon, pattern = text.removeprefix("!").partition(":")
    if not colon:
        raise ValueError(f"role {role}: the grant {text!r} is not ACTION:OBJECT")
    try:
        action = Action(word)
    except ValueError:
        known = ", ".join(sorted(Action))
        raise ValueError(f"role {role}: {word!r} is no action; actions are {known}") from None
    if pattern == "*":
        pattern = "**"  # everything, whatever its number of segments
    try:
        glob = compile_glob(pattern, columns=action in TABLE_ACTIONS, fold=deny)
    except ValueError as mistake:
        raise ValueError(f"role {role}: {mistake}") from None
    return Grant(role, action, deny, glob, text, compile_glob(pattern, fold=deny))


def template_role(owner: str, name: str) -> str:
    """The role that lends the right to run one person's template of this name, whoever else has one of that name; no
    role of the configuration can be called like this."""
    return f"{_RUN}{owner}:{name}"


def grants_on_loan(role: str) -> tuple[Grant, ...]:
    """The grant of a ``template_role``: of that very ``owner:name``, in which no character is a wildcard; nothing for
    others."""
    if not role.startswith(_RUN):
        return ()
    name = role.removeprefix(_RUN)
    return (Grant(role, Action.TEMPLATE_RUN, False, Glob(name, re.compile(re.escape(name))), role),)


def decide(grants: Iterable[Grant], permission: Permission) -> Decision:
    """The decision of these grants on this permission; see the module's argument for the steps."""
    action = permission.action
    path, column = split_column(permission.object) if action in TABLE_ACTIONS else (permission.object, None)
    allowing: Grant | None = None
    for grant in grants:
        if not grant.touches(action, path, column):
            continue
        if grant.deny:
            return Decision(False, f"role {grant.role} denies it: {grant.text}")  # 2
        allowing = allowing or grant
    if allowing is not None:
        return Decision(True, f"role {allowing.role} grants it: {allowing.text}")  # 3
    return Decision(False, "no grant of the roles covers it")  # 4


def decide_raw_file(grants: Iterable[Grant], object_: str) -> bool:
    """Whether a file, ``VOLUME/PATH``, may be had without its masks; as ``decide``, but no dot parts off a column."""
    touching = [grant for grant in grants if _is_raw_of(grant, object_)]
    return bool(touching) and not any(grant.deny for grant in touching)


def _is_raw_of(grant: Grant, object_: str) -> bool:
    return grant.action is Action.RAW and grant.file is not None and grant.file.covers_path(object_)


def decide_below(grants: Iterable[Grant], action: Action, top: str) -> Callable[[str], bool]:
    """The same decision for many objects ``top/PATH`` of an action without columns, prepared once: PATH -> allowed."""
    mine = [grant for grant in grants if grant.action is action]
    denying = [grant.glob.path.fullmatch for grant in mine if grant.deny]
    allowing = [grant.glob for grant in mine if not grant.deny]
    prefix = f"{top}/"
    if covers_below(mine, action, top):
        return lambda path: True
    matchers = [glob.path.fullmatch for glob in allowing]

    def allowed(path: str) -> bool:
        object_ = prefix + path
        return not any(deny(object_) for deny in denying) and any(allow(object_) for allow in matchers)

    return allowed


def covers_below(grants: Iterable[Grant], action: Action, top: str) -> bool:
    """Whether everything below ``top`` is allowed and no grant of the action denies anything."""
    mine = [grant for grant in grants if grant.action is action]
    return not any(grant.deny for grant in mine) and any(_covers_all_below(grant.glob, top) for grant in mine)


def _covers_all_below(glob: Glob, top: str) -> bool:
    """Whether a grant is about everything below: ``**``, or ``top/**`` with a plain name."""
    return glob.text in ("**", f"{top}/**") and not set(top) & set("*?%")
