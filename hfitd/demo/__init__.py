"""The demo: a whole gateway on sample data in a temporary folder, used as a developer would use it."""
