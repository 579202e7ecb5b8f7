"""Growing a network: more units, the same function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from baselines.cells import Cell
from baselines.network import RecurrentNetwork


@dataclass(frozen=True)
class Growth:
    """When a cell grows, and to what.

    Attributes:
        at: the N of the stage at whose start the cell grows.
        units: the units that it has from then on.
        new_cell: makes a cell of this many units, with its initial weights.
    """

    at: int
    units: int
    new_cell: Callable[[int], Cell]


def check_growth(small: Cell, large: Cell, inputs: int) -> None:
    """Refuse a cell that cannot grow, before training comes to where it should.

    Args:
        small: the cell.
        large: a new cell of more units. Both are changed.
        inputs: I.

    Raises:
        ValueError: the cell does not say how it grows, or its answers change with it.
    """
    generator = torch.Generator().manual_seed(0)
    network = RecurrentNetwork(small, 2)
    network.add_readout("0", generator)
    shown = torch.rand(4, 2, inputs, generator=generator)
    with torch.no_grad():
        state = small.training_state(2, generator)
        before = network(shown, ("0",), state).answers
        larger = Enlargement(network, large)
        after = network(shown, ("0",), larger.state(state, network.cell.training_state(2, generator))).answers
    if not torch.allclose(before, after, rtol=1e-3, atol=1e-4):
        raise ValueError(
            "cell must keep its answers when it grows: they change by "
            f"{float((after - before).abs().max()):.2g} (is all that it learns, and all that is drawn, a parameter?)"
        )


class Enlargement:
    """Where the numbers of a smaller network lie in a larger one.

    Args:
        network: the network, which is enlarged in place. The new units get the weights that a new cell has, but for
            those from a new unit to an old one or to a readout: these are 0, so that every answer stays what it was.
        cell: the new and larger cell.

    Raises:
        ValueError: the cell does not say how it grows (``Cell.unit_axes``).
    """

    def __init__(self, network: RecurrentNetwork, cell: Cell) -> None:
        old = network.cell
        cell.to(next(old.parameters()).device)
        self.before, self.after = old.output_size, cell.output_size
        self.axes = {f"cell.{name}": axes for name, axes in cell.unit_axes().items()}
        names = {f"cell.{name}" for name, _ in cell.named_parameters()}
        if set(self.axes) != names:
            raise ValueError(f"cell must say how it grows: unit_axes() must have {sorted(names)}, has {[*self.axes]}")
        for key in network.readouts:
            self.axes |= {f"readouts.{key}.weight": (0, 1), f"readouts.{key}.bias": (0,)}
        with torch.no_grad():
            for name, parameter in old.named_parameters():
                new, axes = cell.get_parameter(name), self.axes[f"cell.{name}"]
                if len(axes) != parameter.dim() or self._larger(parameter, axes) != list(new.shape):
                    raise ValueError(
                        f"cell must say how it grows: unit_axes() has {axes} for {name}, which is "
                        f"{tuple(parameter.shape)} with {self.before} units and {tuple(new.shape)} with {self.after}"
                    )
                new.copy_(self.weights(f"cell.{name}", parameter, new))
        network.cell = cell.to(next(old.parameters()))
        for readout in network.readouts.values():
            assert isinstance(readout, nn.Linear)
            wider = readout.weight.new_zeros(readout.out_features, self.after)
            wider[:, : self.before] = readout.weight.detach()
            readout.weight, readout.in_features = nn.Parameter(wider), self.after

    def weights(self, name: str, old: Tensor, new: Tensor) -> Tensor:
        """The weights ``new`` of the larger network with ``old`` in their place: nothing new acts on what is old."""
        rows = self._places(old, self.axes[name])
        out = new.detach().clone()
        if len(rows) > 1 and self.axes[name][0] and self.axes[name][1]:
            out[rows[0]] = 0
        out[torch.meshgrid(*rows, indexing="ij")] = old.detach()
        return out

    def moments(self, name: str, old: Tensor) -> Tensor:
        """A moment of the optimiser, with zeros for what is new. Anything of another shape stays as it is."""
        axes = self.axes[name]
        if old.dim() != len(axes):
            return old
        out = old.new_zeros(self._larger(old, axes))
        out[torch.meshgrid(*self._places(old, axes), indexing="ij")] = old
        return out

    def state(self, old: Tensor, new: Tensor) -> Tensor:
        """States (B, S) of the larger cell: ``new``, with the old units' in their places."""
        out = new.clone()
        out[:, self._places(old, (0, old.shape[1] // self.before))[1]] = old
        return out

    def _larger(self, old: Tensor, axes: tuple[int, ...]) -> list[int]:
        """The shape that a tensor grows to."""
        return [n * self.after if n else size for size, n in zip(old.shape, axes, strict=True)]

    def _places(self, old: Tensor, axes: tuple[int, ...]) -> list[Tensor]:
        """For each axis of the small tensor, where its entries lie in the large one."""
        return [
            torch.cat([torch.arange(self.before, device=old.device) + block * self.after for block in range(blocks)])
            if blocks
            else torch.arange(size, device=old.device)
            for size, blocks in zip(old.shape, axes, strict=True)
        ]
