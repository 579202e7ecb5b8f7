"""The entry point of ``python -m baselines``."""

from baselines.core.start import leave_out_current_directory

leave_out_current_directory()

# ruff: noqa: E402
import io
import os
import signal
import sys

# One thread, set before NumPy is imported here or in a process started from here. With two threads on busy cores, the
# small matrix products of a reference score took 25 times the CPU time.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Ctrl-C during the imports ends the process. As an exception it would print a traceback from inside some module.
before = signal.getsignal(signal.SIGINT)
if before is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

# What the encoding of a terminal or a pipe lacks is shown as an escape; it would end the command otherwise.
if isinstance(sys.stdout, io.TextIOWrapper):
    sys.stdout.reconfigure(errors="backslashreplace")

from baselines.commands.main import parse, run

command, given = parse(sys.argv[1:])
signal.signal(signal.SIGINT, before)
sys.exit(run(command, given))
