"""
How much does an agent remember?
================================

A score such as 0.87 does not say how much an agent remembers. In this tutorial we turn a score into a number of
steps. We look at one trial of a task, work out what the best possible agents with a short memory would score, and use
them as a ruler. Then we measure a small network with this ruler while it learns.

You need ``pip install ".[baselines]"``. Everything here takes about 10 seconds of one processor core.
"""

# %%
# A trial
# -------
#
# The task is the *flip-flop*. There are three channels. Now and then a channel shows a pulse, +1 or -1. At every step
# the agent has to say, for each channel, the sign of the last pulse. Between two pulses the channel shows 0, so the
# answer has to be remembered.
#
# ``N`` is the memory demand in steps. With ``N=16`` the next pulse of a channel comes after 1 to 16 steps, all
# equally likely. So the last pulse is never more than 15 steps old.
#
# In all tasks of this project the actions of the agent do not change what comes next. So a trial can be written down
# before it is played: ``inputs`` is what is shown, ``targets`` is the right answer. Arrays have the axes steps,
# trials, and channels (or answers).

import matplotlib.pyplot as plt
import numpy as np
import torch

from baselines.cells import make_cell
from baselines.evaluation import evaluate
from baselines.network import NetworkAgent, RecurrentNetwork, answer_width
from baselines.training import recipes
from baselines.training.learner import Learner
from memory_envs import FlipFlop, Parity, RandomAgent, ReferenceAgent

torch.set_num_threads(1)  # for networks as small as ours, more threads only wait for each other

task = FlipFlop(N=16)
trials = task.batch(seed=0, index=0, size=1)
print("inputs ", trials.inputs.shape)
print("targets", trials.targets.shape)

figure, panels = plt.subplots(task.num_inputs, 1, figsize=(8, 4), sharex=True, layout="constrained")
steps = np.arange(task.num_steps)
for channel, axes in enumerate(panels):
    shown = trials.inputs[:, 0, channel]
    answer = 2 * trials.targets[:, 0, channel] - 1  # labels 0 and 1, drawn at -1 and +1
    axes.step(steps, answer, where="mid", color="C1", label="right answer")
    pulses = steps[shown != 0]
    axes.plot(pulses, shown[pulses], "o", color="C0", label="pulse that is shown")
    axes.set(ylabel=task.channels[channel], yticks=[-1, 0, 1], ylim=(-1.4, 1.4))
panels[-1].set_xlabel("step of the trial")
panels[0].legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, frameon=False)
for axes in panels:
    axes.grid(axis="x", alpha=0.3)

# %%
# Scores of agents that we understand
# -----------------------------------
#
# A right answer earns a little, a wrong one costs the same. The *score* is the mean return of an episode: 1 is
# perfect, and guessing gives 0.
#
# Three agents come with the package. Chance answers at random. An agent *without memory* sees the present input only:
# it is right when there is a pulse just now, and has to guess otherwise. A perfect agent remembers everything that it
# needs. ``evaluate`` plays each of them on the same 500 fresh trials.

EPISODES, SEED = 500, 1_000_000_000  # a seed that we use for nothing else

for words, agent in (
    ("chance", RandomAgent(task, seed=0)),
    ("without memory", ReferenceAgent(task, memory=1)),
    ("remembers 5 steps", ReferenceAgent(task, memory=5)),
    ("perfect", ReferenceAgent(task)),
):
    played = evaluate(agent, task, episodes=EPISODES, seed=SEED)
    low, high = played.score_interval
    print(f"{words:18} score {played.score:6.3f}  (95 % interval {low:6.3f} to {high:6.3f})")

# %%
# The ruler: reference scores
# ---------------------------
#
# ``task.reference_score(k)`` is the *exact* expected score of the best agent that remembers the last ``k`` inputs and
# no more. It is computed from the rules of the task, not simulated. The agents above agree with it, up to the noise
# of 500 trials:

for memory in (0, 1, 5, 16):
    print(f"memory of {memory:2} steps: expected score {task.reference_score(memory):.3f}")

# %%
# The whole curve is the ruler. It can be read in both directions. From left to right: what score does a memory of 5
# steps earn? From top to bottom: which memory is needed for a score of 0.8? The second reading is called *equivalent
# memory*: the agent scores *as if* it remembered so many steps.
#
# A second way to make scores comparable is ``normalise``. It moves the score so that 0 is the best without memory and
# 1 is perfect. Use it to compare different tasks. Use equivalent memory when you want an answer in steps.

score = 0.8
found = task.equivalent_memory(score)
print(f"score {score}: normalised {task.normalise(score):.3f}, equivalent memory {found:.2f} steps")

memories = np.arange(task.N + 1)
curve = [task.reference_score(int(memory)) for memory in memories]

figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
axes.plot(memories, curve, "o-", label="best agent with this memory (exact)")
axes.axhline(task.memoryless_score, color="grey", ls=":", lw=1)
axes.text(16, task.memoryless_score + 0.02, "without memory", ha="right", color="grey")
words = f"a score of {score} is worth {found:.1f} steps"
axes.plot([0, found, found], [score, score, 0], "--", color="C1", label=words)
axes.set(xlabel="steps remembered, the present one included", ylabel="expected score")
axes.set(xlim=(0, 16.3), ylim=(-0.02, 1.05))
axes.legend(loc="lower right", bbox_to_anchor=(1, 0.2))
axes.grid(alpha=0.3)

# %%
# A network that learns
# ---------------------
#
# Now an agent of which we do not know how much it remembers. It is a GRU with 32 units, trained by backpropagation
# through time. A ``Learner`` has everything that training changes. Each call of ``learn`` is one update on 64 new
# trials. We stop after some updates, let the network play, and ask for its equivalent memory. Its weights and its
# trials follow from the seeds, so your numbers should be close to these (different versions of PyTorch round
# differently).

cell = make_cell("gru", task.num_inputs, units=32, generator=torch.Generator().manual_seed(0))
network = RecurrentNetwork(cell, answer_width(task))
learner = Learner(network, task, recipes.find("trials", task.name, "gru"), seed=0)

updates, results = (0, 10, 20, 40, 60, 90, 120, 160, 200), []
for update in updates:
    while learner.update < update:
        learner.learn()
    played = evaluate(NetworkAgent(network, task), task, episodes=EPISODES, seed=SEED)
    results.append(played)
    low, high = played.equivalent_memory_interval
    print(
        f"{update:4} updates: score {played.score:6.3f}, normalised {played.normalised:6.3f}, "
        f"equivalent memory {played.equivalent_memory:5.2f} ({low:5.2f} to {high:5.2f}) steps"
    )

# %%
# The intervals are for 95 %. They tell how well 500 trials show what *this* network does. They do not tell what
# another network, trained from another seed, would have done: for that, train several.
#
# The normalised score is negative at first: an untrained network is worse than the best agent without memory, which
# has learnt to read the pulses.

figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
middle = np.array([played.equivalent_memory for played in results])
ends = np.array([played.equivalent_memory_interval for played in results]).T
axes.errorbar(updates, middle, abs(ends - middle), fmt="o-", capsize=3)
axes.axhline(task.N, color="grey", ls=":", lw=1)
axes.text(0, task.N + 0.2, f"perfect: N = {task.N} steps", color="grey")
axes.set(xlabel="updates of training", ylabel="equivalent memory (steps)", ylim=(0, task.N + 2))
axes.grid(alpha=0.3)

# %%
# Where does it forget? Accuracy by lag
# -------------------------------------
#
# Equivalent memory is one number for a whole agent. Two agents with the same number can forget in different ways. So
# an evaluation also has the accuracy by *lag*: how many steps ago the input was shown that the answer needs.
#
# We take the half-trained network after 40 updates, and compare it with the ideal agent that has about the same
# equivalent memory.

half = results[updates.index(40)]
memory = round(half.equivalent_memory)
ideal = evaluate(ReferenceAgent(task, memory=memory), task, episodes=EPISODES, seed=SEED)
print(f"network after 40 updates: equivalent memory {half.equivalent_memory:.2f} steps")
print(f"ideal memory of {memory} steps: equivalent memory {ideal.equivalent_memory:.2f} steps")

figure, axes = plt.subplots(figsize=(6, 4.2), layout="constrained")
for words, played in (
    (f"ideal memory of {memory} steps", ideal),
    ("network after 40 updates", half),
    (f"network after {updates[-1]} updates", results[-1]),
):
    lags = [one.lag for one in played.by_lag]
    accuracy = [one.accuracy for one in played.by_lag]
    low, high = np.array([one.interval for one in played.by_lag]).T
    (line,) = axes.plot(lags, accuracy, "o-", ms=4, label=words)
    axes.fill_between(lags, low, high, color=line.get_color(), alpha=0.2, lw=0)
    print(f"{words}: share right at lag 0, 5 and 15:", [f"{accuracy[lag]:.2f}" for lag in (0, 5, 15)])
axes.axhline(0.5, color="grey", ls=":", lw=1)
axes.text(0, 0.51, "guessing", color="grey")
axes.set(xlabel="lag: steps since the pulse that is asked about", ylabel="share of right answers", ylim=(0.45, 1.03))
axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), frameon=False)
axes.grid(alpha=0.3)

# %%
# The ideal agent falls off a cliff: it knows everything up to its last remembered step, and nothing beyond. The
# half-trained network fades: it forgets a little with every step, and is still better than guessing at the largest
# lags. The two have nearly the same score.
#
# Where the ruler is too short
# ----------------------------
#
# A score can only tell memories apart if they earn different scores. *Parity* asks whether the number of ones among
# the last ``N`` bits is odd. A memory of ``N - 1`` steps is worth nothing there: with one bit missing, both answers
# are equally likely.

parity = Parity(N=8)
print("parity, expected scores:", [parity.reference_score(memory) for memory in range(parity.N + 1)])
print("a score of 0.5 on parity:", parity.equivalent_memory(0.5), "steps")

# %%
# The curve of parity jumps from 0 to 1. Between the two, equivalent memory is a straight line from 0 to ``N`` steps
# by convention: read 4.0 steps as "half way", not as "remembers four bits". For parity and for delayed match to
# sample, ask instead which is the largest ``N`` that an agent solves. This is what the benchmark does (``python -m
# baselines benchmark``). The flip-flop, evidence accumulation and delayed addition have graded curves, on which
# equivalent memory means what it says.
#
# What to remember
# ----------------
#
# - ``task.reference_score(k)`` is exact, and it is the ruler; ``task.equivalent_memory(score)`` reads it backwards.
# - ``evaluate(agent, task, episodes=..., seed=...)`` takes anything that has the ``predict`` of Stable-Baselines3.
# - Look at the accuracy by lag before you say *how* an agent forgets.
# - Intervals over trials are not intervals over training runs.

plt.show()  # nothing more to see on the web page; as a script, this opens the figures
