"""Dates and times as the engines print them, taken apart and put together without a calendar of limited range.

``2024-01-05``, ``2024-01-05 10:11:12.5+00``, ``2024-01-05T10:11:12Z``; PostgreSQL's years beyond 9999 and its ``BC``;
MySQL's zero and partly zero dates (``0000-00-00``, ``2024-05-00``). Days are those of the proleptic Gregorian
calendar, which all three engines use; year 0 is 1 BC.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

_MOMENT = re.compile(rb"([0-9]{4,7})-([0-9]{2})-([0-9]{2})((?:[ T][0-9][0-9:.]*(?: ?[-+][0-9:]+|Z)?)?)((?: BC)?)")
_ERA_DAYS, _ERA_YEARS = 146_097, 400  # after these the calendar repeats
_COMMON_YEARS = range(1, 10_000)
_MONTHS, _LONGEST_MONTH = 12, 31
_MIDDLE_MONTH, _MIDDLE_DAY = 7, 15

INFINITE = frozenset((b"infinity", b"-infinity"))


@dataclass(frozen=True, slots=True)
class Moment:
    """A date with what follows it. A month or day of 0 is one that MySQL left open."""

    year: int  # 0 is 1 BC
    month: int
    day: int
    rest: bytes  # the time of day and zone, as printed
    before_christ: bool = False  # whether it was printed so

    @property
    def is_zero(self) -> bool:
        """MySQL's ``0000-00-00``."""
        return not (self.year or self.month or self.day)

    @property
    def day_number(self) -> int:
        """The day, counted from 1 March of year 0; an open month or day counts as the middle of its year or month."""
        month, day = self.month or _MIDDLE_MONTH, self.day or _MIDDLE_DAY
        year = self.year - (month <= 2)
        return 365 * year + year // 4 - year // 100 + year // 400 + (153 * ((month + 9) % 12) + 2) // 5 + day - 1

    def moved(self, days: int) -> Moment:
        """As many days later, or earlier. What was open stays open."""
        era, day = divmod(self.day_number + days, _ERA_DAYS)
        year = (day - day // 1460 + day // 36_524 - day // 146_096) // 365
        day -= 365 * year + year // 4 - year // 100
        month = (5 * day + 2) // 153
        day -= (153 * month + 2) // 5
        month = month + 3 if month < 10 else month - 9
        year += _ERA_YEARS * era + (month <= 2)
        return replace(self, year=year, month=self.month and month, day=self.day and day + 1)

    def spelled(self) -> bytes:
        """As an engine prints it."""
        if self.before_christ or self.year < 0:
            return b"%04d-%02d-%02d%s BC" % (1 - self.year, self.month, self.day, self.rest)
        return b"%04d-%02d-%02d%s" % (self.year, self.month, self.day, self.rest)


def read_moment(text: bytes) -> Moment | None:
    """The date, with or without a time, that the text is; None when it is none."""
    found = _MOMENT.fullmatch(text)
    if found is None:
        return None
    year, month, day = int(found[1]), int(found[2]), int(found[3])
    if month > _MONTHS or day > _LONGEST_MONTH:
        return None
    return Moment(1 - year if found[5] else year, month, day, found[4], bool(found[5]))


def is_common(moment: Moment) -> bool:
    """Whether every engine can hold it: years 1 to 9999."""
    return moment.year in _COMMON_YEARS
