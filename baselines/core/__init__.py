"""Foundations of all other packages: settings, files, jobs, seeds, tables, statistics. Nothing here is about memory."""
