"""What a worker has done, for whoever commits the job: counts and files, to be added up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from model_dofns.jobs.parts import from_fields
from model_dofns.manifest import OutputFile
from model_dofns.model_spec import ModelMetadata


@dataclass(frozen=True)
class Share:
    """What has been done with one of the job's models; or whichever model records name.

    Attributes:
        read: of each file, how many records have been read.
        scored: how many of them have been scored.
        outputs, rejects: the files that have been written, by their temporary names.
        models: what the model says of itself, once each.
        unreadable: of each file that cannot be read, why, and its format.
    """

    read: Mapping[str, int] = field(default_factory=dict)
    scored: int = 0
    outputs: tuple[OutputFile, ...] = ()
    rejects: tuple[OutputFile, ...] = ()
    models: tuple[ModelMetadata, ...] = ()
    unreadable: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Share:
        """One of the fields that JSON has kept."""
        return cls(
            read=fields["read"],
            scored=fields["scored"],
            outputs=tuple(map(from_fields, fields["outputs"])),
            rejects=tuple(map(from_fields, fields["rejects"])),
            models=tuple(ModelMetadata(**each) for each in fields["models"]),
            unreadable={path: tuple(why) for path, why in fields["unreadable"].items()},
        )


def merged(shares: Iterable[Share]) -> Share:
    """The sum of shares; the order in which they come does not matter, but for that of files."""
    read: dict[str, int] = {}
    unreadable: dict[str, tuple[str, str]] = {}
    scored = 0
    outputs: list[OutputFile] = []
    rejects: list[OutputFile] = []
    models: dict[ModelMetadata, None] = {}
    for share in shares:
        for path, records in share.read.items():
            read[path] = read.get(path, 0) + records
        for path, why in share.unreadable.items():
            unreadable[path] = min(why, unreadable.get(path, why))
        scored += share.scored
        outputs += share.outputs
        rejects += share.rejects
        models |= dict.fromkeys(share.models)
    return Share(read, scored, tuple(outputs), tuple(rejects), tuple(models), unreadable)
