"""The documentation site: its menu and its links."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import yaml

from tests.support.site import gather, pages
from tests.support.source import ROOT


def menu(entry: object) -> Iterator[str]:
    """Every page named below an entry of the menu."""
    if isinstance(entry, str):
        yield entry
    elif isinstance(entry, dict):
        yield from menu(list(entry.values()))
    elif isinstance(entry, list):
        for child in entry:
            yield from menu(child)


def test_the_menu_of_the_site_names_every_page_once() -> None:
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))
    assert sorted(menu(settings["nav"])) == sorted(pages())


def test_the_pages_of_the_site_lie_together_with_everything_they_link_to(tmp_path: Path) -> None:
    gather(tmp_path / "pages")
    there = {path.relative_to(tmp_path / "pages").as_posix() for path in (tmp_path / "pages").rglob("*.*")}
    assert there >= {*pages(), "config.example.toml", "schemas/pkg-plan.json"}
    assert "](docs/" not in (tmp_path / "pages" / "index.md").read_text("utf-8")
