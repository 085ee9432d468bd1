"""Masks inside files: each format a small machine that copies a file and puts pseudonyms where its rules say."""
