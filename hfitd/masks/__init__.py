"""Masks: each a small pure definition that keeps what a test needs and hides what a person owns."""
