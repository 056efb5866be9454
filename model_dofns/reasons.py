"""Why records were rejected, in sum: by stage and error, each with an example to look at.

A writer of rejects keeps a :class:`ReasonTally` as it writes; :func:`merged` adds up what the
writers kept. So the sums are as exact as the writers' own counts, and no reject is read again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from model_dofns.rejects import READ_STAGE, STAGES, Reject

MAX_REASONS: Final = 20
OTHER_ERRORS: Final = "(other errors)"

_MAX_NAME = 100
_MAX_MESSAGE = 200
_STAGES = (READ_STAGE, *STAGES)


@dataclass(frozen=True)
class Reason:
    """What several rejects have in common.

    Attributes:
        stage: where they failed.
        error: the name of the error's class, cut to 100 characters; or :data:`OTHER_ERRORS`, where
            there are more than 20 of them.
        count: how many there are.
        example: the first of them by file and place: ``file``; ``offset`` or ``row``, as in the
            reject itself; and ``message``, cut to 200 characters.
    """

    stage: str
    error: str
    count: int
    example: Mapping[str, Any]


class ReasonTally:
    """Counts rejects by their reason, in little memory however many there are."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], int] = {}
        self._examples: dict[tuple[str, str], dict[str, Any]] = {}

    def add(self, reject: Reject) -> None:
        key = (reject.stage, reject.error)
        if key not in self._counts and len(self._counts) >= MAX_REASONS:
            key = (reject.stage, OTHER_ERRORS)
        self._counts[key] = self._counts.get(key, 0) + 1
        example = self._examples.get(key)
        if example is None or _place(reject.file, reject.source) < _place_of(example):
            self._examples[key] = _example(reject)

    def reasons(self) -> tuple[Reason, ...]:
        """What has been added so far, the most frequent first."""
        return merged(
            Reason(stage, error[:_MAX_NAME], count, self._examples[stage, error])
            for (stage, error), count in self._counts.items()
        )


def merged(reasons: Iterable[Reason]) -> tuple[Reason, ...]:
    """The same with each stage and error once, the most frequent first.

    Beyond 20 the rarest ones of a stage become one, :data:`OTHER_ERRORS`.
    """
    ranked = sorted(_added_up(reasons), key=lambda each: (each.error == OTHER_ERRORS, _rank(each)))
    kept, rest = ranked[:MAX_REASONS], ranked[MAX_REASONS:]
    others = (Reason(each.stage, OTHER_ERRORS, each.count, each.example) for each in rest)
    return tuple(sorted(_added_up([*kept, *others]), key=_rank))


def _added_up(reasons: Iterable[Reason]) -> list[Reason]:
    sums: dict[tuple[str, str], Reason] = {}
    for each in reasons:
        key = (each.stage, each.error)
        if key in sums:
            example = min(sums[key].example, each.example, key=_place_of)
            sums[key] = Reason(*key, sums[key].count + each.count, example)
        else:
            sums[key] = each
    return list(sums.values())


def _rank(reason: Reason) -> tuple[int, int, str]:
    return -reason.count, _STAGES.index(reason.stage), reason.error


def _place(file: str | None, source: Mapping[str, Any]) -> tuple[str, int]:
    return file or "", source.get("offset", source.get("row", -1))


def _place_of(example: Mapping[str, Any]) -> tuple[str, int]:
    return _place(example["file"], example)


def _example(reject: Reject) -> dict[str, Any]:
    message = reject.message
    if len(message) > _MAX_MESSAGE:
        message = f"{message[: _MAX_MESSAGE - 1]}…"
    place = {name: reject.source[name] for name in ("offset", "row") if name in reject.source}
    return {"file": reject.file, **place, "message": message}
