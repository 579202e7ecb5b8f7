"""CPU time and memory of the published timescale figure for one network: simulation and fits together.

python -m speed.timescales                     # 500 units x 10 trials x 100,000 steps, one thread
python -m speed.timescales --units 128 --steps 10000 --form mod
"""

from __future__ import annotations

import argparse
import resource
import sys
import time

import torch

from baselines.analysis import Subject
from baselines.analysis.timescales.measurement import TimescaleSettings, measure
from baselines.cells import LeakyTauRNN
from baselines.network import RecurrentNetwork
from memory_envs import Parity


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", type=int, default=500)
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--form", default="default", help="of the leaky network: default or mod")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    cell = LeakyTauRNN(1, asked.units, form=asked.form, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        cell.weight.mul_(1.6)  # to a spectral radius of about 0.9, near that of trained networks
    subject = Subject(RecurrentNetwork(cell.requires_grad_(False), width=2), Parity(N=2))
    began, cpu = time.monotonic(), time.process_time()
    summary = measure(subject, TimescaleSettings(trials=asked.trials, steps=asked.steps))["summary"]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(
        f"{asked.units} units x {asked.trials} trials x {asked.steps} steps, {asked.form}: "
        f"{time.process_time() - cpu:.1f} CPU s, {time.monotonic() - began:.1f} s, {memory / 2**30:.2f} GiB"
    )
    print(summary.to_csv(), end="")


if __name__ == "__main__":
    main()
