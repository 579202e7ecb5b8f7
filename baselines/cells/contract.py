"""Check a cell against the contract of ``Cell`` on small inputs. The error message names the rule that it breaks.

Axes: T steps, B trials, I inputs, U units (outputs of the cell), S state size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

METHODS = ("step", "initial_state", "unroll", "training_state", "readings", "state_parts")
STEPS, TRIALS = 4, 3
TOLERANCE = 1e-3
"""Relative tolerance. In single precision, two correct computations of one number differ by less."""


class ContractError(ValueError):
    """A cell breaks a rule of the contract; the message names the rule and says what the cell did."""


def check_class(kind: object, name: str) -> None:
    """Check that a class has every method that a cell must have.

    Args:
        kind: the class.
        name: what error messages call the class.

    Raises:
        ContractError: ``kind`` is no ``torch.nn.Module`` class, or lacks a method.
    """
    if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
        raise ContractError(f"{name} must be a class derived from baselines.cells.Cell, got {kind!r}")
    for method in METHODS:
        found = getattr(kind, method, None)
        if not callable(found) or getattr(found, "__isabstractmethod__", False):
            inherited = "" if method == "step" else " (baselines.cells.Cell has one to inherit)"
            raise ContractError(f"{name} must have a method {method}{inherited}, but has none")


def check(cell: nn.Module, input_size: int, name: str) -> None:
    """Check a cell by running every method on small random inputs.

    Args:
        cell: the cell; its parameters and buffers are restored afterwards.
        input_size: I, the number of inputs.
        name: what error messages call the cell.

    Raises:
        ContractError: the cell breaks a rule.
    """
    trial = _Trial(cell, input_size, name)
    before = trial.saved()
    trial.run()
    trial.load(before)


class _Trial:
    """One check of one cell. Each method below checks one group of rules."""

    def __init__(self, cell: nn.Module, input_size: int, name: str) -> None:
        self.name = name
        self.cell = cell
        self.parameters = [parameter for parameter in cell.parameters() if parameter.requires_grad]
        if not self.parameters:
            raise self.broken("must have a parameter to train (torch.nn.Parameter), but has none")
        self.state_size, self.output_size = (self.size(what) for what in ("state_size", "output_size"))
        self.generator = torch.Generator().manual_seed(0)
        self.inputs = self.draw(STEPS, TRIALS, input_size)

    def run(self) -> None:
        state = self.states()
        self.single_steps(state)
        self.gradients(self.sequences(state))
        self.names()

    def saved(self) -> dict[str, Tensor]:
        """A copy of the cell's ``state_dict``, which is what a checkpoint stores."""
        state: dict[str, object] = self.cell.state_dict()
        for name, value in state.items():
            if not isinstance(value, Tensor):
                raise self.broken(f"state_dict() must hold tensors only, as checkpoints do, got {name}: {value!r}")
        return {name: value.detach().clone() for name, value in state.items() if isinstance(value, Tensor)}

    def load(self, state: dict[str, Tensor]) -> None:
        try:
            self.cell.load_state_dict(state)
        except (Exception, SystemExit) as error:  # a user's code may raise anything
            raise self.broken(f"load_state_dict must accept what state_dict() returned, got: {error}") from None

    def names(self) -> None:
        """Check ``readings``, whose names become columns of the metrics, and ``state_parts``."""
        readings, again = self.call("readings"), self.call("readings")
        if not isinstance(readings, dict) or not all(
            isinstance(name, str) and name.isidentifier() and isinstance(value, Tensor) and value.numel() == 1
            for name, value in readings.items()
        ):
            raise self.broken(
                "readings() must return a dictionary of names (letters, digits, underscores) and scalar tensors, "
                f"got {readings!r}"
            )
        if list(again) != list(readings):
            raise self.broken(f"readings() must give the same names every time, got {[*readings]}, then {[*again]}")
        parts = self.call("state_parts")
        if not isinstance(parts, dict) or not all(
            isinstance(part, slice) and len(range(*part.indices(self.state_size))) for part in parts.values()
        ):
            raise self.broken(f"state_parts() must return a dictionary of names and slices of the state, got {parts!r}")

    def states(self) -> Tensor:
        """Check both initial states. Return a state (B, S) that differs between trials, for the other checks."""
        shape = (TRIALS, self.state_size)
        first, again = self.call("initial_state", TRIALS), self.call("initial_state", TRIALS)
        self.shaped("initial_state(B)", first, shape, "(B, state_size)")
        if not torch.equal(first, again):
            raise self.broken("initial_state must be the same in every call (draw a random one in training_state)")
        drawn, same = (self.call("training_state", TRIALS, torch.Generator().manual_seed(0)) for _ in range(2))
        self.shaped("training_state(B, generator)", drawn, shape, "(B, state_size)")
        if not torch.equal(drawn, same):
            raise self.broken("training_state must draw from its generator only: otherwise no run could be resumed")
        return first.detach() + 0.1 * self.draw(*shape).to(first)

    def single_steps(self, state: Tensor) -> None:
        inputs = self.inputs[0]
        with torch.no_grad():
            output, after = self.apply("step", inputs, state)
            self.shaped("the output of step", output, (TRIALS, self.output_size), "(B, output_size)")
            self.shaped("the state after step", after, tuple(state.shape), "(B, state_size)")
            again = self.apply("step", inputs, state)
            if not (torch.equal(again[0], output) and torch.equal(again[1], after)):
                raise self.broken(
                    "step must depend on inputs and state only, got two different results for the same (it draws at "
                    "random, or remembers something outside the state)"
                )
            alone = [self.apply("step", inputs[i : i + 1], state[i : i + 1]) for i in range(TRIALS)]
        for whole, parts in zip((output, after), zip(*alone, strict=True), strict=True):
            self.equal(whole, torch.cat(parts), "step must treat each trial of a batch on its own, got other numbers")

    def sequences(self, state: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Check ``unroll``. Return the outputs and states of ``unroll`` and of the loop, with their graphs."""
        outputs, states = [], []
        unrolled = self.apply("unroll", self.inputs, state)
        for what, got, size in zip(("outputs", "states"), unrolled, (self.output_size, self.state_size), strict=True):
            self.shaped(f"the {what} of unroll", got, (STEPS, TRIALS, size), f"(T, B, {what[:-1]}_size)")
        for inputs in self.inputs:
            output, state = self.apply("step", inputs, state)
            outputs.append(output)
            states.append(state)
        looped = torch.stack(outputs), torch.stack(states)
        for got, expected in zip(unrolled, looped, strict=True):
            self.equal(got, expected, "unroll must equal the loop over step, got other numbers")
        return [(unrolled[0], unrolled[1]), looped]

    def gradients(self, ways: Sequence[tuple[Tensor, Tensor]]) -> None:
        found = []
        for method, (outputs, _) in zip(("unroll", "step"), ways, strict=True):
            if not outputs.requires_grad:
                raise self.broken(f"the output of {method} must depend on the parameters differentiably, but does not")
            weights = torch.linspace(-1, 1, outputs.numel()).view_as(outputs).to(outputs)
            try:
                loss = (outputs * weights).sum()
                found.append(torch.autograd.grad(loss, self.parameters, allow_unused=True, materialize_grads=True))
            except RuntimeError as error:
                raise self.broken(f"{method} must let gradients through, got: {error}") from None
        for one, other in zip(*found, strict=True):
            self.equal(one, other, "unroll must have the gradients of the loop over step, got others")

    def apply(self, method: str, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Call ``step`` or ``unroll``: it must return two tensors and leave its arguments unchanged."""
        given = {"inputs": inputs, "state": state}
        before = {what: tensor.detach().clone() for what, tensor in given.items()}
        got = self.call(method, inputs, state)
        for what, tensor in given.items():
            if not torch.equal(tensor.detach(), before[what]):
                raise self.broken(f"{method} must not change its arguments, but changes {what} in place")
        if not (isinstance(got, tuple) and len(got) == 2 and all(isinstance(part, Tensor) for part in got)):
            raise self.broken(f"{method} must return two tensors, (output, state), got {_describe(got)}")
        return got

    def call(self, method: str, *arguments: object) -> Any:
        try:
            return getattr(self.cell, method)(*arguments)
        except (Exception, SystemExit) as error:  # a user's code may raise anything
            what = ", ".join(_describe(argument) for argument in arguments)
            raise self.broken(f"{method}({what}) must work, got {type(error).__name__}: {error}") from error

    def size(self, what: str) -> int:
        value = getattr(self.cell, what, None)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise self.broken(f"{what} must be an integer of at least 1, got {value!r}")
        return value

    def shaped(self, what: str, got: object, shape: tuple[int, ...], rule: str) -> None:
        if not isinstance(got, Tensor) or tuple(got.shape) != shape:
            raise self.broken(f"{what} must have the shape {rule} = {shape}, got {_describe(got)}")
        if got.dtype != self.parameters[0].dtype:
            raise self.broken(f"{what} must have the parameters' dtype {self.parameters[0].dtype}, got {got.dtype}")
        if not torch.isfinite(got).all():
            raise self.broken(f"{what} must be finite, got NaN or infinity")

    def equal(self, got: Tensor, expected: Tensor, rule: str) -> None:
        got, expected = got.detach(), expected.detach()
        if not torch.allclose(got, expected, rtol=TOLERANCE, atol=TOLERANCE * float(expected.abs().max())):
            raise self.broken(f"{rule} (they differ by up to {(got - expected).abs().max().item():.2g})")

    def draw(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.generator).to(self.parameters[0].dtype)

    def broken(self, what: str) -> ContractError:
        return ContractError(f"{self.name}: {what}")


def _describe(value: object) -> str:
    """The value in words: tensors by their shape, "a tensor (3, 4)"."""
    if isinstance(value, Tensor):
        return f"a tensor {tuple(value.shape)}"
    if isinstance(value, (tuple, list)):
        parts = ", ".join(_describe(part) for part in value)
        return f"({parts})" if isinstance(value, tuple) else f"[{parts}]"
    return repr(value)
