"""``python -m hfitd``."""

from hfitd.cli import main

main()
