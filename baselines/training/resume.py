"""What every run does, whatever trains it: it goes on from its folder, and sums up at its end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from baselines.core import seeds
from baselines.evaluation import Evaluation
from baselines.training import run_files
from baselines.training.run_folder import RunFolder
from baselines.training.settings import RunSettings

S = TypeVar("S", bound=RunSettings)
R = TypeVar("R", bound="ResumableRun[Any]")


class ResumableRun(ABC, Generic[S]):
    """What ``train`` and ``train-rl`` share: going on from the latest checkpoint of a folder, and the summary.

    Attributes:
        folder: where the run is written.
        seed: of the run; fresh trials have its evaluation seed.
        status: how it ended, or ``"running"``.
        played: how the trained network played fresh trials; None where it has not.
        seconds, cpu_seconds: of training so far.
    """

    KIND: ClassVar[type[RunSettings]]
    """Of its settings."""
    folder: RunFolder
    seed: int
    status: str
    played: Evaluation | None
    seconds: float
    cpu_seconds: float

    @classmethod
    def resume(cls: type[R], path: Path, changes: Mapping[str, Any] | None = None) -> R:
        """The run in a folder, to go on exactly from its latest checkpoint.

        Args:
            path: the run folder.
            changes: settings (and values of the recipe) by name. They must be those of the run, but for its limits
                (``budget`` and ``steps``) and its ``episodes``.

        Raises:
            SettingsError: a change goes against the run.
            RunError: it has ended, it is in use, or its folder is damaged. Nothing has been changed.
        """
        changes = changes or {}
        run = cls.__new__(cls)
        run._prepare(run_files.settings_to_go_on(cls.KIND, path, changes))
        run.folder = RunFolder.old(path, run._columns())
        try:
            run._restore(path)
            run.folder.change_settings(changes)
        except BaseException:
            run.folder.close()
            raise
        return run

    def finish(self) -> dict[str, Any]:
        """Write ``summary.json``, let go of the folder, and return what was written."""
        played = self.played
        summary: dict[str, Any] = {
            "status": self.status,
            **self._results(),
            "seconds": round(self.seconds, 3),
            "cpu_seconds": round(self.cpu_seconds, 3),
            "played": played
            and {
                "task": played.task.to_dict(),
                "episodes": played.episodes,
                "seed": seeds.evaluation_seed(self.seed),
                "score": played.score,
                "standard_error": played.standard_error,
                "accuracy": played.accuracy,
            },
        }
        self.folder.write_summary(summary)
        self.folder.close()
        return summary

    @abstractmethod
    def _results(self) -> dict[str, Any]:
        """What the summary says of the training."""

    @abstractmethod
    def _prepare(self, settings: S) -> None:
        """Everything as it is before training."""

    @abstractmethod
    def _columns(self) -> list[str]:
        """Of ``metrics.csv``."""

    @abstractmethod
    def _restore(self, path: Path) -> None:
        """Go back to the latest checkpoint, once it is sure that the run can go on from it."""
