"""CPU time and memory of the timescale analysis for one network, simulation and fits together.

    python -m speed.timescales                     # the published size: 500 units x 10 trials x 100,000 steps
    python -m speed.timescales --units 128 --steps 10000 --form mod

It runs on one thread and prints the time, the peak resident memory and the summary of the analysis.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time

from speed.report import whole


def main() -> None:
    """Read the options, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", type=whole, default=500, help="units of the leaky network (500)")
    parser.add_argument("--trials", type=whole, default=10, help="trials that are simulated (10)")
    parser.add_argument("--steps", type=whole, default=100_000, help="steps in each trial (100000)")
    parser.add_argument("--form", choices=["default", "mod"], default="default", help="form of the leaky network")
    asked = parser.parse_args()
    # Imported here, so that --help answers at once.
    import torch

    from baselines.analysis import Subject
    from baselines.analysis.timescales import Timescales, TimescaleSettings
    from baselines.cells import LeakyTauRNN
    from baselines.network import RecurrentNetwork
    from memory_envs import Parity

    torch.set_num_threads(1)
    cell = LeakyTauRNN(1, asked.units, form=asked.form, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        cell.weight.mul_(1.6)  # for a spectral radius of about 0.9, as in trained networks
    subject = Subject(RecurrentNetwork(cell.requires_grad_(False), width=2), Parity(N=2))
    began, cpu = time.monotonic(), time.process_time()
    summary = Timescales().measure(subject, TimescaleSettings(trials=asked.trials, steps=asked.steps))["summary"]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(
        f"{asked.units} units x {asked.trials} trials x {asked.steps} steps, {asked.form}: "
        f"{time.process_time() - cpu:.1f} CPU s, {time.monotonic() - began:.1f} s, {memory / 2**30:.2f} GiB"
    )
    print(summary.to_csv(), end="")


if __name__ == "__main__":
    main()
