"""``python -m baselines``."""

import signal
import sys

# Importing torch takes seconds. A Ctrl-C meanwhile ends the process, for there is nothing to save; as an exception it
# would be a traceback out of the middle of some module.
before = signal.getsignal(signal.SIGINT)
if before is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from baselines.cli import main  # noqa: E402

signal.signal(signal.SIGINT, before)
sys.exit(main())
