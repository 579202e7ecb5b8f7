"""Drawings of a trial: what they say is exact, the future stays hidden, pictures of a task have one size."""

from __future__ import annotations

import os
import pickle
import string
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from gymnasium import error
from hypothesis import given, settings
from hypothesis import strategies as st

from memory_envs import TASKS, Parity, control
from memory_envs.rendering import TrialView, Window, font, pixels, tiles, to_pixels, to_text
from memory_envs.rendering.view import rows_to_draw


def trial(
    inputs: Any,
    targets: Any,
    answers: Any,
    counted: Any,
    *,
    answered: int,
    active: tuple[bool, ...] | None = None,
    num_steps: int | None = None,
    real_valued: bool = False,
    signed: tuple[bool, ...] = (),
    title: str = "MemoryParity-v0  N=3",
    question: str = "parity of the last 3 bits? (1: odd)",
    channels: tuple[str, ...] | None = None,
    heads: tuple[str, ...] | None = None,
) -> TrialView:
    """The first steps of a whole trial: inputs (T, I), targets and answers (T, H), counted (T,)."""
    inputs, targets, answers = (np.asarray(rows) for rows in (inputs, targets, answers))
    counted, over = np.asarray(counted, bool), answered == len(inputs)
    correct = np.abs(targets - answers) < 0.04
    paid = counted[:answered, None] & np.array(active or (True,) * targets.shape[1])
    return TrialView(
        title=title,
        question=question,
        channels=channels or tuple(f"channel {i}" for i in range(inputs.shape[1])),
        heads=heads or tuple(f"head {h}" for h in range(targets.shape[1])),
        active=active or (True,) * targets.shape[1],
        inputs=inputs[: answered + (not over)].astype(np.float32),
        targets=targets[:answered],
        counted=counted[:answered],
        answers=answers[:answered],
        correct=correct[:answered],
        num_steps=num_steps or len(inputs),
        real_valued=real_valued,
        score=float((2.0 * correct[:answered] - 1)[paid].sum() / max(1, counted.sum()) / targets.shape[1]),
        over=over,
        signed=signed,
    )


BITS = np.array([1, 0, 1, 1, 0, 0, 1, 0, 1, 1, 1, 0])
PARITY = np.array([[BITS[max(0, t - 2) : t + 1].sum() % 2] for t in range(12)])
SAID = PARITY ^ np.array([[0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]]).T


def parity(answered: int, answers: Any = SAID) -> TrialView:
    """A small trial of 3-parity with wrong answers at steps 1 (which does not count), 5 and 10."""
    counts = np.arange(12) >= 2
    return trial(BITS[:, None], PARITY, answers, counts, answered=answered, channels=("bit",), heads=("N=3",))


def random_trial(
    steps: int, num_heads: int, num_channels: int, answered: int, seed: int, kind: str, signed: bool = True
) -> TrialView:
    """A made-up trial of any size: ``kind`` is labels, noise (labels, inputs with decimals) or numbers."""
    random = np.random.default_rng(seed)
    inputs = random.integers(-1, 2, (steps, num_channels)).astype(np.float64)
    if kind != "labels":
        inputs[:, 0] = random.normal(0, 1, steps)
    shape = (2, steps, num_heads)
    rows = random.uniform(-1, 1, shape) if kind == "numbers" else random.integers(0, 2, shape)
    return trial(
        inputs,
        rows[0],
        rows[1],
        random.random(steps) < 0.7,
        answered=answered,
        active=tuple(random.random(num_heads) < 0.7),
        real_valued=kind == "numbers",
        signed=(True,) * num_channels if signed else (),
    )


sizes = st.fixed_dictionaries(
    {
        "steps": st.integers(1, 70),
        "num_heads": st.integers(1, 9),
        "num_channels": st.integers(1, 8),
        "seed": st.integers(0, 99),
        "kind": st.sampled_from(["labels", "noise", "numbers"]),
        "signed": st.booleans(),
    }
)


# Text


def test_text_of_a_trial_at_its_beginning() -> None:
    expected = """\
MemoryParity-v0  N=3
0 of at most 12 steps answered, 0 of 0 right, score +0.000

step            0
bit   shown     1
N=3   asked
      answered  ?
      right?

v right   X wrong   . does not count   ? to be answered"""
    assert to_text(parity(0)) == expected


def test_text_of_a_trial_in_its_middle() -> None:
    expected = """\
MemoryParity-v0  N=3
7 of at most 12 steps answered, 4 of 5 right, score +0.300

step            0         5
bit   shown     1 0 1 1 0 0 1 0
N=3   asked     . . 0 0 0 1 1
      answered  1 0 0 0 0 0 1 ?
      right?    . . v v v X v

v right   X wrong   . does not count   ? to be answered"""
    assert to_text(parity(7)) == expected


def test_text_of_a_trial_that_is_over() -> None:
    expected = """\
MemoryParity-v0  N=3
trial over, 12 steps answered, 8 of 10 right, score +0.600

step            0         5         10
bit   shown     1 0 1 1 0 0 1 0 1 1 1 0
N=3   asked     . . 0 0 0 1 1 1 0 0 1 0
      answered  1 0 0 0 0 0 1 1 0 0 0 0
      right?    . . v v v X v v v v X v

v right   X wrong   . does not count   ? to be answered"""
    assert to_text(parity(12)) == expected


def test_text_of_numbers_has_two_decimals() -> None:
    view = trial(
        inputs=[[0.25, 1, 0], [0, 0, 0], [-0.5, 1, 1], [0, 0, 1]],
        targets=[[0.0], [0.0], [-0.25], [-0.25]],
        answers=[[0.1], [-0.001], [-0.27], [-0.4]],
        counted=[False, False, True, True],
        answered=3,
        real_valued=True,
        signed=(True, False, False),
        title="MemoryDelayedAddition-v0  N=4",
        channels=("value", "cue", "go"),
        heads=("sum",),
    )
    expected = """\
MemoryDelayedAddition-v0  N=4
3 of at most 4 steps answered, 1 of 1 right, score +0.500

step                 0     1     2     3
value  shown      0.25     0 -0.50     0
cue    shown         1     0     1     0
go     shown         0     0     1     1
sum    asked         .     . -0.25
       answered   0.10  0.00 -0.27     ?
       right?        .     .     v

v right   X wrong   . does not count   ? to be answered"""
    assert to_text(view) == expected


def test_text_of_pulses_shows_signs_from_the_first_step_on() -> None:
    flat = np.ones((3, 2), int)
    inputs = [[1, 1], [0, 0], [-1, 0]]
    for answered in (0, 3):
        view = trial(inputs, flat, flat, [True] * 3, answered=answered, signed=(True, True))
        assert "channel 0  shown     +" in to_text(view)


def test_text_of_many_steps_and_heads_tells_what_is_left_out() -> None:
    ones = np.ones((50, 99), int)
    active = tuple(h < 40 for h in range(99))
    view = trial(np.ones((50, 1)), ones, ones, [True] * 50, answered=45, active=active, channels=("bit",))
    text = to_text(view)
    assert "< 14 earlier steps not drawn" in text
    assert "93 more heads (1530 of 1530 right) not drawn" in text
    assert [line.split()[1] for line in text.split("\n") if line.startswith("head")] == [
        "0",
        "1",
        "2",
        "37",
        "38",
        "39",
    ]
    assert "step             <   15        20        25" in text


@settings(max_examples=60, deadline=None)
@given(size=sizes, part=st.floats(0, 1))
def test_text_fits_and_its_marks_are_exact(size: dict[str, Any], part: float) -> None:
    view = random_trial(answered=round(part * size["steps"]), **size)
    lines = to_text(view).split("\n")
    assert max(map(len, lines)) <= 100
    assert all(line.isascii() for line in lines)
    assert f"{(view.counted[:, None] & view.active & view.correct).sum()} of " in lines[1]
    limit = 6 if size["kind"] == "labels" else 3
    heads = rows_to_draw(view.active, limit)
    drawn = ["".join(line.split()[1:]) for line in lines if line.split()[:1] == ["right?"]]
    blocks = len(drawn) // len(heads)
    for place, h in enumerate(heads):
        marks = "".join(drawn[place + len(heads) * block] for block in range(blocks))
        paid = view.counted & view.active[h]
        whole = "".join(np.where(paid, np.where(view.correct[:, h], "v", "X"), "."))
        assert whole.endswith(marks)
        assert len(marks) >= min(len(whole), 25)


# Pictures


def colours_of_steps(picture: tiles.Pixels, colour: tiles.Colour, cell: int, rows: slice, steps: int) -> list[bool]:
    """Whether a colour occurs in some rows of each step's column."""
    here = (picture[rows] == colour).all(axis=2).any(axis=0)
    columns = here[pixels._LEFT : pixels._LEFT + cell * steps]
    return [bool(column.any()) for column in columns.reshape(steps, cell)]


@settings(max_examples=60, deadline=None)
@given(size=sizes)
def test_pictures_of_a_trial_have_one_size(size: dict[str, Any]) -> None:
    steps = size["steps"]
    shapes = {to_pixels(random_trial(answered=t, **size)).shape for t in {0, 1, steps // 2, steps - 1, steps}}
    ((height, width, depth),) = shapes
    assert (height % 16, width % 16, depth) == (0, 0, 3)


def test_picture_size_does_not_depend_on_noise_or_on_which_heads_are_paid() -> None:
    def shape(noise: float, active: tuple[bool, ...], steps: int) -> tuple[int, ...]:
        labels = np.ones((steps, 2), int)
        inputs = np.ones((steps, 1)) + noise
        view = trial(inputs, labels, labels, [True] * steps, answered=steps - 1, active=active, signed=(True,))
        return to_pixels(view).shape

    for steps in (5, 19, 20, 25, 31, 40):
        assert shape(0, (True, True), steps) == shape(0.3, (True, False), steps)


def test_marks_of_a_picture_are_exact() -> None:
    view = parity(9)
    picture = to_pixels(view)
    above_legend = slice(pixels._TOP, picture.shape[0] - 48)
    right = colours_of_steps(picture, tiles.RIGHT, 48, above_legend, 12)
    wrong = colours_of_steps(picture, tiles.WRONG, 48, above_legend, 12)
    assert [t for t in range(12) if wrong[t]] == [5]
    assert [t for t in range(12) if right[t]] == [2, 3, 4, 6, 7, 8]


def test_a_right_and_a_wrong_answer_look_different() -> None:
    other = SAID.copy()
    other[6] ^= 1
    a, b = to_pixels(parity(7)), to_pixels(parity(7, other))
    changed = np.flatnonzero((a != b).any(axis=(0, 2)))
    column = pixels._LEFT + 6 * 48
    in_grid = changed[(changed >= pixels._LEFT) & (changed < pixels._LEFT + 7 * 48)]
    assert ((a != b).any(axis=2)[pixels._TOP :].any(axis=0).nonzero()[0] >= column).all()
    assert len(in_grid) > 0


def test_what_is_to_come_is_not_drawn() -> None:
    picture = to_pixels(parity(4))
    future = picture[pixels._TOP : pixels._TOP + 30, pixels._LEFT + 5 * 48 : pixels._LEFT + 12 * 48]
    assert (future == tiles.FUTURE).all()
    now = picture[pixels._TOP : pixels._TOP + 4, pixels._LEFT + 4 * 48 : pixels._LEFT + 5 * 48]
    assert (now == tiles.NOW).all()


def test_pictures_share_no_memory() -> None:
    view = parity(5)
    first = to_pixels(view)
    kept = first.copy()
    first[:] = 0
    np.testing.assert_array_equal(to_pixels(view), kept)
    assert kept.dtype == np.uint8


@pytest.mark.parametrize("num_steps", [10**6, 10**9])
def test_long_trials_draw_long_numbers(num_steps: int) -> None:
    labels = np.ones((40, 1), int)
    view = trial(np.ones((40, 1)), labels, labels, [True] * 40, answered=39, num_steps=num_steps)
    assert to_pixels(view).shape[1] == to_pixels(parity(0)).shape[1] + 384
    assert str(num_steps) in to_text(view)


def test_rows_to_draw() -> None:
    assert rows_to_draw([True] * 4, 6) == (0, 1, 2, 3)
    assert rows_to_draw([True] * 9, 6) == (0, 1, 2, 6, 7, 8)
    assert rows_to_draw([True] * 9, 3) == (0, 1, 8)
    assert rows_to_draw([h in (4, 7) for h in range(9)], 4) == (0, 1, 4, 7)
    assert rows_to_draw([h > 2 for h in range(9)], 4) == (3, 4, 7, 8)


def test_font_has_every_printable_character() -> None:
    characters = string.digits + string.ascii_letters + string.punctuation
    masks = [font.mask(character, 1) for character in characters]
    assert len({(glyph.shape, glyph.tobytes()) for glyph in masks}) == len(characters)
    assert font.mask("\u2603", 1)[:7].all()


def test_long_lines_are_cut() -> None:
    np.testing.assert_array_equal(font.fit("a few words", 1000), font.mask("a few words"))
    for width in range(30, 120):
        assert font.fit("MemoryEvidenceAccumulation", width).shape[1] <= width
    assert font.fit("", 10).shape == (18, 0)


# What it says about the task


@pytest.mark.parametrize(
    ("parameters", "title", "question"),
    [
        ({}, "MemoryParity-v0  N=8", "parity of the last 8 bits? (1: odd)"),
        ({"N": 1, "scoring": "final"}, "MemoryParity-v0  N=1, scoring=final", "parity of the last bit? (1: odd)"),
        ({"heads": (2, 4, 8)}, "MemoryParity-v0  heads=(2, 4, 8)", "parity of the last N bits? (1: odd)"),
        (
            {"heads": (2, 4), "active_heads": (2,), "N": 4},
            "MemoryParity-v0  heads=(2, 4), active_heads=(2,)",
            "parity of the last N bits? (1: odd)",
        ),
    ],
)
def test_titles_and_questions(parameters: dict[str, Any], title: str, question: str) -> None:
    task = Parity(**parameters)
    view = control.view(task, task.batch(size=1), np.zeros((0, task.num_heads), int))
    assert (view.title, view.question) == (title, question)
    assert to_text(view).startswith(f"{title}\n")


@pytest.mark.parametrize("name", TASKS)
def test_pictures_say_what_is_asked(name: str) -> None:
    """In a line of its own, which fits into the narrowest picture."""
    for parameters in ({}, {"heads": (3, 5)}):
        if not set(parameters) <= set(TASKS[name].parameters()):
            continue
        task = TASKS[name](**parameters)  # type: ignore[arg-type]
        assert task.question, f"task {name} has no question: write {type(task).__name__}.question"
        picture = to_pixels(control.view(task, task.batch(size=1), np.zeros((0, task.num_heads), int)))
        letters = font.mask(task.question)
        line = picture[pixels._QUESTION : pixels._QUESTION + len(letters), pixels._MARGIN :]
        assert letters.shape[1] <= pixels._MIN_WIDTH - 2 * pixels._MARGIN
        np.testing.assert_array_equal((line[:, : letters.shape[1]] == tiles.INK).all(axis=2), letters)
        assert (line[:, letters.shape[1] :] == 255).all()


# The window


@pytest.fixture
def screenless(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Pygame without a screen."""
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    pygame = pytest.importorskip("pygame")
    yield pygame
    pygame.display.quit()


def test_window_shows_the_picture(screenless: Any) -> None:
    window, picture = Window(), to_pixels(parity(5))
    window.show(picture)
    shown = screenless.surfarray.array3d(screenless.display.get_surface())
    np.testing.assert_array_equal(shown.swapaxes(0, 1), picture)
    window.caption = "another task"
    smaller = np.zeros((64, 96, 3), np.uint8)
    window.show(smaller, fps=1000)
    assert screenless.display.get_surface().get_size() == (96, 64)
    assert screenless.display.get_caption()[0] == "another task"
    window.close()


def test_window_closes_twice_and_opens_again(screenless: Any) -> None:
    window, picture = Window(), np.zeros((64, 96, 3), np.uint8)
    window.close()
    window.show(picture)
    window.close()
    window.close()
    assert screenless.display.get_surface() is None
    window.show(picture)
    assert screenless.display.get_surface() is not None
    window.close()


def test_window_closed_by_a_person_stays_closed_until_close_is_called(screenless: Any) -> None:
    window, picture = Window(), np.zeros((64, 96, 3), np.uint8)
    window.show(picture)
    screenless.event.post(screenless.event.Event(screenless.QUIT))
    for _ in range(3):
        window.show(picture)
        assert screenless.display.get_surface() is None
    window.close()
    window.show(picture)
    assert screenless.display.get_surface() is not None
    window.close()


def test_window_survives_that_another_one_takes_the_screen(screenless: Any) -> None:
    a, b = Window("a"), Window("b")
    for _ in range(2):
        a.show(np.zeros((64, 96, 3), np.uint8))
        b.show(np.zeros((32, 48, 3), np.uint8))
    a.close()
    b.show(np.zeros((32, 48, 3), np.uint8))
    assert screenless.display.get_surface().get_size() == (48, 32)
    b.close()
    a.close()


def test_missing_pygame_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pygame", None)
    window = Window()
    with pytest.raises(error.DependencyNotInstalled, match=r'pip install "memory-envs\[render\]"'):
        window.show(np.zeros((64, 96, 3), np.uint8))
    window.close()
    assert pickle.loads(pickle.dumps(window)).caption == window.caption


def test_text_and_pictures_do_without_pygame() -> None:
    script = (
        "import sys; sys.modules['pygame'] = None\n"
        "import gymnasium as gym, memory_envs\n"
        "env = gym.make('MemoryParity-v0', N=3, render_mode='rgb_array'); env.reset(seed=0)\n"
        "assert env.render().shape[2] == 3\n"
        "del sys.modules['pygame']; assert not any(name.startswith('pygame') for name in sys.modules)\n"
    )
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment)
