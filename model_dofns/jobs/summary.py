"""How a job ended, for people: what became of every record, and why some were rejected."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from model_dofns.manifest import TOO_MANY_ERRORS, Manifest
from model_dofns.reasons import Reason
from model_dofns.rejects import STAGES

# As many reasons a stage; the manifest has more.
_MAX_REASONS: Final = 5
_WIDTH: Final = 80


@dataclass(frozen=True)
class FolderSummary:
    """How a job ended at one of its models.

    Attributes:
        name: the model's, in the job.
        output: the folder.
        manifest: what stands in there.
    """

    name: str
    output: str
    manifest: Manifest

    @property
    def too_many_errors(self) -> bool:
        return self.manifest.status == TOO_MANY_ERRORS

    def table(self) -> str:
        """What became of every record."""
        manifest, records = self.manifest, self.manifest.records
        lines = [
            _row("records read", records["read"], many(len(manifest.inputs), "file")),
            _row("scored", records["scored"], many(len(manifest.outputs), "part file")),
        ]
        folder = common_folder(file.path for file in manifest.inputs)
        for stage in filter(records["rejected"].get, STAGES):
            lines += reason_lines(stage, records["rejected"][stage], manifest.reasons, folder)
        bad_files = [file for file in manifest.inputs if file.error is not None]
        if bad_files:  # the rows before the damage are scored, and counted
            lines.append(_row("files not read whole", len(bad_files), bad_files[0].path))
        lines += [
            f"{'time':<22}{self._time():>12}",
            f"{'predictions':<22}{self.output}",
            f"{'rejects':<22}{self.rejects_are}",
        ]
        return "\n".join(lines)

    @property
    def rejects_are(self) -> str:
        """Where they are; those of several models together are in the models' own folders."""
        own = f"{self.output}/_rejects"
        if any(file.path.startswith(own) for file in self.manifest.rejects):
            return own
        return f"{self.output}/*/_rejects" if self.manifest.rejects else "none"

    def _time(self) -> str:
        ended, started = map(datetime.fromisoformat, (self.manifest.ended, self.manifest.started))
        return str(ended - started)


@dataclass(frozen=True)
class Summary:
    """How a job ended that ran to its end.

    Attributes:
        folders: of each model, in the order of the command line or the models file.
    """

    folders: tuple[FolderSummary, ...]

    def table(self) -> str:
        """What became of every record, at each of the models."""
        if len(self.folders) == 1:
            return self.folders[0].table()
        return "\n\n".join(f"{'model':<22}{each.name}\n{each.table()}" for each in self.folders)


def _row(name: str, count: int, note: str = "") -> str:
    return f"{name:<22}{count:>12,}  {note}".rstrip()


def many(count: int, what: str) -> str:
    """A number of things: ``"1 file"``, ``"2 files"``."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def reason_lines(stage: str, count: int, reasons: Iterable[Reason], folder: str) -> list[str]:
    """The rejects of a stage: how many, and why; the most frequent first, and where to look.

    Args:
        stage: the one to show.
        count: how many rejects it has.
        reasons: those of all stages.
        folder: what the paths of all files begin with, and need not say.
    """
    shown = [reason for reason in reasons if reason.stage == stage]
    lines = [_row(f"rejected at {stage}", count)]
    for reason in shown[:_MAX_REASONS]:
        lines.append(_row(f"  {one_line(reason.error)}", reason.count, _place(reason, folder)))
        lines.append(f"    {one_line(reason.example['message'], _WIDTH - 4)}")
    if more := shown[_MAX_REASONS:]:
        lines.append(_row("  others", sum(reason.count for reason in more)))
    return lines


def _place(reason: Reason, folder: str) -> str:
    """Where the example of a reason stands: ``"irises-0.jsonl, byte 1266"``."""
    example = reason.example
    place = one_line(example["file"].removeprefix(folder))
    if "offset" in example:
        return f"{place}, byte {example['offset']}"
    return f"{place}, row {example['row']}" if "row" in example else place


def common_folder(paths: Iterable[str]) -> str:
    """What the paths of files have in common, up to a ``/`` and with it."""
    # Not commonpath(), which takes URLs for local paths.
    common = os.path.commonprefix(list(paths))  # noqa: RUF071  # its last "/" ends a component
    return common.rpartition("/")[0] + "/"


def one_line(text: Any, width: int | None = None) -> str:
    """Text of others on one line: without what moves a terminal's cursor, cut to a width."""
    plain = "".join(c if c.isprintable() else " " for c in str(text))
    line = " ".join(plain.split())
    return line if width is None or len(line) <= width else f"{line[: width - 1]}…"
