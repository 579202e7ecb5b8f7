"""Training with and without temporal consistency regularisation (TCR): conditions, a file of results, what trains."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from baselines.core.jobs import Ended, Job, LocalEngine, Progressed
from baselines.core.start import worker_environment
from baselines.reproduction.tcr.conditions import Condition


def run_all(
    missing: Mapping[Condition, Sequence[int]],
    workers: int,
    path: Path,
    say: Callable[[str], None],
    interrupted: Callable[[], bool] = lambda: False,
) -> list[str]:
    """Train each condition with the seeds that are missing, in ``workers`` processes at a time.

    Args:
        missing: condition -> the seeds to train it with.
        workers: processes at a time.
        path: the CSV file of results.
        say: takes each line of progress.
        interrupted: whether to stop.

    Returns:
        What went wrong, a line a job.
    """
    wrong = []
    with tempfile.TemporaryDirectory() as logs:
        jobs = [
            Job(
                condition.label(),
                (
                    sys.executable,
                    "-m",
                    "baselines.reproduction.tcr.worker",
                    str(path),
                    json.dumps(asdict(condition)),
                    *map(str, seeds),
                ),
                Path(logs, f"{index}.txt"),
                {"OMP_NUM_THREADS": "1"} | worker_environment(),
                restarts=1,
            )
            for index, (condition, seeds) in enumerate(missing.items())
        ]
        ended = 0
        for event in LocalEngine(workers).run(jobs, interrupted):
            if isinstance(event, Progressed):
                say(f"{event.job.name}: {event.line}")
            elif isinstance(event, Ended) and not event.again:
                ended += 1
                say(f"{ended} of {len(jobs)} conditions")
                if event.code:
                    last = event.job.log.read_text().strip().splitlines()[-1]
                    wrong.append(f"{event.job.name}: exit status {event.code}: {last}")
    return wrong
