"""Masks that need no value: ``drop``, ``null`` and ``const``. The strongest there are: the raw value is never read."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections.abc import Callable, Mapping

from hfitd.errors import MaskDoesNotFit
from hfitd.masks.fitting import need_length, refuse
from hfitd.masks.interface import Binding, BoundMask, Mask
from hfitd.model import Column, Kind, MaskRule

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


def _bind_drop(rule: MaskRule, column: Column, binding: Binding) -> BoundMask:
    # the policy leaves the column out; this stands for whoever asks all the same
    return BoundMask(rule.mask, constant=True)


def _bind_null(rule: MaskRule, column: Column, binding: Binding) -> BoundMask:
    if not column.nullable:
        raise refuse(rule.mask, column, "it must not be NULL")
    return BoundMask(rule.mask, constant=True)


def _bind_const(rule: MaskRule, column: Column, binding: Binding) -> BoundMask:
    value = rule.options.get("value")
    if value is None:
        raise MaskDoesNotFit("the mask const needs the option value", resource=column.name)
    if isinstance(value, bool):
        value = "true" if value else "false"
    if not isinstance(value, str | int | float):
        raise MaskDoesNotFit("the option value of the mask const is a text, a number or true/false")
    literal = str(value)
    if not _reads_as(column.kind, literal):
        raise refuse(rule.mask, column, f"its value is no {column.kind}", "give a value of the column's type")
    if column.kind in (Kind.TEXT, Kind.BYTES):
        length = len(literal) if column.kind is Kind.TEXT else len(literal.encode())
        need_length(rule.mask, column, length, "give a shorter value")
    return BoundMask(rule.mask, constant=True, literal=literal)


def _reads_as(kind: Kind, literal: str) -> bool:
    if kind is Kind.INTEGER:
        return re.fullmatch(r"[+-]?\d+", literal, re.ASCII) is not None
    if kind is Kind.NUMBER:
        return _NUMBER.fullmatch(literal) is not None
    if kind is Kind.BOOLEAN:
        return literal.lower() in {"true", "false", "0", "1"}
    readers: Mapping[Kind, Callable[[str], object]] = {
        Kind.DATE: dt.date.fromisoformat,
        Kind.TIME: dt.time.fromisoformat,
        Kind.TIMESTAMP: dt.datetime.fromisoformat,
        Kind.UUID: uuid.UUID,
    }
    try:
        readers.get(kind, str)(literal)
    except ValueError:
        return False
    return True


DROP = Mask("drop", _bind_drop, "the column is absent", injective=True)
NULL = Mask("null", _bind_null, "every row shows NULL", injective=True)
CONST = Mask("const", _bind_const, "every row shows the option value", options=frozenset({"value"}))
