"""One attempt that holds, one that does not, one that ends the process: what a count must come out at."""

import os
from collections.abc import Iterator


def attempts(seed: int, count: int) -> Iterator[tuple[str, bool]]:
    """Yield what was tried and whether it held."""
    print("noise")
    yield "this holds", True
    yield f"this does not, seed {seed}", False
    os._exit(9)
