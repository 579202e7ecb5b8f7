"""A trial so far, drawn: as text, as an RGB picture, in a window.

Time runs from left to right. From top to bottom: the numbers of the steps, what each channel showed and, for
each head, what was asked, what was answered and whether that was right. Nothing is drawn before its time:
what was asked appears with the mark, after the answer.

Text and pictures need NumPy only. The window needs pygame, which is not imported before a window opens.
"""

from memory_envs.rendering.pixels import to_pixels
from memory_envs.rendering.text import to_text
from memory_envs.rendering.view import TrialView
from memory_envs.rendering.window import Window

__all__ = ["TrialView", "Window", "to_pixels", "to_text"]
