"""
What did a network learn?
=========================

A trained network answers well. How does it do that? In this tutorial we train a small network to remember three bits,
open it, and try five things: we look at its activity, we draw its activity in three dimensions, we silence single
units, we change its time constants, and we ask what can be read out of it.

You need ``pip install ".[baselines]"``. Everything here takes about 20 seconds of one processor core.
"""

# %%
# Train a network and load it
# ---------------------------
#
# The task is the flip-flop: three channels show pulses of +1 or -1, and the network always has to say the sign of
# each channel's last pulse. Here a channel pulses at each step with probability 0.1, so a bit may have to be held for
# any number of steps.
#
# The network is a leaky RNN with 64 units. Each unit has its own time constant, tau, which is trained too::
#
#    h(t) = phi[ (1 - 1/tau) h(t-1) + (W h(t-1) + b + W_in x(t) + b_in) / tau ]
#
# Here phi is a leaky ReLU: positive numbers stay, negative ones are multiplied by 0.01.
#
# ``TrainingRun`` trains it into a *run folder*, as ``python -m baselines train`` does. The folder holds the settings,
# the curves and the weights, so that you can come back to it later. ``load_network`` gives the network and the task
# that it was trained on.

import copy
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from baselines.cells import LeakyTauRNN
from baselines.evaluation import evaluate
from baselines.network import Intervention, NetworkAgent, RecurrentNetwork, head_keys
from baselines.training.bptt_settings import Settings
from baselines.training.loading import load_network
from baselines.training.run import TrainingRun

torch.set_num_threads(1)  # for networks as small as ours, more threads only wait for each other
Floats = npt.NDArray[np.float64]

folder = Path(tempfile.mkdtemp()) / "flip-flop"
settings = Settings(
    task="flip-flop",
    task_args={"pulse_probability": 0.1},
    cell="leaky",
    curriculum="none-single",  # N from the start, instead of one N after another
    n_max=16,
    threshold=0.99,
    overrides={"units": 64, "test_every": 20},
    seed=0,
    out=folder,
)
run = TrainingRun(settings)
for progress in run.train():
    print(f"update {progress.report.update}: loss {progress.report.loss:.3f}")
run.finish()
print(f"{run.status}, {run.cpu_seconds:.0f} CPU seconds")

network, task = load_network(folder)
network.requires_grad_(False)
print(task)

# %%
# The activity is an array
# ------------------------
#
# A network is called with the inputs of whole trials. What comes back has everything that happened: ``outputs`` (what
# the units put out), ``states`` (what is carried to the next step; here the same), and ``answers``. Their axes are
# steps, trials, and units. From here on any tool for arrays will do.

heads = head_keys(task)
trials = task.batch(seed=1_000_000_000, index=0, size=200)  # trials that training has not seen
inputs, targets = torch.from_numpy(trials.inputs), torch.from_numpy(trials.targets.copy())

rollout = network(inputs, heads)
activity = rollout.outputs.double().numpy()
print("activity (steps, trials, units):", activity.shape)
correct = network.correct(rollout.answers, targets)
print(f"right answers: {correct.double().mean():.4f}")

figure, panels = plt.subplots(2, 1, figsize=(8, 4.6), sharex=True, layout="constrained", height_ratios=[1, 2])
for channel in range(3):
    panels[0].plot(trials.inputs[:, 0, channel] * 0.4 + 2 - channel, drawstyle="steps-mid", lw=1)
panels[0].set(yticks=[2, 1, 0], yticklabels=task.channels, title="what is shown in one trial")
image = panels[1].imshow(activity[:, 0].T, aspect="auto", interpolation="nearest", cmap="viridis")
panels[1].set(xlabel="step of the trial", ylabel="unit", title="what the units do")
bar = figure.colorbar(image, ax=panels[1], label="activity")

# %%
# The picture shows the main thing already. A pulse changes the activity for a few steps. Then it settles, and stays
# as it is until the next pulse.
#
# Principal components, coloured by what is held
# ----------------------------------------------
#
# Three bits make eight combinations. Does the activity have eight places, one for each? We find the three directions
# in which the activity varies most (its principal components) and draw the activity along them. The colour says which
# three bits should be held. Dots are steps at which the activity has settled: the last pulse of any channel was at
# least four steps ago. The black line has all steps of one trial.

flat = activity.reshape(-1, activity.shape[-1])
centre = flat.mean(axis=0)
_, sizes, axes_of_activity = np.linalg.svd(flat - centre, full_matrices=False)
shares = sizes**2 / (sizes**2).sum()
print("share of the variance along the first five components:", np.round(shares[:5], 3))

held = (trials.targets * np.array([1, 2, 4])).sum(axis=-1)  # (steps, trials): 0 to 7
steps = np.arange(task.num_steps)[:, None]
pulse_times = np.maximum.accumulate(np.where((trials.inputs != 0).any(axis=-1), steps, 0))
settled = steps - pulse_times >= 4
along = (activity - centre) @ axes_of_activity[:3].T  # (steps, trials, 3)

figure = plt.figure(figsize=(6.6, 5.4))
space = figure.add_subplot(projection="3d")
for label in range(8):
    here = along[(held == label) & settled]
    bits = " ".join("+" if label >> bit & 1 else "-" for bit in range(3))
    space.scatter(*here.T, s=6, lw=0, color=plt.get_cmap("tab10")(label), label=bits)
space.plot(*along[:, 0].T, color="black", lw=0.8)
space.view_init(elev=18, azim=-62)
space.set(xlabel="component 1", ylabel="component 2", zlabel="component 3")
space.locator_params(nbins=5)
space.legend(title="bits held", loc="center left", bbox_to_anchor=(1.05, 0.5), markerscale=3, frameon=False)
figure.subplots_adjust(left=-0.04, right=0.82, bottom=0.02, top=1.06)

# %%
# There are eight clouds, at the corners of a cube that is a little bent: neighbouring corners differ in one bit. The
# trial goes from corner to corner. How far apart are the clouds? We compare the distance of their centres with their
# width, in all 64 dimensions: the root mean squared distance of a cloud's points from its centre.

for words, chosen in (("all steps", settled | ~settled), ("settled steps", settled)):
    clouds = [activity[(held == label) & chosen] for label in range(8)]
    means = np.array([cloud.mean(axis=0) for cloud in clouds])
    between = np.linalg.norm(means[:, None] - means, axis=-1)[np.triu_indices(8, 1)]
    width = np.sqrt(np.mean([((cloud - cloud.mean(axis=0)) ** 2).sum(axis=-1).mean() for cloud in clouds]))
    print(f"{words}: centres {between.min():.2f} to {between.max():.2f} apart, width of a cloud {width:.2f}")

# %%
# Lesions of single units
# -----------------------
#
# Which units does the memory rest on? We silence one unit at a time and let the network answer the same trials again.
# An ``Intervention`` is a function ``(t, state) -> state``. It is called before every step, and the network goes on
# from what it returns. This is the one hook for lesions, noise, or holding a unit at a value. The readouts must not
# hear the unit either.


def accuracy(keep: Tensor) -> float:
    """Share of right answers where ``keep`` is 1 for units that work and 0 for units that are silent, (U,)."""
    silence: Intervention = lambda t, state: state * keep  # noqa: E731
    outputs = network(inputs, heads, intervention=silence).outputs
    return float(network.correct(network.read(outputs * keep, heads), targets).double().mean())


units = network.cell.output_size
whole = accuracy(torch.ones(units))
single = np.array([accuracy(1 - torch.eye(units)[unit]) for unit in range(units)])
loss = whole - single
order = np.argsort(-loss)
print(f"without a lesion: {whole:.4f}")
print("the three units whose loss costs most:", [f"{unit}: {single[unit]:.3f}" for unit in order[:3]])
print(f"units whose loss costs less than 0.01: {(loss < 0.01).sum()} of {units}")

generator = np.random.default_rng(0)
counts = (0, 1, 2, 4, 8, 16, 32)
groups = []
for count in counts:
    keeps = torch.ones(10, units)
    for keep in keeps:
        keep[generator.permutation(units)[:count]] = 0
    groups.append([accuracy(keep) for keep in keeps])

figure, (left, right) = plt.subplots(1, 2, figsize=(8.5, 3.6), layout="constrained", sharey=True)
left.plot(np.arange(units), single[order], "o", ms=3)
left.axhline(whole, color="grey", ls=":", lw=1)
left.set(
    xlabel="unit that is silent, the worst loss first", ylabel="share of right answers", title="one unit at a time"
)
right.plot(counts, np.mean(groups, axis=1), "o-")
right.fill_between(counts, np.min(groups, axis=1), np.max(groups, axis=1), alpha=0.2, lw=0)
right.axhline(0.5, color="grey", ls=":", lw=1)
right.text(0, 0.51, "guessing", color="grey")
right.set(xlabel="units silent at once, drawn at random", title="groups (shaded: least to most of 10 draws)")
right.title.set_fontsize("medium")

# %%
# No single unit holds a bit: without its most important unit the network is still right in about nine of ten answers.
# The memory is spread over many units, and accuracy falls step by step as more of them are lost. ``python -m
# baselines analyze RUN --what ablation`` does this with published protocols.
#
# Change the time constants
# -------------------------
#
# A unit with a large tau changes slowly. Does the network need the time constants that it has learnt? We make a copy,
# multiply all tau by a factor, leave everything else as it is, and look at accuracy by *lag*: the steps since the
# pulse that is asked about.


def with_slower_units(factor: float) -> RecurrentNetwork:
    """A copy of the network with every tau multiplied by ``factor``."""
    changed = copy.deepcopy(network)
    cell = changed.cell
    assert isinstance(cell, LeakyTauRNN)
    assert cell.tau is not None
    cell.tau.copy_(cell.time_constants * factor)
    return changed


assert isinstance(network.cell, LeakyTauRNN)
tau = network.cell.time_constants.numpy()
print(f"trained tau: {tau.min():.2f} to {tau.max():.2f} steps, mean {tau.mean():.2f}")

figure, axes = plt.subplots(figsize=(6, 3.8), layout="constrained")
for factor in (1.0, 1.5, 2.0, 3.0):
    played = evaluate(NetworkAgent(with_slower_units(factor), task), task, episodes=200, seed=1_000_000_000)
    early = [one for one in played.by_lag if one.lag <= 20]
    axes.plot([one.lag for one in early], [one.accuracy for one in early], "o-", ms=3, label=f"tau times {factor:g}")
    print(
        f"tau times {factor:g}: share right at lag 0, 5 and 20:", [f"{early[lag].accuracy:.3f}" for lag in (0, 5, 20)]
    )
axes.axhline(0.5, color="grey", ls=":", lw=1)
axes.set(
    xlabel="lag: steps since the pulse that is asked about", ylabel="share of right answers", xticks=range(0, 21, 4)
)
axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 0.08))
axes.grid(alpha=0.3)

# %%
# Slower units do harm, but not in the way that one may expect: accuracy hardly falls with the lag. The memory does
# not fade faster; the right answer is often missing at lag 0 already. The equation says why this can be. Where a unit
# is active and at rest, h = W h + b + b_in: there is no tau in it, so the places where the network rests hardly move.
# But a pulse lasts one step only, and in one step it moves a slower unit less: by 1/tau of what it did.

# %%
# What can be read out?
# ---------------------
#
# A readout that was never trained with the network can tell what the activity holds. We fit a linear one by least
# squares on half of the trials and test it on the other half. We ask two questions about the first channel:
#
# - the sign of its **last** pulse, which the network was trained to report;
# - the sign of the pulse **before** that, which nobody ever asked for.
#
# A random network remembers its inputs for some steps too. So we ask an *untrained* network of the same size as well:
# only what the trained one holds beyond that was learnt.


def signs_of_pulses(shown: npt.NDArray[np.float32]) -> tuple[Floats, Floats, npt.NDArray[np.int64]]:
    """The last and the last but one sign (0: there is none yet), and steps since the last pulse: (T, B) each."""
    last, before, since = (np.zeros(shown.shape) for _ in range(3))
    for t in range(len(shown)):
        pulse = shown[t] != 0
        if t:
            last[t], before[t], since[t] = last[t - 1], before[t - 1], since[t - 1] + 1
        before[t, pulse], last[t, pulse], since[t, pulse] = last[t, pulse], shown[t, pulse], 0
    return last, before, since.astype(np.int64)


def decoded(states: Floats, signs: Floats) -> npt.NDArray[np.bool_]:
    """Whether a linear readout, fitted to the first half of the trials, is right in the others: (T, B / 2)."""
    half = states.shape[1] // 2
    samples = np.concatenate([states, np.ones((*states.shape[:2], 1))], axis=-1)  # the last weight is a constant
    known = signs[:, :half] != 0
    weights, *_ = np.linalg.lstsq(samples[:, :half][known], signs[:, :half][known], rcond=None)
    return np.sign(samples[:, half:] @ weights) == signs[:, half:]


untrained = settings.plan().new_network().requires_grad_(False)
random_activity = untrained.unroll(inputs, untrained.cell.initial_state(200))[0].double().numpy()
last, before, since = signs_of_pulses(trials.inputs[..., 0])
tested = before[:, 100:] != 0  # steps at which both questions have an answer

figure, axes = plt.subplots(figsize=(6, 3.8), layout="constrained")
for words, states, look in (("trained", activity, "-"), ("untrained", random_activity, "--")):
    for index, (question, signs) in enumerate((("last pulse", last), ("pulse before that", before))):
        right = decoded(states, signs)
        lags = np.arange(16)
        shares_right = [right[tested & (since[:, 100:] == lag)].mean() for lag in lags]
        some = [f"{shares_right[lag]:.2f}" for lag in (0, 5, 12)]
        print(f"{words}, {question}: {right[tested].mean():.2f} right; 0, 5 and 12 steps after the last pulse:", some)
        axes.plot(lags, shares_right, f"o{look}", ms=3, color=f"C{index}", label=f"{words}, {question}")
axes.axhline(0.5, color="grey", ls=":", lw=1)
axes.set(xlabel="steps since the last pulse", ylabel="share decoded right", ylim=(0.4, 1.03))
axes.legend(frameon=False, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1))
axes.grid(alpha=0.3)

# %%
# Read this figure with care:
#
# - The trained network still has the last sign after 15 steps, with small losses. The untrained network has it too at
#   first, but after 12 steps nothing is left. At small lags, then, good decoding is no sign of learning.
# - The pulse *before* the last one can still be decoded for some steps, while the activity moves to its new place.
#   Then it is gone: the network forgets what nobody asks for. (The two signs are independent, so 0.5 is guessing.)
# - Decoding shows that something *can* be read out. It does not show that the network *uses* it: for that, change the
#   activity and see what happens to the answers, as the lesions did.
#
# Where to go on
# --------------
#
# ``python -m baselines analyze RUN --what geometry`` finds the fixed points behind the eight clouds and says which
# are stable. The other analyses are ``timescales``, ``ablation``, ``perturbation``, ``generalisation`` and
# ``forgetting``. All of them take networks of your own as well: ``baselines.analysis.Subject(network, task)``.

plt.show()  # nothing more to see on the web page; as a script, this opens the figures
