"""Names inside a package: what every file system of a developer can hold, and nothing that does harm there (T11).

1. A name is one component: no separators, no ``.`` or ``..``, no drive letter, no percent code for either.
2. No control, formatting, bidirectional or unassigned characters; NFC, so that two names that look alike are one.
3. Not a device of Windows, no trailing dot or space, nothing hidden (leading dot), at most 100 bytes.
4. In a package: unique without regard to case, no file where another key needs a folder, not ``METADATA`` or
   ``README.md``.

The client has the same rules for what it extracts; a contract test compares the two.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

MAX_COMPONENT_BYTES = 100
MAX_COMPONENTS = 8
FORBIDDEN = frozenset('<>:"|?*\\/')
DEVICES = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?\Z", re.IGNORECASE)
RESERVED = frozenset({"metadata", "readme.md"})


def component_problem(name: str) -> str:
    """What is wrong with one component of a path in a package; '' when nothing is."""
    if not name:
        return "a name is empty"
    if any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") for char in name):  # 2
        return "a name holds a control, formatting or unassigned character"
    if len(name.encode()) > MAX_COMPONENT_BYTES:  # 3
        return f"a name is longer than {MAX_COMPONENT_BYTES} bytes"
    if FORBIDDEN & set(name) or re.search(r"%[0-9A-Fa-f]{2}", name):  # 1
        return 'a name holds one of < > : " | ? * \\ or a percent code'
    if unicodedata.normalize("NFC", name) != name:  # 2
        return "a name is not in Unicode normal form NFC"
    if name.startswith((".", " ", "~")) or name.endswith((".", " ")):  # 1 3
        return "a name begins with a dot, ~ or space, or ends with a dot or space"
    if name[0] == "-":
        return "a name begins with - and would be taken for an option"
    if DEVICES.match(name):  # 3
        return "a name is a device on Windows"
    return ""


def key_problem(key: str) -> str:
    """What is wrong with an export key: a plain relative path of at most eight components."""
    parts = key.split("/")
    if len(parts) > MAX_COMPONENTS:
        return f"a path has more than {MAX_COMPONENTS} parts"
    for part in parts:
        problem = component_problem(part)
        if problem:
            return problem
    if fold(parts[0]) in RESERVED:  # 4
        return f"{parts[0]} is written by the server itself"
    return ""


def find_clashes(keys: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of keys that cannot stand in one folder on every system."""
    seen: dict[str, str] = {}
    clashes = []
    ordered = list(keys)
    for key in ordered:
        other = seen.setdefault(fold(key), key)
        if other is not key:
            clashes.append((other, key))
    for key in ordered:
        parts = fold(key).split("/")
        for length in range(1, len(parts)):
            other = seen.get("/".join(parts[:length]), key)
            if other is not key:
                clashes.append((other, key))
    return clashes


def fold(name: str) -> str:
    """The form in which two names are the same on a system that ignores case."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())
