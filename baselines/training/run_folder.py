"""Writing a run folder: ``RunFolder``. ``run_files`` lists its files and reads them."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from baselines.core.files import (
    RunError,
    inside,
    make_folder,
    open_own,
    remove_leftovers,
    replace_file,
    versions,
    writing,
)
from baselines.core.locks import lock
from baselines.core.settings import SettingsError
from baselines.training import checkpoint
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
    """The folder of one run, for writing. It is locked until ``close`` or the end of the process, even a kill.

    Args:
        path: the run folder, which exists.
        columns: the columns of ``metrics.csv``; the first one counts updates or environment steps.

    Raises:
        RunError: another process holds the folder, or it cannot be written.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.path = path
        self._columns = list(columns)
        kept = inside(path, "checkpoints")
        self._release = lock(self, path)
        remove_leftovers(kept)
        self._events: SummaryWriter | None = None
        self._identity = ""
        self._metrics = sha256()  # of all rows in ``metrics.csv``, the header included

    @classmethod
    def new(cls, path: Path, plan: RunPlan, columns: Sequence[str]) -> RunFolder:
        """The folder of a new run; missing folders are made.

        Args:
            path: the run folder, which must be empty or missing.
            plan: the plan of the run.
            columns: the columns of ``metrics.csv``.

        Raises:
            SettingsError: the path is a file, the folder holds something, or it cannot be made. Nothing was written.
            RunError: the folder cannot be written, or another process holds it.
        """
        try:
            path.mkdir(parents=True, exist_ok=True)
            check_empty(path)
        except OSError as error:
            raise SettingsError(
                "out", f"out must be a folder that can be made, got {path} ({error.strerror})"
            ) from None
        folder = cls(path, columns)
        check_empty(path)  # again, under the lock: another process may have started a run here since the first check
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
        """The folder of a run that is resumed. Nothing in it is changed yet.

        Args:
            path: the run folder.
            columns: the columns of ``metrics.csv``.

        Raises:
            RunError: the folder holds no run, or another process holds it.
        """
        config = read_config(path)
        folder = cls(path, columns)
        folder._identity = identity(config)
        return folder

    def go_back(self, update: int, reports: int, last: int = 0, digest: str | None = None) -> None:
        """Undo what was written after a checkpoint: rows of ``metrics.csv``, TensorBoard events, the summary.

        Args:
            update: the checkpoint's value of the first column (updates, or environment steps).
            reports: the number of reports up to the checkpoint.
            last: the value of the first column in the last of these reports.
            digest: the ``metrics`` of the checkpoint, which ``save_checkpoint`` has added to its data. None: it has
                none, because it is of an earlier version.

        Raises:
            RunError: ``metrics.csv`` does not fit the checkpoint; nothing has been changed.
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
        self._check_rows(kept, last)
        text = "".join([header, *kept])
        if digest is not None and digest != sha256(text.encode()).hexdigest():
            raise RunError(f"{file} is not what this run wrote up to {self._columns[0]} {update} of the checkpoint")
        replace_file(file, text.encode())
        self._metrics = sha256(text.encode())
        # TensorBoard then ignores what earlier event files say about later steps.
        self._events = self._open_events(purge_step=update + 1)
        with writing(self.path / "summary.json"):
            (self.path / "summary.json").unlink(missing_ok=True)  # of a link, it removes the link

    def _check_rows(self, rows: Sequence[str], last: int) -> None:
        """Check rows of ``metrics.csv`` that are taken up: each has a number or nothing in every column.

        Raises:
            RunError: a row has something else, or the last one is not of the update ``last``.
        """
        file, first = self.path / "metrics.csv", None
        for at, row in enumerate(csv.reader(rows), start=2):
            try:
                first, *_ = (float(text) if text else None for text in row)
            except ValueError as error:
                raise RunError(f"{file}, line {at}: {error}") from None
            if len(row) != len(self._columns):
                raise RunError(f"{file}, line {at}: must have {len(self._columns)} cells, has {len(row)}")
        if rows and first != last:
            raise RunError(f"{file} must end with {self._columns[0]} {last}, ends with {rows[-1].split(',')[0]}")

    def change_settings(self, changes: Mapping[str, Any]) -> None:
        """Write those of the changes that are in ``CHANGEABLE`` into ``config.json``."""
        if new := {name: changes[name] for name in CHANGEABLE if name in changes}:
            config = read_config(self.path)
            config["settings"] |= new
            self._write_json("config.json", config)

    def add_metrics(self, row: Mapping[str, float]) -> None:
        """Append a row to ``metrics.csv`` and to the TensorBoard events; missing columns stay empty."""
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
        kept: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Replace the latest checkpoint atomically: any reader sees the old one or the new one.

        Args:
            tensors: the tensors of the checkpoint, by name.
            plain: its other data, in a form that JSON can hold.
            solved: also keep the checkpoint under this solved N.
            update: also keep the checkpoint under this number of updates.
            kept: the tensors of a checkpoint that is kept. None: all of them.

        Raises:
            RunError: a file cannot be written.
        """
        plain = {**plain, "metrics": self._metrics.hexdigest()}
        data = self._checkpoint(tensors, plain)
        if self._events is not None:
            with writing(self.path / "events"):
                self._events.flush()
        if solved is not None or update is not None:
            own = data if kept is None else self._checkpoint(kept, plain)
            if solved is not None:
                self._keep(own, solved, None)
            if update is not None:
                self._keep(own, None, update)
        # Last: a run that is killed before this line resumes from the checkpoint before and writes the others again.
        replace_file(checkpoint_file(self.path), data)

    def keep_checkpoint(self, tensors: Mapping[str, Tensor], plain: Mapping[str, Any], solved: int) -> None:
        """Keep a checkpoint under a solved N without making it the latest; the latest must be saved after it."""
        self._keep(self._checkpoint(tensors, plain), solved, None)

    def _checkpoint(self, tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> bytes:
        return checkpoint.to_bytes(tensors, {"format": str(FORMAT), "run": self._identity, "state": json.dumps(plain)})

    def _keep(self, data: bytes, solved: int | None, update: int | None) -> None:
        make_folder(self.path, "checkpoints")
        replace_file(checkpoint_file(self.path, solved, update), data)

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Write ``summary.json``: how the run ended."""
        self._write_json("summary.json", summary)

    def close(self) -> None:
        """Release the folder, so that other processes can write to it."""
        if self._events is not None:
            with suppress(OSError):  # the disk is full, which an earlier error has reported
                self._events.close()
        self._release()

    def _open_events(self, purge_step: int | None = None) -> SummaryWriter:
        # Only ``save_checkpoint`` flushes it, so that a full disk raises an error there and not in the writer's thread.
        return SummaryWriter(inside(self.path, "events"), purge_step=purge_step, flush_secs=10**6)

    def _line(self, row: Mapping[str, object]) -> str:
        text = io.StringIO(newline="")
        csv.DictWriter(text, self._columns, restval="").writerow(row)
        return text.getvalue()

    def _write_row(self, row: Mapping[str, object]) -> None:
        file = self.path / "metrics.csv"
        line = self._line(row).encode()
        with writing(file), open(open_own(file, os.O_WRONLY | os.O_APPEND), "ab") as opened:
            opened.write(line)
        self._metrics.update(line)

    def _write_json(self, name: str, content: Mapping[str, Any]) -> None:
        replace_file(self.path / name, (json.dumps(content, indent=2) + "\n").encode())
