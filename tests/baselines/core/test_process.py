"""A process that keeps freed memory has its pages mapped once, not in every update."""

import platform
import subprocess
import sys

import pytest

from baselines.core.process import keep_freed_memory

FAULTS = """
import resource
import torch
from baselines.core.process import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.ones(40, 1_000_000)  # 160 MB: more than malloc ever keeps of itself
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

stock = faults()
done = keep_freed_memory()
faults()  # a small object that settles in the gap of a tensor makes malloc take new pages, until there are gaps enough
print(stock, faults(), int(done))
"""


@pytest.mark.slow
def test_freed_memory_is_kept_where_malloc_is_glibc_s() -> None:
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    stock, kept, changed = map(int, done.stdout.split())
    assert changed == (platform.libc_ver()[0] == "glibc")
    if changed:
        assert stock > 1000  # at the very least one for each huge page of 2 MB, of which 160 MB are 76
        assert kept < stock / 5


def test_elsewhere_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert keep_freed_memory() is False
