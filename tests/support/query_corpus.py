"""Lists of queries and filters, one a line, kept as text so that they can be read and extended as such."""

from __future__ import annotations

from pathlib import Path

CORPUS = Path(__file__).resolve().parent.parent / "hfitd/export/query/corpus"


def read_corpus(name: str) -> list[str]:
    """The lines of a file, without headings (``##``) and empty ones."""
    lines = (CORPUS / name).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("##")]
