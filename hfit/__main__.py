"""``python -m hfit``."""

from __future__ import annotations

from hfit.cli import main

if __name__ == "__main__":
    main()
