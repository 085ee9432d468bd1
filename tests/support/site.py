"""Gathers the pages of the documentation site: ``python -m tests.support.site FOLDER``.

The pages link to one another so that they work where they lie; here they lie in one folder, with README.md as the
index, so links are rewritten. Anything else of the repository that a page links to is copied beside them.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

from tests.support.source import ROOT

_LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)(#[^)\s]*)?\)")
ELSEWHERE = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "benchmarks/README.md": "benchmarks.md",
    "benchmarks/results.md": "results.md",
}


def pages() -> dict[str, Path]:
    """Name on the site -> the file it is made of."""
    found = {path.name: path for path in sorted((ROOT / "docs").glob("*.md"))}
    return found | {name: ROOT / source for source, name in ELSEWHERE.items()}


def rewritten(source: Path) -> tuple[str, set[Path]]:
    """A page's text with its links as they are on the site, and the other files it links to."""
    files: set[Path] = set()
    names = {path: name for name, path in pages().items()}

    def replace(match: re.Match[str]) -> str:
        target = (source.parent / match[1]).resolve()
        if target not in names:
            files.add(target)
        return f"]({names.get(target, target.name)}{match[2] or ''})"

    return _LINK.sub(replace, source.read_text("utf-8")), files


def gather(folder: Path) -> None:
    """Write the site's source into a folder, from nothing."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, source in pages().items():
        text, files = rewritten(source)
        (folder / name).write_text(text, "utf-8")
        for file in files:
            shutil.copy(file, folder)


if __name__ == "__main__":
    gather(ROOT / sys.argv[1])
