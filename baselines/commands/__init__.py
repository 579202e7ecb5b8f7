"""The command line: one file a command, and all that prints in ``display``."""
