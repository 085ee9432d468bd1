"""Which member names a package may have (attack case C04).

A name is refused, wherever it stands, when it could leave the folder, hide in it, fool a reader or act by its mere
presence: absolute or empty parts, ``.`` and ``..``, backslashes, control and direction characters, names of devices,
version-control folders, anything hidden unless that was allowed, names too long for a file system, and two names that a
file system without case or normalisation would take for one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from hfit.errors import PackageInvalid
from hfit.text import visible

MAX_PART_BYTES = 255
MAX_PATH_BYTES = 3072
MAX_DEPTH = 40
METADATA = "METADATA/"
MANIFEST = "METADATA/manifest.json"
SIGNATURE = "METADATA/manifest.sig"
TIMESTAMPS = "METADATA/timestamps.json"

_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3])(\..*)?", re.I)
_VERSION_CONTROL = frozenset({".git", ".hg", ".svn", ".bzr", ".jj", "git~1"})
_WINDOWS_ONLY = re.compile(r'[<>:"|?*]|[ .]$')


def check_name(path: str, *, allow_hidden: bool = False, windows: bool = False) -> str:
    """Give back an acceptable member path, or raise PackageInvalid naming it. ``windows`` adds that system's rules."""
    problem = _problem(path, allow_hidden=allow_hidden, windows=windows)
    if problem:
        raise PackageInvalid(
            f"The package holds a file whose name is refused: '{visible(path, limit=200)}'.",
            reason=problem,
            suggestions=["--allow-hidden accepts hidden files."] if "hidden" in problem else [],
        )
    return path


def _problem(path: str, *, allow_hidden: bool, windows: bool) -> str:
    if not path or len(path.encode("utf-8", "surrogatepass")) > MAX_PATH_BYTES or path.count("/") >= MAX_DEPTH:
        return "It is empty, too long or too deep."
    if visible(path, limit=len(path)) != path or "\\" in path:
        return "It holds control characters, direction marks or a backslash."
    for part in path.split("/"):
        if part in ("", ".", "..") or len(part.encode()) > MAX_PART_BYTES:
            return "It is not a plain relative path."
        if _DEVICE.fullmatch(part):
            return "It is the name of a device on Windows."
        if part.casefold().rstrip(" .") in _VERSION_CONTROL:
            return "A version-control folder could run commands."
        if part.startswith(".") and not allow_hidden:
            return "It is hidden."
        if windows and _WINDOWS_ONLY.search(part):
            return "Windows cannot hold it."
    return ""


def check_distinct(paths: Iterable[str]) -> None:
    """Refuse two paths that are one file on some system, and a file that is another's folder."""
    files: set[str] = set()
    folders: set[str] = set()
    for path in paths:
        folded = unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())
        parents = {folded[:index] for index, character in enumerate(folded) if character == "/"}
        if folded in files or folded in folders or parents & files:
            raise PackageInvalid(
                f"The package holds a name twice: '{visible(path, limit=200)}'.",
                reason="Upper and lower case, and different spellings of one letter, count as the same name.",
            )
        files.add(folded)
        folders |= parents


def order_key(path: str) -> tuple[int, bytes]:
    """Where a member stands in an archive: exports, then METADATA, then manifest and signature; each by path bytes."""
    rank = {MANIFEST: 2, SIGNATURE: 3}.get(path, 1 if path.startswith(METADATA) else 0)
    return rank, path.encode()
