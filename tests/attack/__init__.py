"""Attempts to break the suite, each kind a module, that anyone can make again."""
