"""A display that is redrawn four times a second on a terminal. Without a terminal nothing is drawn."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import TypeVar

from rich.console import Console, RenderableType
from rich.live import Live

D = TypeVar("D", bound="LiveDisplay")


class LiveDisplay(ABC):
    """Redraws itself while its block runs. Use it as a context manager.

    Args:
        console: the console to draw on.
        transient: whether the display disappears at the end.
    """

    def __init__(self, console: Console, *, transient: bool) -> None:
        self.console = console
        # None without a terminal: the subclasses then print lines.
        self._live: Live | None = None
        if console.is_terminal:
            self._live = Live(self, console=console, refresh_per_second=4, transient=transient)

    def __enter__(self: D) -> D:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    @abstractmethod
    def __rich__(self) -> RenderableType:
        """The present content of the display."""
