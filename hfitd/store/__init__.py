"""Shared state: users, templates, nonces, counters, leases, cache index."""
