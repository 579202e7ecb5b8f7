"""Trains a run and kills it, again and again: ``python -m tests.baselines.killing FOLDER MOMENTS``.

A process that forks, for importing torch anew would take longer than training does. It prints how its children ended.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import torch

from baselines.training.bptt_settings import Settings
from baselines.training.run import TrainingRun
from baselines.training.run_folder import RunFolder

SETTINGS: dict[str, Any] = {
    "recipe": "trials",
    "n_max": 4,
    "episodes": 50,
    "keep_every": 45,
    "overrides": {"units": 32, "batch_size": 32, "test_every": 10},
    # The kills fall into the middle of the schedule.
    "tcr": 0.01,
    "tcr_schedule": "linear-decay",
    "tcr_updates": 150,
    "activity_l2": 1e-4,
}


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(kind: str, number: int) -> None:
    """Be killed just before or just after the ``number``-th replacement of a file, or halfway through a row."""
    done = 0
    replace, write_row = os.replace, RunFolder._write_row

    def replacing(source: Path, target: Path) -> None:
        nonlocal done
        done += 1
        if (kind, done) == ("before", number):
            die()
        replace(source, target)
        if (kind, done) == ("after", number):
            die()

    def writing(self: RunFolder, row: Any) -> None:
        nonlocal done
        done += 1
        if done == number:
            with open(self.path / "metrics.csv", "a") as file:
                file.write(self._line(row)[:-9])
            die()
        write_row(self, row)

    if kind == "row":
        RunFolder._write_row = writing  # type: ignore[method-assign]
    elif kind in ("before", "after"):
        os.replace = replacing  # type: ignore[assignment]


def work(folder: Path) -> None:
    TrainingRun.SAVE_SECONDS, TrainingRun.SAVE_SHARE = 0.0, 1e9  # after every update
    begun = (folder / "config.json").exists()
    run = TrainingRun.resume(folder) if begun else TrainingRun(Settings(**SETTINGS, out=folder))
    for _ in run.train():
        pass
    run.play()
    run.finish()


def main(folder: Path, moments: list[tuple[str, float]]) -> None:
    torch.set_num_threads(1)
    torch.optim.Adam([torch.zeros(1)])  # the first one imports for seconds: not in every child
    ends = []
    for kind, when in [*moments, ("never", 0)]:
        child = os.fork()
        if not child:
            try:
                arm(kind, int(when))
                work(folder)
            except BaseException as error:
                print(kind, when, repr(error), file=sys.stderr, flush=True)
                os._exit(1)
            os._exit(0)
        if kind == "seconds":
            time.sleep(when)
            os.kill(child, signal.SIGKILL)
        ends.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        if ends[-1] == 0:  # it was quicker than its killer
            break
    print(json.dumps(ends))


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
