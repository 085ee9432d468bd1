"""Whether a value that came over the wire has the shape of a document; keys that nobody knows yet are no mistake."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from functools import cache
from typing import Annotated, Any, NotRequired, TypeVar, Union, get_args, get_origin, get_type_hints, is_typeddict

from hfit.answers import malformed

T = TypeVar("T")
Check = Callable[[object], bool]


def shaped(value: object, kind: type[T]) -> T:
    """The value as the TypedDict ``kind``. AnswerMalformed when a key is missing or has another type."""
    wanted: Any = kind
    if not _check(wanted)(value):
        raise malformed()
    return value  # type: ignore[return-value]  # that is what was checked


def shaped_list(value: object, kind: type[T]) -> list[T]:
    """The value as a list of them; AnswerMalformed."""
    if not isinstance(value, list):
        raise malformed()
    return [shaped(item, kind) for item in value]


@cache
def _check(kind: Any) -> Check:
    """What tells values of this type; the types are those that ``hfit.documents`` uses."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Annotated, NotRequired):
        return _check(arguments[0])
    if origin in (Union, types.UnionType):
        return _check_any([_check(item) for item in arguments])
    if origin is list:
        return _check_list(_check(arguments[0]))
    if origin is dict:
        return _check_values(_check(arguments[1]))
    if is_typeddict(kind):
        return _check_object(get_type_hints(kind, include_extras=True))
    return _check_plain(kind)


def _check_plain(kind: Any) -> Check:
    if kind is Any:
        return lambda _: True
    accepted = {float: (float, int), type(None): (type(None),)}.get(kind, (kind,))
    if kind in (int, float):
        return lambda value: isinstance(value, accepted) and not isinstance(value, bool)
    return lambda value: isinstance(value, accepted)


def _check_any(checks: list[Check]) -> Check:
    return lambda value: any(check(value) for check in checks)


def _check_list(item: Check) -> Check:
    return lambda value: isinstance(value, list) and all(map(item, value))


def _check_values(item: Check) -> Check:
    return lambda value: isinstance(value, dict) and all(map(item, value.values()))


def _check_object(hints: Mapping[str, Any]) -> Check:
    needed = {name for name, hint in hints.items() if get_origin(hint) is not NotRequired}
    checks = {name: _check(hint) for name, hint in hints.items()}

    def check(value: object) -> bool:
        if not isinstance(value, dict) or not needed <= value.keys():
            return False
        return all(checks[name](item) for name, item in value.items() if name in checks)

    return check
