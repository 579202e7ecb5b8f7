"""A window that shows pictures, through pygame."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import error


class Window:
    """One window on the screen, opened by the first picture.

    pygame has one window per process: where several of these show pictures, the latest picture is on the screen.
    """

    def __init__(self, caption: str = "memory-envs") -> None:
        self.caption = caption
        self._surface: Any = None
        self._clock: Any = None
        self._dismissed = False

    def show(self, pixels: npt.NDArray[np.uint8], fps: float = 0) -> None:
        """Shows a picture, then waits so that pictures follow each other at a steady rate.

        Once a person has closed the window, nothing is shown and nothing waited for until ``close`` has been
        called; after that the next picture opens the window again.

        Args:
            pixels: (height, width, 3) uint8.
            fps: Pictures per second; 0 does not wait.

        Raises:
            gymnasium.error.DependencyNotInstalled: pygame is missing.
        """
        if self._dismissed:
            return
        pygame = _pygame()
        size = (pixels.shape[1], pixels.shape[0])
        if not self._mine(pygame) or self._surface.get_size() != size:
            pygame.display.init()
            self._surface = pygame.display.set_mode(size)
            self._clock = pygame.time.Clock()
        pygame.display.set_caption(self.caption)
        # Other events are left to whoever plays by keyboard, but mouse motions would in time fill the queue.
        if any(event.type == pygame.QUIT for event in pygame.event.get((pygame.QUIT, pygame.MOUSEMOTION))):
            self.close()
            self._dismissed = True
            return
        pygame.surfarray.blit_array(self._surface, pixels.swapaxes(0, 1))
        pygame.display.flip()
        if fps > 0:
            self._clock.tick(fps)

    def close(self) -> None:
        """Closes the window. Closing one that is not open does nothing."""
        if self._surface is not None:
            pygame = _pygame()
            if self._mine(pygame):
                pygame.display.quit()
        self._surface = self._clock = None
        self._dismissed = False

    def _mine(self, pygame: Any) -> bool:
        """Whether the one window of the process is open and was opened here."""
        return self._surface is not None and pygame.display.get_surface() is self._surface


def _pygame() -> Any:
    try:
        return importlib.import_module("pygame")
    except ImportError as missing:
        raise error.DependencyNotInstalled(
            'pygame is not installed, and render_mode="human" needs it: pip install "memory-envs[render]"'
        ) from missing
