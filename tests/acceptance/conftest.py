"""Installations that several files of acceptance tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.reviewed import Reviewed, running_review


@pytest.fixture(scope="session")
def strict(chinook_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reviewed]:
    """A provider that is read by approved templates only."""
    with running_review(tmp_path_factory.mktemp("strict"), chinook_sqlite) as installation:
        yield installation


@pytest.fixture(scope="session")
def free(chinook_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reviewed]:
    """A provider that anybody may read; the role ``reviewed`` needs approval, ``support`` can be asked for."""
    with running_review(tmp_path_factory.mktemp("free"), chinook_sqlite, strict=False) as installation:
        yield installation
