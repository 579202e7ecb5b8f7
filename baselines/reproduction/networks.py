"""Experiments on trained networks: timescales of their activity, what they rest on and stand, what they forgot."""

from __future__ import annotations

from baselines.analysis import style
from baselines.reproduction import probes, published
from baselines.reproduction.experiment import Experiment, Quantity, Scale
from baselines.reproduction.statements import Changes, Close, Larger, Published, Statement
from baselines.reproduction.ways import MULTI, P1, SINGLE, above, over_n, parts

_TAU_NET: list[Statement] = [
    *(
        Changes(words=f"{curriculum}: mean tau_net grows with N", of=("mean tau_net", curriculum), rises=True)
        for curriculum in (SINGLE, MULTI)
    ),
]
_SUMMARY = {
    "tau_net_mean": "mean tau_net",
    "tau_net_sd": "SD of tau_net",
    "tau_net_median": "median tau_net",
    "kept": "share of units kept",
}
_MET = [Close(words="the published numbers are met", quantity="mean tau_net")]


def _ablation(suffix: str) -> list[Statement]:
    single, multi = SINGLE + suffix, MULTI + suffix
    fast, slow = "accuracy, one of the fastest", "accuracy, one of the slowest"
    # At N = 30 the 20 slowest units had a mean tau of 5.3 with one head and of 1.95 with several.
    slower = above(f"{single} has slower units than {multi}", "tau of the slowest", single, multi)
    return [
        Larger(
            words=f"{single}: accuracy falls more without a slow unit than without a fast one",
            of=(fast, single),
            than=(slow, single),
            premise=slower,
        ),
        Larger(
            words=f"{multi}: accuracy falls more without a fast unit than without a slow one",
            of=(slow, multi),
            than=(fast, multi),
        ),
        Larger(
            words=f"without a slow unit, {multi} is more accurate than {single}",
            of=(slow, multi),
            than=(slow, single),
            premise=slower,
        ),
    ]


_PERTURBATION: list[Statement] = [
    above(
        "multi-head stands perturbed weights better (eps = 0.215)",
        "relative accuracy, weights perturbed",
        MULTI,
        SINGLE,
        0.215,
    ),
    above("multi-head stands perturbed tau better (eps = 0.1)", "relative accuracy, tau perturbed", MULTI, SINGLE, 0.1),
]
_FORGETTING: list[Statement] = [
    above(
        "as trained, multi-head answers N = 3 better than single-head",
        "accuracy, readout as trained",
        MULTI,
        SINGLE,
        3.0,
    ),
]


def _retraining(first: float, last: float) -> list[Statement]:
    return [
        above(f"multi-head lies above single-head at N = {n:g}", "accuracy after retraining", MULTI, SINGLE, float(n))
        for n in (first, last)
    ]


def _net_timescales(name: str, task: str, runs: str, ns: tuple[int, ...], values: Published) -> Experiment:
    return Experiment(
        name=name,
        title=f"How does the timescale of the activity grow with N in {task}?",
        claim="Mean tau_net grows with N in both curricula." if values else "No values were available to us.",
        source=f"{P1}: read off figures",
        scales={
            "small": Scale(
                parts=parts([runs], probes.net_timescales, ns=ns, quantities=_SUMMARY, steps=10_000, trials=10),
                statements=_TAU_NET if values else [],
                cpu_minutes=5,
                note="Here 10 trials of 10,000 steps (published: 100,000).",
            ),
            "full": Scale(
                parts=parts([runs], probes.net_timescales, ns=(5, 10, 15, 20, 25, 30), quantities=_SUMMARY),
                statements=[*_TAU_NET, *_MET] if values else [],
                cpu_minutes=50,
            ),
        },
        quantities=over_n(
            ("mean tau_net", "mean tau_net (steps)"),
            ("SD of tau_net", "SD of tau_net over units (steps)"),
            ("median tau_net", "median tau_net (steps)"),
            ("share of units kept", "share of units with tau_net > 1"),
        ),
        published=values,
    )


NETWORKS = [
    _net_timescales("tau-net", "parity", "parity-paper", (2, 5, 8, 10, 12), published.TAU_NET),
    _net_timescales("tau-net-dms", "dms", "dms-paper", (2, 4, 6, 8, 10), {}),
    Experiment(
        name="ablation",
        title="Which units does the memory rest on?",
        claim="Single-head networks rest on a few slow units; multi-head ones on their fast units.",
        source=f"{P1}: N = 30, single units, the 20 fastest and the 20 slowest, p = 0.5",
        scales={
            "small": Scale(
                parts=[
                    *parts(["parity-paper"], probes.ablations, n=8, singles=20, way="clean"),
                    *parts(
                        ["parity-paper"],
                        probes.ablations,
                        "{curriculum}, as published",
                        n=8,
                        singles=20,
                        way="published",
                    ),
                    *parts(
                        ["parity-single-fast", "parity-multi-fast"],
                        probes.ablations,
                        "{curriculum}, recipe fast",
                        n=11,
                        singles=20,
                        way="clean",
                    ),
                ],
                note="Here N = 8, with recipe fast N = 11. Clean: nothing hears the unit; as published: its weights "
                "are cut, but for its biases and all readouts but the first. The statements are about the clean way.",
                statements=[*_ablation(""), *_ablation(", recipe fast")],
                cpu_minutes=2,
            ),
            "full": Scale(
                parts=parts(
                    ["parity-paper"],
                    probes.ablations,
                    "{curriculum}, as published",
                    n=30,
                    singles=20,
                    way="published",
                ),
                statements=[
                    *_ablation(", as published"),
                    Close(words="the published numbers are met", quantity="accuracy, one of the slowest"),
                ],
                cpu_minutes=6,
            ),
        },
        quantities=[
            Quantity(name=name, label="tau (steps)" if name.startswith("tau") else "accuracy")
            for name in (
                "accuracy",
                "accuracy, one of the fastest",
                "accuracy, one of the slowest",
                "tau of the slowest",
            )
        ],
        published=published.ABLATION,
        note="One of the fastest (slowest, random): the mean over 20 units of which one at a time is ablated.",
    ),
    Experiment(
        name="perturbation",
        title="Which perturbations does the memory stand?",
        claim="Multi-head networks stand larger perturbations of W and of tau than single-head ones.",
        source=f"{P1}: N = 30, relative accuracy",
        scales={
            "small": Scale(
                parts=parts(["parity-paper"], probes.perturbations, n=8, repetitions=10),
                note="Here N = 8.",
                statements=_PERTURBATION,
                cpu_minutes=1.5,
            ),
            "full": Scale(
                parts=parts(["parity-paper"], probes.perturbations, n=30, repetitions=10),
                statements=[
                    *_PERTURBATION,
                    Close(
                        words="with perturbed W the published numbers are met",
                        quantity="relative accuracy, weights perturbed",
                        least=0.05,
                    ),
                    Close(
                        words="with perturbed tau the published numbers are met",
                        quantity="relative accuracy, tau perturbed",
                        least=0.05,
                    ),
                ],
                cpu_minutes=10,
            ),
        },
        quantities=[
            Quantity(
                name=f"relative accuracy, {kind} perturbed",
                label=style.RELATIVE,
                x=f"size eps of the perturbation of {kind}",
                log="x",
            )
            for kind in ("weights", "tau")
        ],
        published=published.PERTURBATION,
    ),
    Experiment(
        name="retraining",
        title="How soon is another N learned?",
        claim="Retrained for 20 epochs on one larger N, networks of the multi-head curriculum are more accurate "
        "throughout.",
        source=f"{P1}: from N = 16 to each of 17 to 46; no numbers published",
        scales={
            "small": Scale(
                parts=parts(["parity-paper"], probes.retraining, n=8, ns=(9, 10, 12, 14, 16), updates=1_200),
                statements=_retraining(9, 16),
                cpu_minutes=12,
                note="Here from N = 8, for 1,200 updates (2 epochs).",
            ),
            "full": Scale(
                parts=parts(["parity-paper"], probes.retraining, n=16, ns=(17, 24, 32, 46), updates=12_000),
                statements=_retraining(17, 46),
                cpu_minutes=2_500,
            ),
        },
        quantities=over_n(("accuracy after retraining", "accuracy after retraining")),
    ),
    Experiment(
        name="forgetting",
        title="Are smaller N forgotten?",
        claim="A single-head network trained on N no longer solves smaller N.",
        source=f"{P1}: no test is published, the one here is ours",
        scales={
            scale: Scale(
                parts=parts(["parity-paper"], probes.forgotten, n=n),
                statements=_FORGETTING,
                cpu_minutes=minutes,
                note=f"Here the networks were trained up to N = {n}.",
            )
            for scale, n, minutes in (("small", 8, 1.0), ("full", 30, 20.0))
        },
        quantities=over_n(
            ("accuracy, readout as trained", "accuracy, readout as trained"),
            ("accuracy, readout refitted", "accuracy, readout refitted"),
        ),
    ),
    Experiment(
        name="dimensionality",
        title="How many dimensions has the activity?",
        claim="No values were available to us (the published ones are one less than the number of components).",
        source=f"{P1}: principal components for 90 % of the variance",
        scales={
            "small": Scale(
                parts=parts(["parity-paper"], probes.dimensions, ns=(2, 5, 8, 10, 12), trials=10, steps=1_000),
                statements=[],
            ),
            "full": Scale(
                parts=parts(["parity-paper"], probes.dimensions, ns=(2, 5, 10, 15, 20, 25, 30), trials=10, steps=5_000),
                statements=[],
                cpu_minutes=5,
            ),
        },
        quantities=over_n(
            ("dimensions for 90 %", "components for 90 % of the variance"),
            ("participation ratio", "participation ratio"),
        ),
    ),
]
"""The experiments."""
