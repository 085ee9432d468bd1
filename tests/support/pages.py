"""The pages of the documentation as scripts: their blocks, and a shell that runs them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.support.source import ROOT


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a page."""
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / page).read_text("utf-8"), re.S | re.M)


def run_shell(script: str, folder: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """A script as a person would paste it, stopped at the first command that fails."""
    return subprocess.run(
        ["bash", "-euo", "pipefail"], input=script, cwd=folder, env={"HOME": str(folder), **environment},
        capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
