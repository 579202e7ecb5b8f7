"""Attempts to break the suite, which anyone can make again."""
