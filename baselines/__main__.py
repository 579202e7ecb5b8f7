"""``python -m baselines``."""

import os
import signal
import sys

# Before NumPy is imported, here and in the processes that this one starts: products of small matrices in a reference
# score took 25 times the CPU time on two threads of busy cores.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# A Ctrl-C while modules are imported ends the process: as an exception it would be a traceback out of some module.
before = signal.getsignal(signal.SIGINT)
if before is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from baselines.commands.main import parse, run  # noqa: E402

command, given = parse(sys.argv[1:])
signal.signal(signal.SIGINT, before)
sys.exit(run(command, given))
