"""``bucket`` and ``noise``: amounts that are roughly what they were.

``bucket`` shows the start of the step a number is in, or of the year, quarter, month, day or hour of a date. It needs
no key and hides nothing but the difference: a declared leak.

``noise`` shows another amount near the value, chosen by the value under the key, so that equal amounts stay equal.
Scale and sign stay, and the number of digits never grows, so that it fits whatever type held the value.

Decimals are computed exactly, whatever their length. NaN and infinite numbers and dates stay as they are. In a text
column what is no number (or date) becomes the empty text.
"""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Context, Decimal

from hfitd.errors import MaskDoesNotFit
from hfitd.masks.derive import keyed_draw, stretch
from hfitd.masks.fitting import need_kind, refuse, text_option
from hfitd.masks.interface import Binding, BoundMask, Cell, Mask, StepTwin
from hfitd.masks.moments import INFINITE, Moment, read_moment
from hfitd.model import Column, Kind, MaskRule

_NUMBER = re.compile(rb"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,4})?")
_SPECIAL = frozenset((b"NaN", b"Infinity", b"-Infinity"))
_SCALE = re.compile(r"\(\s*\d+\s*,\s*(\d+)\s*\)")
_FIRST_YEAR = -4711  # the first that is whole in PostgreSQL
_UNITS = ("year", "quarter", "month", "day", "hour")
_CLOCK = re.compile(rb"((?:[ T])?-?[0-9]{2,3})([0-9:.]*)(.*)")
_EXACT = Context(prec=200_000, Emax=999_999, Emin=-999_999)  # more digits than any numeric of PostgreSQL
_BANDS = tuple(2**bits - 1 for bits in (7, 8, 15, 16, 23, 24, 31, 32, 63, 64))
_NUMBERS = (Kind.INTEGER, Kind.NUMBER)
_MOMENTS = (Kind.DATE, Kind.TIMESTAMP)


def _amount_option(rule: MaskRule, name: str) -> Decimal | None:
    value = rule.options.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 10**15:
        raise MaskDoesNotFit(f"the option {name} of the mask {rule.mask} is a number above 0")
    return Decimal(str(value))


def _spelled(number: Decimal, like: bytes) -> bytes:
    """Plain digits, or with an exponent where the value had one."""
    if b"e" in like or b"E" in like:
        return str(number.normalize(_EXACT)).lower().encode("ascii")
    return format(number, "f").encode("ascii")


def _step_cell(step: Decimal) -> Cell:
    def cell(value: bytes) -> bytes:
        if not _NUMBER.fullmatch(value):
            return value if value in _SPECIAL else b""
        number = Decimal(value.decode("ascii"))
        rest = _EXACT.remainder(number, step)  # of the value's sign: towards zero, so that it always fits
        start = _EXACT.subtract(number, rest)
        if start == 0:
            start = abs(start)  # no minus zero
        return _spelled(_EXACT.quantize(start, min(number, start, key=_exponent)), value)

    return cell


def _exponent(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0


def _blank_clock(rest: bytes, *, hour: bool) -> bytes:
    """The time with its digits zeroed, but for the hour if that stays, and the zone kept."""
    found = _CLOCK.fullmatch(rest)
    if found is None:
        return rest
    kept = found[1] if hour else re.sub(rb"[0-9]", b"0", found[1])
    return kept + re.sub(rb"[0-9]", b"0", found[2]) + found[3]


def _start_of(moment: Moment, unit: str) -> Moment:
    year, month, day = moment.year, moment.month, moment.day
    if unit == "year":
        month = min(month, 1)
    elif unit == "quarter":
        month -= (month - 1) % 3 if month else 0
    if unit in {"year", "quarter", "month"}:
        day = min(day, 1)
    if (month, day) != (moment.month, moment.day):
        year = max(year, _FIRST_YEAR)
    rest = _blank_clock(moment.rest, hour=unit == "hour")
    return Moment(year, month, day, rest, moment.before_christ)


def _unit_cell(unit: str, column: Column) -> Cell:
    is_mysql_timestamp = column.type_name.startswith("timestamp") and "zone" not in column.type_name

    def cell(value: bytes) -> bytes:
        moment = read_moment(value)
        if moment is None:
            return value if value in INFINITE else b""
        start = _start_of(moment, unit).spelled()
        if is_mysql_timestamp and start.startswith(b"1970-01-01 00:00:00"):
            return b"1970-01-01 00:00:01" + start[19:]  # where its range begins
        return start

    return cell


def _bind_bucket(rule: MaskRule, column: Column, binding: Binding) -> BoundMask:
    step, unit = _amount_option(rule, "step"), text_option(rule, "unit", "")
    if (step is None) == (not unit) or (unit and unit not in _UNITS):
        raise MaskDoesNotFit(f"the mask {rule.mask} needs the option step, or the option unit: {', '.join(_UNITS)}")
    if step is not None:
        need_kind(rule.mask, column, (*_NUMBERS, Kind.TEXT))
        places = _places(column)
        if places is not None and -_exponent(step.normalize()) > places:
            raise refuse(rule.mask, column, f"the column keeps {places} decimals, the step has more")
        twin = StepTwin(int(step)) if column.kind is Kind.INTEGER else None
        return BoundMask(rule.mask, cell=_step_cell(step), twin=twin)
    if column.kind is Kind.TIME and unit == "hour":
        return BoundMask(rule.mask, cell=lambda value: _blank_clock(value, hour=True))
    need_kind(rule.mask, column, (*_MOMENTS, Kind.TEXT))
    return BoundMask(rule.mask, cell=_unit_cell(unit, column))


def _places(column: Column) -> int | None:
    """How many decimals the column keeps; None when that is open."""
    if column.kind is Kind.INTEGER:
        return 0
    found = _SCALE.search(column.type_name)
    return int(found[1]) if found else None


def _bind_noise(rule: MaskRule, column: Column, binding: Binding) -> BoundMask:
    need_kind(rule.mask, column, (*_NUMBERS, Kind.TEXT))
    percent, amount = _amount_option(rule, "percent"), _amount_option(rule, "amount")
    if (percent is None) == (amount is None):
        raise MaskDoesNotFit(f"the mask {rule.mask} needs the option percent or the option amount")
    if percent is not None and percent > 100:
        raise MaskDoesNotFit(f"the option percent of the mask {rule.mask} is at most 100")
    draw = keyed_draw(binding.key, b"noise\0")

    def cell(value: bytes) -> bytes:
        if not _NUMBER.fullmatch(value):
            return value if value in _SPECIAL else b""
        number = Decimal(value.decode("ascii"))
        size = abs(number)
        around = amount if amount is not None else _EXACT.multiply(size, percent or 0).scaleb(-2, _EXACT)
        exponent = _exponent(number)
        units = int(size.scaleb(-exponent, _EXACT))
        reach = int(around.scaleb(-exponent, _EXACT).to_integral_value(ROUND_CEILING, _EXACT))
        if percent is not None and units == 0:
            return value
        least, most = max(units - reach, 1 if units else 0), min(units + reach, _ceiling(number, units))
        seed = draw(str(number.normalize(_EXACT)).encode("ascii"))
        width = (most - least).bit_length() // 8 + 9
        chosen = least + int.from_bytes(stretch(seed, width), "big") % (most - least + 1)
        masked = Decimal(-chosen if number < 0 else chosen).scaleb(exponent, _EXACT)
        return _spelled(masked, value)

    return BoundMask(rule.mask, cell=cell)


def _ceiling(number: Decimal, units: int) -> int:
    """The most that fits where the value fits, in units of its last place: the end of its integer type's range, or
    nines in all its places."""
    exponent = _exponent(number)
    places = number.adjusted() - exponent + 1 if units else 1
    nines = int(10 ** max(places, -exponent)) - 1
    if exponent:
        return nines
    below = int(number < 0)  # where types reach one further
    return max(units, min(nines, next((band + below for band in _BANDS if units - below <= band), nines)))


BUCKET = Mask(
    "bucket",
    _bind_bucket,
    "the start of its step (option step), or of its year, quarter, month, day or hour (option unit)",
    options=frozenset({"step", "unit"}),
)
NOISE = Mask(
    "noise",
    _bind_noise,
    "an amount near the value, up to the option percent or amount away, of the same sign and scale",
    keyed=True,
    options=frozenset({"percent", "amount"}),
)
