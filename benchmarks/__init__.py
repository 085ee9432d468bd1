"""What Hot Fixture Tool costs beside the programs people use today: ``make bench``. See README.md in this folder."""
