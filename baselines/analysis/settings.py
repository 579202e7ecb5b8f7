"""Settings of the analyses: each is declared once, here, and checked from its declaration. Nothing here imports torch.

``SETTINGS`` has them by the names of the analyses.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from baselines.core.settings import SettingsError, check_fields, device_name

PROBABILITIES = ("spaced", "drawn")
"""How often a bit is 1 in each trial; see ``timescales``."""
DIVISORS = ("pairs", "published")
"""What the sum of products at a lag is divided by; see ``timescales.autocorrelation``."""
WAYS = ("clean", "published")
"""How a unit is ablated; see ``ablation``."""
PERTURBED = ("weights", "tau", "noise")
"""What is perturbed; see ``perturbation``."""
KINDS = ("length", "input", "n")
"""In what the trials differ from those of training; see ``generalisation``."""
SCOPES = ("network", "readout")
"""What is retrained; see ``generalisation``."""


@dataclass(frozen=True, kw_only=True)
class AnalysisSettings:
    """What every analysis can be told. The settings of an analysis are a subclass with fields of its own."""

    task_args: dict[str, Any] = field(
        default_factory=dict, metadata={"help": "arguments of the task that replace the run's"}
    )
    seed: int = field(
        default=0, metadata={"help": "seed of the trials and of all that the analysis draws", "range": (0, 2**31 - 2)}
    )
    device: str = field(default="cpu", metadata={"help": "where to compute: cpu, cuda, cuda:1", "check": device_name})

    def check(self) -> None:
        """Refuse values that no network could be analysed with.

        Raises:
            SettingsError: it names the setting, its value and what is allowed.
        """
        check_fields(self)


@dataclass(frozen=True, kw_only=True)
class ProbeSettings(AnalysisSettings):
    """How accuracy is measured. The defaults are those of the published analyses."""

    steps: int = field(
        default=1000,
        metadata={"help": "steps of a trial that are asked about, of tasks on a stream", "range": (1, 10**6)},
    )
    warm_up: int = field(default=100, metadata={"help": "steps before these, which do not count", "range": (0, 10**6)})
    trials: int = field(
        default=10, metadata={"help": "trials (other tasks: as many as have as many steps)", "range": (2, 10**5)}
    )
    task_args: dict[str, Any] = field(
        default_factory=dict, metadata={"help": "arguments of the task that replace the run's (default: p=0.5)"}
    )


@dataclass(frozen=True, kw_only=True)
class TimescaleSettings(AnalysisSettings):
    """How timescales are measured. The defaults are those of the published protocol."""

    steps: int = field(default=100_000, metadata={"help": "steps of a trial that are measured", "range": (1, 10**8)})
    trials: int = field(default=10, metadata={"help": "trials", "range": (1, 10_000)})
    burn_in: int = field(
        default=500, metadata={"help": "steps before these, which are not measured", "range": (0, 10**6)}
    )
    lags: int = field(
        default=30, metadata={"help": "largest lag of the autocorrelation that is fitted", "range": (4, 1_000)}
    )
    divisor: str = field(
        default="pairs",
        metadata={
            "help": "divisor of the sum over n - k pairs of steps at lag k: n - k, or the published n - 1 - k",
            "choices": DIVISORS,
        },
    )
    probabilities: str = field(
        default="spaced",
        metadata={
            "help": "p of the trials of parity and dms, unless --task-args sets it: spaced evenly between 0 and 1, or "
            "drawn from there at random for each, as published",
            "choices": PROBABILITIES,
        },
    )
    on: str = field(
        default="output", metadata={"help": "activity that is measured: output, state, or a part that the cell names"}
    )
    task_args: dict[str, Any] = field(
        default_factory=dict,
        metadata={"help": "arguments of the task that replace the run's"},
    )

    def check(self) -> None:
        super().check()
        if self.steps < 10 * self.lags:
            raise SettingsError(
                "steps", f"steps must be at least 10 lags = {10 * self.lags} for a fit, got {self.steps}"
            )


@dataclass(frozen=True, kw_only=True)
class AblationSettings(ProbeSettings):
    """Which units are ablated, and how."""

    way: str = field(
        default="clean",
        metadata={
            "help": "clean: nothing hears the unit. published: its weights are cut, but for its biases and all "
            "readouts except the first (leaky cells only)",
            "choices": WAYS,
        },
    )
    by: str = field(
        default="tau",
        metadata={
            "help": "order of units: tau (slowest, fastest and random) or random alone",
            "choices": ("tau", "random"),
        },
    )
    singles: int | None = field(
        default=None,
        metadata={
            "help": "units of each selection that are ablated one at a time (default: 20, or all there are)",
            "range": (0, 10**6),
        },
    )
    groups: tuple[int, ...] | None = field(
        default=None,
        metadata={
            "help": "sizes of groups ablated at once (default: 2, 5, 10, 20, where units stay)",
            "range": (1, 10**6),
        },
    )
    repetitions: int = field(default=5, metadata={"help": "random groups of each size", "range": (1, 10_000)})


@dataclass(frozen=True, kw_only=True)
class PerturbationSettings(ProbeSettings):
    """What is perturbed, and how much."""

    of: tuple[str, ...] = field(
        default=(), metadata={"help": "what is perturbed (default: all that the cell has)", "choices": PERTURBED}
    )
    sizes: tuple[float, ...] = field(
        default=(0.01, 0.0215, 0.0464, 0.1, 0.215, 0.464, 1.0),
        metadata={"help": "each eps (default: 0.01 to 1)", "range": (0.0, 1e6)},
    )
    repetitions: int = field(default=10, metadata={"help": "draws of each size", "range": (1, 1_000)})
    parameter: str | None = field(
        default=None, metadata={"help": "name of the recurrent weights, for a cell of yours (ours are known)"}
    )


@dataclass(frozen=True, kw_only=True)
class GeneralisationSettings(ProbeSettings):
    """What is tried that the network was not trained on."""

    kinds: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "in what trials differ from those of training (default: all that the task has)",
            "choices": KINDS,
        },
    )
    lengths: tuple[float, ...] = field(
        default=(2, 4, 8, 16, 32, 64),
        metadata={"help": "lengths of trials in multiples of N (default: 2 to 64)", "range": (2.0, 1e5)},
    )
    ns: tuple[int, ...] = field(
        default=(),
        metadata={
            "help": "each N to retrain on (default: 1, 1.25, 1.5 and 2 times the checkpoint's, and one more)",
            "range": (1, 10**6),
        },
    )
    updates: int = field(
        default=200,
        metadata={"help": "updates of retraining on each N, from the same checkpoint", "range": (0, 10**9)},
    )
    scopes: tuple[str, ...] = field(
        default=SCOPES, metadata={"help": "what is retrained (default: each by itself)", "choices": SCOPES}
    )
    learning_rate: float | None = field(
        default=None, metadata={"help": "learning rate of retraining (default: the recipe's)", "range": (1e-9, 10.0)}
    )


@dataclass(frozen=True, kw_only=True)
class ForgettingSettings(ProbeSettings):
    """What is asked."""

    ns: tuple[int, ...] = field(
        default=(), metadata={"help": "each N to ask (default: all up to the checkpoint's)", "range": (1, 10**6)}
    )
    fit_trials: int = field(
        default=20,
        metadata={"help": "trials that the readouts are fitted to, of --steps steps", "range": (2, 10**5)},
    )


@dataclass(frozen=True, kw_only=True)
class GeometrySettings(AnalysisSettings):
    """What is simulated, and which points are sought."""

    trials: int = field(
        default=64,
        metadata={
            "help": "trials whose states are analysed; as many more serve for the noise",
            "range": (2, 10**5),
        },
    )
    steps: int | None = field(
        default=None,
        metadata={"help": "steps of a trial of a stream (default: the task's, 4 N)", "range": (1, 10**6)},
    )
    points: int = field(
        default=100,
        metadata={
            "help": "starts of each of the two searches for fixed and slow points: every other one between two visited "
            "states, the rest on a visited state, without and with noise",
            "range": (1, 10**5),
        },
    )
    held: tuple[float, ...] = field(
        default=(),
        metadata={
            "help": "constant input under which points are sought (default: zeros; evidence: go where it is on)",
            "range": (-1e9, 1e9),
        },
    )
    exponent_steps: int = field(
        default=500, metadata={"help": "steps over which the Lyapunov exponents are measured", "range": (1, 10**6)}
    )


@dataclass(frozen=True, kw_only=True)
class RegisterSettings(ProbeSettings):
    """How places of a shift register are sought."""

    steps: int = field(default=500, metadata={"help": "steps of a trial that are measured", "range": (20, 10**6)})
    warm_up: int = field(
        default=300, metadata={"help": "steps before these, at least N, which are not measured", "range": (0, 10**6)}
    )
    trials: int = field(
        default=64, metadata={"help": "trials; decoders are fitted to half of them", "range": (2, 10**5)}
    )
    level: float = field(
        default=0.25,
        metadata={"help": "share of its variance from which a unit is said to hold a place", "range": (0.0, 1.0)},
    )
    permutations: int = field(
        default=20, metadata={"help": "permutations of the units, for the control of weights", "range": (1, 10_000)}
    )


SETTINGS: dict[str, type[AnalysisSettings]] = {
    "timescales": TimescaleSettings,
    "ablation": AblationSettings,
    "perturbation": PerturbationSettings,
    "generalisation": GeneralisationSettings,
    "forgetting": ForgettingSettings,
    "geometry": GeometrySettings,
    "register": RegisterSettings,
}
"""Name of the analysis -> its dataclass of settings. The analyses themselves, by the same names: ``ANALYSES``."""
