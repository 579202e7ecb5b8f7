"""A run folder, for writing: ``RunFolder``. ``run_files`` says what is in it and reads it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from baselines.core.files import RunError, lock, replace_file, versions, writing
from baselines.core.settings import SettingsError
from baselines.training.run_files import (
    CHANGEABLE,
    FORMAT,
    check_empty,
    checkpoint_file,
    identity,
    read_config,
    whole_rows,
)
from baselines.training.settings import RunPlan


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
            check_empty(path)
        except OSError as error:
            raise SettingsError(
                "out", f"out must be a folder that can be made, got {path} ({error.strerror})"
            ) from None
        folder = cls(path, columns)
        check_empty(path)  # now that nobody else can begin here
        config = {
            "format": FORMAT,
            "method": plan.settings.METHOD,
            "settings": plan.settings.to_dict(),
            "recipe": asdict(plan.recipe),
            "task": plan.task.to_dict(),
            "versions": versions(),
        }
        folder._identity = identity(config)
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
        folder._identity = identity(config)
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
        rows = whole_rows(file)
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
        """Write into ``config.json`` what of ``changes`` is ``CHANGEABLE``."""
        if new := {name: changes[name] for name in CHANGEABLE if name in changes}:
            config = read_config(self.path)
            config["settings"] |= new
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
