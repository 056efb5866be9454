"""Puts ``tests/`` on the path, so that a model there has the same class path in every process."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
