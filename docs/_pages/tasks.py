"""A page for each task: its docstring, a trial played and drawn, and its exact reference scores drawn over memory."""

from __future__ import annotations

import io
import re
import textwrap
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image

from docs._pages.files import GENERATED, STYLE, put, put_figure, table
from memory_envs import TASKS, MemoryEnv, ReferenceAgent, Task

DEMANDS = (4, 8, 16, 32)
"""Each N of which the reference scores are drawn."""

SLIP = 5
"""The subject of the picture gives the opposite answer at every fifth step, as the page says."""


def write(docs: Path) -> list[Path]:
    """Write the page of each task, its pictures, and the table of all tasks."""
    written = []
    for name, kind in TASKS.items():
        picture, words = play(shown_task(kind))
        written += [
            put(docs / "tasks" / f"{name}.md", page(kind, words)),
            put(docs / GENERATED / f"trial-{name}.png", picture),
            put_figure(docs / GENERATED / f"reference-{name}.svg", reference_figure(kind)),
        ]
    return [*written, put(docs / GENERATED / "tasks.md", overview())]


def title(kind: type[Task]) -> str:
    """What a task is called in a heading: the words of its class's name."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind.__name__).capitalize()


def overview() -> str:
    """The table of all tasks and the list of their pages, to be included in a page of ``docs/tasks/``."""
    rows = []
    for name, kind in TASKS.items():
        task = kind()
        link = f"[{title(kind)}]({name}.md)"
        scores = score(task.chance_score), score(task.memoryless_score)
        rows.append([link, task.question, task.N, *scores, f"`{task.env_id}`"])
    pages = "\n".join(TASKS)
    header = ["task", "what is asked", "N", "guessing", "without memory", "id"]
    return f"{table(header, rows)}\n```{{toctree}}\n:hidden:\n\n{pages}\n```\n"


def score(value: float) -> str:
    """A score with three decimals, without those that say nothing."""
    return f"{round(value, 3) + 0.0:g}"


def page(kind: type[Task], words: str) -> str:
    """The page of a task, in MyST Markdown.

    Args:
        kind: the task's class; its docstring has a first line and sections under ``##`` headings.
        words: the trial of the picture as text.
    """
    name, task, shown = kind.name, kind(), shown_task(kind)
    first, *sections = re.split(r"^(?=## )", textwrap.dedent(" " * 4 + (kind.__doc__ or "")), flags=re.MULTILINE)
    facts = [
        ("Gymnasium id", f"`{kind.env_id}`"),
        ("Task", f"{{py:class}}`memory_envs.{kind.__name__}`, short name `{name}`"),
        ("Memory demand", f"`N`, {task.N} by default, at least {kind.least_N}"),
        ("Observations", f"`{task.observation_space}`: {', '.join(task.channels)}"),
        ("Actions", f"`{task.action_space}`"),
        ("Score of a perfect subject", score(kind.perfect_score)),
        ("Score of guessing", score(task.chance_score)),
        ("Best score without memory", score(task.memoryless_score)),
    ]
    arguments = ", ".join(f"{key}={value!r}" for key, value in shown.to_dict().items() if key != "task")
    picture = f"""
The picture below is one trial, `{kind.__name__}({arguments})`, played by a subject that remembers all it needs but
gives the opposite answer at every fifth step.

```{{container}} scroll
![One trial of {title(kind)}, drawn step by step; the same trial follows as text](../{GENERATED}/trial-{name}.png)
```

<details><summary>The same trial as text</summary>

```text
{words}
```

</details>
"""
    curve = f"""
```{{figure}} ../{GENERATED}/reference-{name}.svg
:alt: {title(kind)}, best expected score against the steps that a subject remembers, one line for each N; all rise to 1

The best expected score of a subject that remembers the last *k* inputs, `task.reference_score(memory=k)`, for several
N and otherwise the default arguments. A score on one of these lines is worth *k* steps of memory
(`task.equivalent_memory(score)`).
```
"""
    body = ""
    for section in sections:
        body += f"\n{section.strip()}\n"
        body += curve if section.startswith("## Reference scores") else ""
    return f"# {title(kind)}\n\n{first.strip()}\n\n{table(['', 'with the default arguments'], facts)}{picture}{body}"


def shown_task(kind: type[Task]) -> Task:
    """A task whose trial is short enough for a picture: 16 steps of a stream with N = 4, else a trial of N = 12."""
    least = kind.least_N
    return kind(N=max(4, least), num_steps=16) if kind().free_length else kind(N=max(12, least))  # type: ignore[call-arg]


def play(task: Task) -> tuple[bytes, str]:
    """One trial, played to its end by a perfect subject with slips: a picture (PNG) and the same as text."""
    perfect, drawn = ReferenceAgent(task), []
    for mode in ("rgb_array", "ansi"):
        env = MemoryEnv(task, render_mode=mode)
        observation, _ = env.reset(seed=2)
        state, step, over = None, 0, False
        while not over:
            step += 1
            action, state = perfect.predict(observation, state)
            if step % SLIP == 0:
                action = -action if task.real_valued else 1 - action
            observation, _, over, _, _ = env.step(action)
        drawn.append(env.render())
    out = io.BytesIO()
    Image.fromarray(np.asarray(drawn[0])).save(out, format="png", optimize=True)
    return out.getvalue(), str(drawn[1])


@matplotlib.rc_context(STYLE)
def reference_figure(kind: type[Task]) -> Figure:
    """``reference_score(memory=k)`` over k for each N of ``DEMANDS`` that the task can have."""
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.subplots()
    colours = matplotlib.colormaps["viridis"]
    demands = [n for n in DEMANDS if n >= kind.least_N]
    for i, n in enumerate(demands):
        task = kind(N=n)
        memory = range(task.horizon + 1)
        scores = [task.reference_score(k) for k in memory]
        how: dict[str, Any] = {"color": colours(0.9 * i / max(len(demands) - 1, 1)), "marker": "os^D"[i % 4], "ms": 4}
        axes.plot(memory, scores, label=f"N = {n}", **how)
    axes.axhline(kind().chance_score, color="0.5", ls=":", lw=1, label="guessing")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="memory k (steps, the current one included)", ylabel="best expected score")
    figure.legend(loc="outside right center")
    return figure
