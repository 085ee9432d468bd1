"""Databases we may read, and only read."""
