"""The fixture ``check_model``, for the tests of a model's package.

A module of its own, as pytest imports it at every start, where the library is installed; the
library itself is imported where the fixture is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from model_dofns.checks.results import CheckReport


@pytest.fixture(scope="session")
def check_model() -> Callable[..., CheckReport]:
    """Check a model as :func:`model_dofns.check.check_model` does, and fail where a check fails.

    ::

        def test_it_works_everywhere(check_model):
            check_model("my_package:MyModel", samples=["tests/records.jsonl"])
    """

    def check(model: Any, samples: Any = ()) -> CheckReport:
        from model_dofns.check import check_model

        report = check_model(model, samples)
        report.raise_for_failures()
        return report

    return check
