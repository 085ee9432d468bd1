"""Text that came from elsewhere, made safe to show (attack case C06), and JSON that is safe to print anywhere."""

from __future__ import annotations

import json
import re

MAX_SHOWN_CHARACTERS = 4096

# C0 but tab and newline, DEL, C1, soft hyphen, bidi marks and overrides, zero width, separators, BOM, surrogates
_UNSAFE_CHARACTERS = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f"
    r"\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\ufff9-\ufffb"
)
_UNSAFE = re.compile(f"[{_UNSAFE_CHARACTERS}]")
_UNSAFE_OR_LAYOUT = re.compile(rf"[\t\n{_UNSAFE_CHARACTERS}]")


def _escape(match: re.Match[str]) -> str:
    number = ord(match.group())
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def _json_escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match.group()):04x}"


def visible(text: object, *, one_line: bool = True, limit: int = MAX_SHOWN_CHARACTERS) -> str:
    """Text for a person: every control character as a visible escape, never longer than ``limit`` characters.

    ``one_line`` also escapes tabs and newlines, so that a name cannot start a line of its own.
    """
    shown = str(text)
    cut = len(shown) > limit
    shown = (_UNSAFE_OR_LAYOUT if one_line else _UNSAFE).sub(_escape, shown[:limit])
    return shown + " [...]" if cut else shown


def visible_lines(text: str) -> str:
    """A whole document for a terminal: lines and tabs stay, every other control character is escaped."""
    return _UNSAFE.sub(_escape, text)


def json_text(value: object, *, indent: int | None = None) -> str:
    r"""JSON without any raw control or direction character; those can only stand in strings, where ``\u`` is right."""
    return _UNSAFE.sub(_json_escape, json.dumps(value, ensure_ascii=False, indent=indent))
