"""``PlainConsole``: text is shown as it is."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from baselines.commands.say import closed
from baselines.core.text import printable


class PlainConsole(Console):
    """A console of rich that takes text, also in the cells and titles of tables, as it is.

    Folders, cells and agents are named by users, and jobs print what they like. So no text is markup, a name of an
    emoji or a command to the terminal. Colours come from styles only. (``Text`` objects are shown as they are: make
    them of ``printable`` text.)
    """

    def on_broken_pipe(self) -> None:
        """End the command where nobody reads its output any more (rich would call ``sys.exit``)."""
        self.quiet = True
        raise closed()

    def render_str(self, text: str, **options: Any) -> Text:
        """The text to show for a string."""
        return super().render_str(printable(text), **(options | {"markup": False, "emoji": False, "highlight": False}))
