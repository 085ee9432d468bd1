"""Packages as files: reading, verifying and placing them; the format is re-derived to the byte."""
