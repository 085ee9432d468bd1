"""``hfit``: the way in. ``hfit --version`` answers before anything is imported."""

from __future__ import annotations

import sys

from hfit.version import VERSION


def main() -> None:
    """Run the command line and end the process with its exit code."""
    arguments = sys.argv[1:]
    if arguments == ["--version"]:
        sys.stdout.write(f"hfit {VERSION}\n")
        return
    from hfit.commands.run import run  # noqa: PLC0415 - lazy start-up: click costs 40 ms

    sys.exit(run(arguments))


if __name__ == "__main__":
    main()
