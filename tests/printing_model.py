"""A model whose module prints when it is imported, in processes other than that of the tests."""

import os

from broken_models import GoodModel as PrintedModel

if "PYTEST_CURRENT_TEST" in os.environ:
    print("hello")

__all__ = ["PrintedModel"]
