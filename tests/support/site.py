"""Gathers the pages of the documentation site: ``python -m tests.support.site FOLDER``.

The pages link to one another so that they work where they lie. On the site README.md is the index and ``docs/`` is the
root, so links are rewritten. Anything else of the repository that a page links to is copied beside the pages.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path, PurePosixPath

from tests.support.source import ROOT

DOCS = ROOT / "docs"
_LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)(#[^)\s]*)?\)")
ELSEWHERE = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "reporting.md",
    "benchmarks/README.md": "benchmarks.md",
    "benchmarks/results.md": "results.md",
}


def pages() -> dict[str, Path]:
    """Name on the site -> the file it is made of."""
    found = {path.relative_to(DOCS).as_posix(): path for path in sorted(DOCS.rglob("*.md"))}
    return found | {name: ROOT / source for source, name in ELSEWHERE.items()}


def rewritten(name: str, source: Path) -> tuple[str, set[Path]]:
    """A page's text with its links as they are on the site, and the other files it links to."""
    files: set[Path] = set()
    names = {path: name for name, path in pages().items()}
    here = PurePosixPath(name).parent

    def replace(match: re.Match[str]) -> str:
        target = (source.parent / match[1]).resolve()
        if target not in names:
            files.add(target)
        return f"]({os.path.relpath(names.get(target, place_of(target)), here)}{match[2] or ''})"

    return _LINK.sub(replace, source.read_text("utf-8")), files


def place_of(file: Path) -> str:
    """Where a file that is no page lies on the site."""
    return file.relative_to(DOCS).as_posix() if file.is_relative_to(DOCS) else file.name


def gather(folder: Path) -> None:
    """Write the site's source into a folder, from nothing."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, source in pages().items():
        text, files = rewritten(name, source)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
        for file in files:
            place = folder / place_of(file)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, place)


if __name__ == "__main__":
    gather(ROOT / sys.argv[1])
