"""The part of a run that does not depend on the training method: resuming from its folder, and its summary."""

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
    """A run that can be resumed from the latest checkpoint of its folder; the base of ``train`` and ``train-rl``.

    Attributes:
        folder: the run folder, open for writing.
        seed: the seed of the run; the evaluation seed of fresh trials is derived from it.
        status: how the run ended, or ``"running"``.
        played: the evaluation of the trained network on fresh trials; None before it.
        seconds, cpu_seconds: the wall time and the CPU time of training so far, in seconds.
    """

    KIND: ClassVar[type[RunSettings]]
    """The class of the run's settings."""
    folder: RunFolder
    seed: int
    status: str
    played: Evaluation | None
    seconds: float
    cpu_seconds: float

    @classmethod
    def resume(cls: type[R], path: Path, changes: Mapping[str, Any] | None = None) -> R:
        """The run in a folder, ready to continue from its latest checkpoint with the same numbers.

        Args:
            path: the run folder.
            changes: settings and values of the recipe, by name. Only the limits (``budget`` and ``steps``) and
                ``episodes`` may differ from those of the run.

        Raises:
            SettingsError: a change contradicts the run.
            RunError: the run has ended, is in use, or its folder is damaged. Nothing has been changed.
        """
        changes = changes or {}
        run = cls.__new__(cls)
        run._prepare(run_files.settings_to_go_on(cls.KIND, path, changes))
        run.folder = RunFolder.old(path, run._columns())
        try:
            run._restore(path, changes)
            run.folder.change_settings(changes)
        except BaseException:
            run.folder.close()
            raise
        return run

    def finish(self) -> dict[str, Any]:
        """Write ``summary.json``, release the folder, and return what was written."""
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
        """The results of training, as entries of the summary."""

    @abstractmethod
    def _prepare(self, settings: S) -> None:
        """Set everything to its state before training."""

    @abstractmethod
    def _columns(self) -> list[str]:
        """The columns of ``metrics.csv``."""

    @abstractmethod
    def _restore(self, path: Path, changes: Mapping[str, Any]) -> None:
        """Check that the run can continue from its latest checkpoint, then go back to it.

        Args:
            path: the run folder.
            changes: those of its settings that are given anew.
        """
