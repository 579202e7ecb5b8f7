"""Attempts to break the suite, which anyone can run again."""
