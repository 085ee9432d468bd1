"""The program under test."""
