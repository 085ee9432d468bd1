"""What the values of config.toml look like: marshmallow fields that take TOML's types strictly.

Durations are text with a unit (contract section 7), sizes a number of bytes or text with a unit (powers of 1024).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from marshmallow import ValidationError, fields, validate

from hfitd.model import Json, MaskRule

SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
BYTES = {"": 1, "B": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3, "TB": 1024**4}
INSECURE = ("secrets", "plaintext", "db-role")
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")


def parse_duration(text: str) -> float | None:
    """Seconds of ``"500ms"``, ``"30s"``, ``"15m"``, ``"8h"`` or ``"7d"``; None for anything else."""
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)(ms|s|m|h|d)", text)
    return float(match[1]) * SECONDS[match[2]] if match else None


def parse_size(text: str) -> int | None:
    """Bytes of ``"64KB"``, ``"1GB"`` or a plain number; powers of 1024, case does not matter; None otherwise."""
    match = re.fullmatch(r"([0-9]{1,15})(B|KB|MB|GB|TB|)", text.upper())
    return int(match[1]) * BYTES[match[2]] if match and text.isascii() else None


class Words(fields.String):
    """Text of one line without control characters."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if any(ord(char) < 32 or ord(char) == 127 for char in text):
            raise ValidationError("must be one line without control characters")
        return text


class SecretText(Words):
    """Where a secret is: ``env:NAME``, ``file:PATH``, ``cred:NAME``, or (insecure) itself."""


class Duration(fields.Field[float]):
    """Seconds as a float. Refuses numbers without a unit and, unless ``zero`` is said, nothing at all."""

    def __init__(self, *, zero: bool = False, **kwargs: Any) -> None:
        self.zero = zero
        super().__init__(**kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> float:
        seconds = parse_duration(value) if isinstance(value, str) else None
        if seconds is None:
            raise ValidationError('must be a duration such as "500ms", "30s", "15m", "8h" or "7d"')
        if seconds == 0 and not self.zero:
            raise ValidationError("must be longer than nothing")
        return seconds


class Size(fields.Field[int]):
    """Bytes as a positive int, or with ``zero`` none."""

    def __init__(self, *, zero: bool = False, **kwargs: Any) -> None:
        self.zero = zero
        super().__init__(**kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        size = value if type(value) is int else parse_size(value) if isinstance(value, str) else None
        if size is None or size < 0 or (size == 0 and not self.zero):
            raise ValidationError('must be a number of bytes or a size such as "64KB" or "1GB"')
        return size


class Whole(fields.Integer):
    """A whole number in a range; text and booleans are refused."""

    def __init__(self, low: int, high: int, **kwargs: Any) -> None:
        check = validate.Range(low, high, error=f"must be between {low} and {high}")
        super().__init__(strict=True, validate=check, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        if type(value) is not int:
            raise ValidationError("must be a whole number")
        return value


class Positive(fields.Field[float]):
    """A number above zero."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> float:
        if type(value) not in (int, float) or not 0 < value < float("inf"):
            raise ValidationError("must be a number above 0")
        return float(value)


class Switch(fields.Field[bool]):
    """true or false, and no word that means them."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise ValidationError("must be true or false")
        return value


class TextList(fields.Field[tuple[str, ...]]):
    """A list of texts, or with ``single`` also one text alone."""

    def __init__(self, *, single: bool = False, **kwargs: Any) -> None:
        self.single = single
        super().__init__(**kwargs)

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> tuple[str, ...]:
        if self.single and isinstance(value, str):
            value = [value]
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            raise ValidationError("must be a text or a list of texts" if self.single else "must be a list of texts")
        return tuple(value)


class Extensions(TextList):
    """File name endings, ``".log"`` or ``"log"``, kept in lower case with the dot."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> tuple[str, ...]:
        endings = tuple("." + item.lower().removeprefix(".") for item in super()._deserialize(value, attr, data))
        if not all(re.fullmatch(r"(\.[^./\\\s]+)+", ending) for ending in endings):
            raise ValidationError('must be file name endings such as ".log"')
        return endings


class FilePath(fields.Field[Path]):
    """A path; the loader makes a relative one relative to the configuration file."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Path:
        if not isinstance(value, str) or not value or "\0" in value:
            raise ValidationError("must be a path")
        return Path(value)


class Insecure(fields.Field[frozenset[str]]):
    """``true`` (all), ``false`` (none) or a list of what is knowingly left open."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> frozenset[str]:
        if isinstance(value, bool):
            return frozenset(INSECURE if value else ())
        if not isinstance(value, list) or not all(item in INSECURE for item in value):
            raise ValidationError(f"must be true, false or a list of {', '.join(INSECURE)}")
        return frozenset(value)


class MaskTable(fields.Field[Mapping[str, MaskRule]]):
    """An inline table whose values are names of masks, or tables ``{mask = NAME, OPTION = …}``."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> Mapping[str, MaskRule]:
        if not isinstance(value, dict) or "" in value:
            raise ValidationError('must be a table such as { email = "email" }')
        return {name: self.read_rule(name, item) for name, item in value.items()}

    def read_rule(self, name: str, item: object) -> MaskRule:
        """The mask of one part."""
        entry = {"mask": item} if isinstance(item, str) else item
        if not isinstance(entry, dict) or not isinstance(entry.get("mask"), str) or not is_json(entry):
            raise ValidationError(f'the mask of {name} must be its name or a table such as {{ mask = "redact" }}')
        return MaskRule(entry["mask"], options_of(entry, frozenset({"mask"})))


def choice(*words: str) -> validate.OneOf:
    """The words a text may be."""
    return validate.OneOf(words, error=f"must be one of {', '.join(words)}")


def is_json(value: object) -> bool:
    """Whether TOML's value has a JSON counterpart; dates and times do not."""
    if isinstance(value, dict):
        return all(is_json(item) for item in value.values())
    if isinstance(value, list):
        return all(is_json(item) for item in value)
    return isinstance(value, str | int | float | bool)


def options_of(entry: Mapping[str, Any], known: frozenset[str]) -> dict[str, Json]:
    """The keys of a ``[[policy.mask]]`` that belong to the mask itself."""
    return {key: value for key, value in entry.items() if key not in known}
