"""Attempts to break the suite, kept so that anyone can make them again: ``python -m tests.attack``.

Each module here is one kind of attempt. The first line of its docstring says in words what is tried and what must
happen. It has a function ``attempts(seed, count)`` that yields, for each of about ``count`` attempts, what was tried
and whether it held. The same seed makes the same attempts.
"""
