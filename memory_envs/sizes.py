"""What may be asked for at once: more bytes than a limit are refused before anything is made, and not after a minute.

The limit is 2 GiB for each environment, batch or score. Another one stands in the environment variable
``MEMORY_ENVS_MAX_BYTES``.
"""

from __future__ import annotations

import os

VARIABLE = "MEMORY_ENVS_MAX_BYTES"
_LIMIT = 2**31


def limit() -> int:
    """The most bytes that one environment, batch or score may need.

    Raises:
        ValueError: the environment variable is not a positive integer.
    """
    text = os.environ.get(VARIABLE, str(_LIMIT))
    if not text.isdecimal() or not int(text):
        raise ValueError(f"{VARIABLE} must be a number of bytes, an integer of at least 1, got {text!r}")
    return int(text)


def check(needed: float, what: str, advice: str) -> None:
    """Raise a ValueError where ``what`` needs more bytes than the limit; ``advice`` says which argument to change."""
    if needed > (most := limit()):
        raise ValueError(
            f"{what} would need about {_words(needed)}, and {_words(most)} are allowed: {advice}, "
            f"or the environment variable {VARIABLE} larger"
        )


def _words(count: float) -> str:
    """A number of bytes as text: ``"3.7 GiB (4000000000 bytes)"``."""
    units = ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
    power = min(max((int(count).bit_length() - 1) // 10, 1), len(units))
    return f"{count / 1024**power:.3g} {units[power - 1]} ({int(count)} bytes)"
