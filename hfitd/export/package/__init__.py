"""Packages: parts, archive, manifest."""
