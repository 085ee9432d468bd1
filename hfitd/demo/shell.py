"""Running commands as a person would: printed first, then run by this very Python, then what they said."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from hfitd.demo.world import World
from hfitd.errors import Unavailable

COMMAND_SECONDS = 60.0
PROGRAMS = ("hfit", "hfitd")


@dataclass(frozen=True, slots=True)
class Shell:
    """Commands of ``hfit`` and ``hfitd`` in the demo's folder. What they print goes to ``out``, indented."""

    world: World
    out: TextIO

    def say(self, text: str = "") -> None:
        """A line for the reader."""
        print(text, file=self.out, flush=True)

    def run(self, command: str, *, into: str | None = None, lines: int = 12) -> None:
        """Run one command line; ``into`` is a file for its output, ``lines`` how many of them are shown.

        Unavailable when it fails or hangs; everything it said has been printed by then.
        """
        self.say(f"$ {command}" + (f" > {into}" if into else ""))
        try:
            done = subprocess.run(  # noqa: S603 - a command of ours, without a shell
                program_argv(shlex.split(command)),
                cwd=self.world.folder,
                env=clean_environment(self.world),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE if into else subprocess.STDOUT,
                timeout=COMMAND_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise Unavailable(f"`{command}` did not end within {COMMAND_SECONDS:.0f} seconds.") from error
        if into is not None:
            (self.world.folder / into).write_bytes(done.stdout)
        said = (done.stderr if into else done.stdout).decode(errors="replace").splitlines()
        self.show(said, lines if done.returncode == 0 else len(said))
        if done.returncode != 0:
            raise Unavailable(f"`{command}` failed with exit code {done.returncode}.")

    def show(self, lines: Sequence[str], limit: int) -> None:
        """Print output indented, and say how much of it is left out."""
        for line in lines[:limit]:
            self.say(f"  {line}".rstrip())
        if len(lines) > limit:
            self.say(f"  ... {len(lines) - limit} lines more")
        self.say()


def program_argv(words: Sequence[str]) -> list[str]:
    """The command with this Python in front, so that it is the program of this installation that runs."""
    program, *arguments = words
    assert program in PROGRAMS
    return [sys.executable, "-m", program, *arguments]


def clean_environment(world: World) -> Mapping[str, str]:
    """The environment without settings of the user's own gateway; the client keeps its files in the demo's folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HFIT_", "HFITD_"))}
    return {**kept, "HFIT_CONFIG_DIR": str(world.client), "PYTHONUNBUFFERED": "1"}


def program_folder() -> Path:
    """Where the programs of this installation lie."""
    return Path(sys.executable).parent
