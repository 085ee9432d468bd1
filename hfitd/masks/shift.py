"""``date_shift``: dates moved by some days, all dates of one subject by the same.

``subject`` names a column of the same table (in a file, of the same record) whose value decides how far: so the time
between two events of one customer stays what it was, and their order, in every table that names the customer. The
subject is folded as values of persons are. Without ``subject``, or where it is NULL, each day moves by an amount of its
own: equal dates stay equal, the order is lost.

The type, the time of day, the zone and its spelling stay. ``infinity``, ``-infinity``, ``0000-00-00``, ``0001-01-01``
and ``9999-12-31`` stay; a month or day that MySQL left open stays open. Where a date would leave what its type holds,
it moves as far the other way. SQLite keeps dates as text, as Julian days or as seconds since 1970, told apart as its
own ``auto`` modifier does. What is no date becomes the empty text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache

from hfitd.errors import MaskDoesNotFit
from hfitd.masks.derive import fold_person, keyed_draw
from hfitd.masks.fitting import integer_option, need_kind, need_subject, text_option
from hfitd.masks.interface import Binding, BoundMask, Mask
from hfitd.masks.moments import INFINITE, Moment, is_common, read_moment
from hfitd.model import Column, Kind, MaskRule

_MOST_DAYS = 3650
_KEPT_SUBJECTS = 4096
_NUMBER = re.compile(rb"-?[0-9]{1,15}(?:\.[0-9]{1,12})?")
_LAST_JULIAN_DAY = Decimal("5373484.499999")  # sqlite.org/lang_datefunc.html, modifier "auto"
_SECONDS = 86_400
# What stands for "always" and "never" in thousands of rows: moved, it would tell how far.
_ENDS_OF_TIME = frozenset(((1, 1, 1), (9999, 12, 31)))
_MYSQL_TIMESTAMP = re.compile(r"timestamp(\([0-6]\))?")

Days = Callable[[bytes], int]  # by how many days what has this name moves


def _days_of(key: bytes, most: int) -> Days:
    draw = keyed_draw(key, b"days\0", 16)

    @lru_cache(_KEPT_SUBJECTS)
    def days(name: bytes) -> int:
        number = int.from_bytes(draw(name), "big") % (2 * most)
        return number - most if number < most else number - most + 1  # never by none

    return days


def _years_of(moment: Moment, column: Column) -> tuple[int, int]:
    """The first and last year that the moved date may have: as narrow as some type that holds it."""
    if _MYSQL_TIMESTAMP.fullmatch(column.type_name) and moment.year in range(1970, 2039):
        return 1970, 2037
    if is_common(moment):
        return 1, 9999
    if moment.year == 0 and not moment.before_christ:
        return 0, 9999
    return (-4712, 294_275) if moment.year <= 294_275 else (-4712, 5_874_896)


def _moved(moment: Moment, days: int, column: Column) -> Moment:
    first, last = _years_of(moment, column)
    moved = moment.moved(days)
    return moved if first <= moved.year <= last else moment.moved(-days)


def _moved_number(value: bytes, days: Callable[[bytes], int]) -> bytes:
    number = Decimal(value.decode("ascii"))
    is_day = 0 <= number <= _LAST_JULIAN_DAY
    shift = days(b"%d" % int(number if is_day else number // _SECONDS))
    return format(number + (shift if is_day else shift * _SECONDS), "f").encode("ascii")


def _bind(rule: MaskRule, column: Column, binding: Binding) -> BoundMask:
    need_kind(rule.mask, column, (Kind.DATE, Kind.TIMESTAMP, Kind.TEXT))
    subject = text_option(rule, "subject", "")
    if "subject" in rule.options and not subject:
        raise MaskDoesNotFit(f"the option subject of the mask {rule.mask} names a column")
    need_subject(rule.mask, column, subject, binding.table)
    days_of = _days_of(binding.key, integer_option(rule, "days", 365, 1, _MOST_DAYS))

    def row_cell(value: bytes, of: bytes | None) -> bytes:
        def days(day: bytes) -> int:
            return days_of(b"day\0" + day if of is None else b"subject\0" + fold_person(of))

        moment = read_moment(value)
        if moment is not None:
            if moment.is_zero or (moment.year, moment.month, moment.day) in _ENDS_OF_TIME:
                return value
            return _moved(moment, days(b"%d" % moment.day_number), column).spelled()
        if value in INFINITE:
            return value
        return _moved_number(value, days) if column.kind is not Kind.TEXT and _NUMBER.fullmatch(value) else b""

    if subject:
        return BoundMask(rule.mask, subject=subject, row_cell=row_cell)
    return BoundMask(rule.mask, cell=lambda value: row_cell(value, None))


DATE_SHIFT = Mask(
    "date_shift",
    _bind,
    "the date some days earlier or later, up to the option days (365); all dates of one subject by the same",
    secret=True,
    options=frozenset({"subject", "days"}),
)
