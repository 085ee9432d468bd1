"""Loading packages into databases of one's own, and proving that what was loaded is what the package says."""
