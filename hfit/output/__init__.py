"""What a user sees: data on standard output, words on standard error, progress on a terminal only."""
