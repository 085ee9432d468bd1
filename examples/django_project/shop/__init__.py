"""The program under test: a Django app."""
