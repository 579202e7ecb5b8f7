"""A run folder: what is in it, how it is written and how it is read.

- ``config.json``: what was asked for, what it was resolved to, and the versions it ran with
- ``metrics.csv``: one row a report
- ``events/``: the same for TensorBoard
- ``checkpoint.safetensors``: all that training changes, its tensors and (as JSON in the header) the rest
- ``checkpoints/N012.safetensors``: the same as it was when N = 12 was solved, one for each N
- ``checkpoints/U0000500.safetensors``: the same as it was after 500 updates, where a run keeps such
- ``summary.json``: how it ended, written last
- ``lock``: held by the process that writes here, if there is one
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from baselines.core.files import RunError, lock, read_format, read_json, replace_file, versions, writing
from baselines.core.settings import SettingsError
from baselines.training.settings import RunPlan, RunSettings

S = TypeVar("S", bound=RunSettings)

FORMAT = 2
"""Of the folder; a change that older readers would misread raises it."""

CHANGEABLE = ("budget", "steps", "episodes")
"""Settings that may change when a run goes on: no number of the training up to there depends on them."""


class RunFolder:
    """The folder of one run, for writing: held until ``close``, or until the process ends, however it ends.

    Args:
        path: of the folder, which is there.
        columns: of ``metrics.csv``; the first counts: updates, or steps of the environment.

    Raises:
        RunError: another process holds it, or it cannot be written.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.path = path
        self._columns = list(columns)
        self._release = lock(self, path / "lock")
        self._events: SummaryWriter | None = None
        self._identity = ""

    @classmethod
    def new(cls, path: Path, plan: RunPlan, columns: Sequence[str]) -> RunFolder:
        """A folder for a new run of ``plan``, made with its parents where it is missing.

        Raises:
            SettingsError: it is a file, holds something, or cannot be made. Nothing has been written.
            RunError: it cannot be written, or another process holds it.
        """
        try:
            path.mkdir(parents=True, exist_ok=True)
            _check_empty(path)
        except OSError as error:
            raise SettingsError(
                "out", f"out must be a folder that can be made, got {path} ({error.strerror})"
            ) from None
        folder = cls(path, columns)
        _check_empty(path)  # now that nobody else can begin here
        config = {
            "format": FORMAT,
            "method": plan.settings.METHOD,
            "settings": plan.settings.to_dict(),
            "recipe": asdict(plan.recipe),
            "task": plan.task.to_dict(),
            "versions": versions(),
        }
        folder._identity = _identity(config)
        folder._write_json("config.json", config)
        folder._write_row(dict(zip(columns, columns, strict=True)))
        return folder

    @classmethod
    def old(cls, path: Path, columns: Sequence[str]) -> RunFolder:
        """The folder of a run that is to go on. Nothing is changed yet.

        Raises:
            RunError: there is no run, or another process holds it.
        """
        config = read_config(path)
        folder = cls(path, columns)
        folder._identity = _identity(config)
        return folder

    def go_back(self, update: int, reports: int) -> None:
        """Undo what was written after a checkpoint: rows of ``metrics.csv``, its events, the summary.

        Args:
            update: of the checkpoint.
            reports: rows up to there.

        Raises:
            RunError: ``metrics.csv`` is not that of the checkpoint; nothing has been changed.
        """
        file = self.path / "metrics.csv"
        rows = _whole_rows(file)
        header = self._line(dict(zip(self._columns, self._columns, strict=True)))
        if rows and rows[0] != header:
            raise RunError(f"{file} has other columns than this run writes")
        try:
            kept = [row for row in rows[1:] if int(row.split(",", 1)[0]) <= update]
        except ValueError as error:
            raise RunError(f"{file} cannot be read: {error}") from None
        if len(kept) != reports:
            raise RunError(f"{file} must have {reports} rows up to update {update} of the checkpoint, has {len(kept)}")
        replace_file(file, "".join([header, *kept]).encode())
        # TensorBoard leaves out what files before this one say of later steps.
        self._events = self._open_events(purge_step=update + 1)
        with writing(self.path / "summary.json"):
            (self.path / "summary.json").unlink(missing_ok=True)

    def change_settings(self, changes: Mapping[str, Any]) -> None:
        """Write settings that are ``CHANGEABLE`` into ``config.json``."""
        config = read_config(self.path)
        config["settings"] |= {name: changes[name] for name in CHANGEABLE if name in changes}
        self._write_json("config.json", config)

    def add_metrics(self, row: Mapping[str, float]) -> None:
        """Append one row, and tell TensorBoard; what is missing stays empty."""
        self._write_row(row)
        with writing(self.path / "events"):
            events = self._events = self._events or self._open_events()
            for name, value in row.items():
                if name != self._columns[0]:
                    group, _, rest = name.partition("_")
                    tag = f"{group}/{rest}" if group in ("loss", "accuracy") and rest else name
                    events.add_scalar(tag, value, int(row[self._columns[0]]))

    def save_checkpoint(
        self,
        tensors: Mapping[str, Tensor],
        plain: Mapping[str, Any],
        solved: int | None = None,
        update: int | None = None,
    ) -> None:
        """Replace the checkpoint, all at once: a reader sees the old one or the new one.

        Args:
            tensors: what it holds, by name.
            plain: and the rest, as JSON data.
            solved: keep one for this N as well.
            update: keep one for this update as well.
        """
        data = self._checkpoint(tensors, plain)
        if self._events is not None:
            with writing(self.path / "events"):
                self._events.flush()
        for kept in [
            *([(solved, None)] if solved is not None else []),
            *([(None, update)] if update is not None else []),
        ]:
            self._keep(data, *kept)
        # Last: a run that is killed before goes on from the one before and writes the others again.
        replace_file(checkpoint_file(self.path), data)

    def keep_checkpoint(self, tensors: Mapping[str, Tensor], plain: Mapping[str, Any], solved: int) -> None:
        """Keep one for a solved N that is not the latest; the latest has to be saved after it."""
        self._keep(self._checkpoint(tensors, plain), solved, None)

    def _checkpoint(self, tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> bytes:
        header = {"format": str(FORMAT), "run": self._identity, "state": json.dumps(plain)}
        # Copies, for safetensors refuses what shares memory: weights that a cell uses twice, parts of one buffer.
        own = {name: tensor.detach().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}
        return save(own, header)

    def _keep(self, data: bytes, solved: int | None, update: int | None) -> None:
        file = checkpoint_file(self.path, solved, update)
        with writing(file):
            file.parent.mkdir(exist_ok=True)
        replace_file(file, data)

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Say how the run ended."""
        self._write_json("summary.json", summary)

    def close(self) -> None:
        """Let others write here."""
        if self._events is not None:
            with suppress(OSError):  # the disk was full, and somebody has been told
                self._events.close()
        self._release()

    def _open_events(self, purge_step: int | None = None) -> SummaryWriter:
        # It is flushed with every checkpoint, and by nobody else: so a full disk is found here, not in its thread.
        return SummaryWriter(self.path / "events", purge_step=purge_step, flush_secs=10**6)

    def _line(self, row: Mapping[str, object]) -> str:
        text = io.StringIO(newline="")
        csv.DictWriter(text, self._columns, restval="").writerow(row)
        return text.getvalue()

    def _write_row(self, row: Mapping[str, object]) -> None:
        file = self.path / "metrics.csv"
        with writing(file), open(file, "a", newline="", encoding="utf-8") as opened:
            opened.write(self._line(row))

    def _write_json(self, name: str, content: Mapping[str, Any]) -> None:
        replace_file(self.path / name, (json.dumps(content, indent=2) + "\n").encode())


def checkpoint_file(path: Path, n: int | None = None, update: int | None = None) -> Path:
    """Where the run at ``path`` keeps the checkpoint of a solved N or of an update, or the latest one."""
    if n is None and update is None:
        return path / "checkpoint.safetensors"
    return path / "checkpoints" / (f"U{update:07}.safetensors" if n is None else f"N{n:03}.safetensors")


def kept_checkpoints(path: Path, letter: str = "N") -> list[int]:
    """Each N (or, with the letter U, each update) of which the run at ``path`` keeps a checkpoint."""
    files = (path / "checkpoints").glob(f"{letter}*.safetensors")
    return sorted(int(file.stem[1:]) for file in files if file.stem[1:].isdigit())


def is_run(path: Path) -> bool:
    """Whether there is a run at ``path``, be it that it has not begun to train."""
    return (path / "config.json").exists()


def is_begun(path: Path) -> bool:
    """Whether the run at ``path`` has a checkpoint, or a report: before both it can be begun anew."""
    return checkpoint_file(path).exists() or len(_whole_rows(path / "metrics.csv")) > 1


def read_versions(path: Path) -> dict[str, str]:
    """Versions of what decided the numbers of the run at ``path``, where it was begun."""
    return {name: str(value) for name, value in read_config(path)["versions"].items()}


def read_summary(path: Path) -> dict[str, Any]:
    """How the run at ``path`` ended."""
    return read_json(path / "summary.json")


def read_metrics(path: Path) -> list[dict[str, float]]:
    """The reports of the run at ``path``, one dictionary each; numbers that a report lacks are left out."""
    try:
        with open(path / "metrics.csv", newline="", encoding="utf-8") as file:
            return [{name: float(text) for name, text in row.items() if text} for row in csv.DictReader(file)]
    except (OSError, ValueError) as error:
        raise RunError(f"{path / 'metrics.csv'} cannot be read: {error}") from None


def read_checkpoint(
    path: Path, n: int | None = None, update: int | None = None
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the plain data of a checkpoint of the run at ``path``, on the CPU.

    Args:
        path: of the run.
        n: the one kept when this N was solved.
        update: or the one kept after so many updates. Neither: the latest.
    """
    file = checkpoint_file(path, n, update)
    try:
        with safe_open(file, framework="pt") as opened:
            header = opened.metadata() or {}
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 (not a dictionary)
        if header.get("format") != str(FORMAT):
            raise RunError(f"{file} has the format {header.get('format')!r}; known: {FORMAT}")
        if header.get("run") != _identity(read_config(path)):
            raise RunError(f"{file} is not of this run: it was written with another config.json")
        return tensors, json.loads(header["state"])
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise RunError(f"{file} cannot be read: {error}") from None


def _check_empty(path: Path) -> None:
    # A process that was killed before it had written its config may leave a lock and a half-written file behind.
    held = sorted(entry.name for entry in path.iterdir() if entry.name not in ("lock", "config.json.part"))
    if held:
        raise SettingsError("out", f"out must be a new or an empty folder, got {path}, which holds {held[0]}")


def _whole_rows(file: Path) -> list[str]:
    """The rows of ``metrics.csv``, their ends included, without a last one that was cut short."""
    try:
        with open(file, newline="", encoding="utf-8") as opened:
            return [line for line in opened if line.endswith("\n")]
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise RunError(f"{file} cannot be read: {error}") from None


def _identity(config: Mapping[str, Any]) -> str:
    """What tells a run's checkpoints from those of others: a hash of all that decides its numbers."""
    decisive = {name: value for name, value in config["settings"].items() if name not in CHANGEABLE}
    text = json.dumps([decisive, config["recipe"], config["task"]], sort_keys=True)
    return sha256(text.encode()).hexdigest()[:16]


def read_config(path: Path) -> dict[str, Any]:
    """What ``config.json`` of the run at ``path`` holds.

    Raises:
        RunError: it is missing, of another format, or not that of a run.
    """
    file = path / "config.json"
    config = read_format(file, FORMAT)
    if missing := [
        name for name in ("settings", "recipe", "task", "versions") if not isinstance(config.get(name), dict)
    ]:
        raise RunError(f"{file} is not that of a run: it has no {missing[0]}")
    return config
