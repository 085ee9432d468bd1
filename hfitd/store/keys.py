"""How a key of the store is spelled: ``kind:part[:part...]`` in printable ASCII.

A kind is lower-case letters, digits and ``-``. Parts are percent-encoded, so that no name of a person, whatever
``:``, ``_`` or foreign letter it holds, can reach the key of another (attack T13). The kind up to its first ``-``
is the *group*: keys of one group lie on one node of a Redis cluster and may move together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote, unquote

_KIND = re.compile(r"[a-z][a-z0-9-]{0,31}")
LISTED_KINDS = frozenset({
    "instance", "user", "template", "template-shared", "package", "grant", "grant-of", "approval",
    "access-request",
})  # fmt: skip
"""Kinds that are listed at the cost of what is listed; listing another is a look at everything that is kept."""

_REST = re.compile(r"[\x21-\x7e]{0,1024}")


def key_of(kind: str, *parts: str) -> str:
    """The key of these parts. Two lists of parts never give the same key; lone surrogates and
    more than 1024 characters are a ValueError."""
    return check_key(f"{kind}:" + ":".join(quote(part, safe="@") for part in parts))


def parts_of(key: str) -> list[str]:
    """The parts that ``key_of`` was given."""
    return [unquote(part) for part in key.split(":")[1:]]


def check_key(key: str) -> str:
    """The key itself; ValueError when it has no kind or holds what a store may read differently."""
    kind, colon, rest = key.partition(":")
    if not (colon and _KIND.fullmatch(kind) and _REST.fullmatch(rest)):
        raise ValueError("a store key is kind:rest in printable ASCII without blanks, at most 1024 characters")
    return key


def kind_of(key: str) -> str:
    """What stands before the first colon."""
    return key.partition(":")[0]


def group_of(key: str) -> str:
    """The part of the kind that decides where the key lies: ``template`` for ``template-version:...``."""
    return kind_of(key).partition("-")[0]


def check_one_group(keys: Iterable[str]) -> None:
    """Refuse keys that a cluster could not write in one step; a ValueError, as it is a mistake of the program."""
    if len({group_of(check_key(key)) for key in keys}) > 1:
        raise ValueError("keys that are written together must share the kind up to its first '-'")
