"""What checks of a model come to: a verdict each, with what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from model_dofns.exceptions import ModelCheckError


class Verdict(StrEnum):
    """What a check comes to."""

    OK = "ok"
    FAILED = "FAILED"
    WARNING = "warning"
    NOT_TRIED = "not tried"
    INFO = "info"


@dataclass(frozen=True)
class CheckResult:
    """What one check comes to.

    Attributes:
        check: its name.
        verdict: what it comes to.
        message: what was seen.
        hint: what to do about it, if anything.
    """

    check: str
    verdict: Verdict
    message: str
    hint: str = ""


@dataclass(frozen=True)
class CheckReport:
    """What all checks of a model come to, in their order."""

    model: str
    results: tuple[CheckResult, ...]

    def __iter__(self) -> Iterator[CheckResult]:
        return iter(self.results)

    @property
    def failures(self) -> tuple[CheckResult, ...]:
        """Those that failed."""
        return tuple(result for result in self.results if result.verdict is Verdict.FAILED)

    def raise_for_failures(self) -> None:
        """Do nothing where none failed.

        Raises:
            ModelCheckError: one did; the message has all that did, with their hints.
        """
        if self.failures:
            raise ModelCheckError(f"{self.headline()}\n{_table(self.failures)}")

    def headline(self) -> str:
        """How many failed, and which."""
        names = ", ".join(result.check for result in self.failures) or "none"
        return f"{len(self.failures)} of {len(self.results)} checks of {self.model} failed: {names}"

    def table(self) -> str:
        """A line for each result, and one more with its hint."""
        return _table(self.results)


def _table(results: tuple[CheckResult, ...]) -> str:
    width = max((len(result.check) for result in results), default=0)
    lines = []
    for result in results:
        begin = f"{result.verdict:<10} {result.check:<{width}}  "
        lines.append(f"{begin}{result.message}")
        if result.hint:
            lines.append(f"{'':<{len(begin)}}-> {result.hint}")
    return "\n".join(lines)
