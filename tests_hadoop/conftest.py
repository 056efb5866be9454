"""A Hadoop of the session's own: real daemons on loopback, gone when the tests are."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests"), str(HERE)]

from cluster import Cluster, free_base_port  # noqa: E402  # found by the path
from jars import MissingProgramError, default_cache, jars_folder, require_programs  # noqa: E402
from scoring import Scoring  # noqa: E402


@pytest.fixture(scope="session")
def hadoop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster that runs; where it cannot, tests are skipped, on CI they fail."""
    cache = default_cache()
    try:
        require_programs(download=not jars_folder(cache).is_dir())
    except MissingProgramError as error:
        if os.environ.get("CI"):
            pytest.fail(f"CI is set, and these tests must not be skipped there: {error}")
        pytest.skip(str(error))
    cluster = Cluster(tmp_path_factory.mktemp("hadoop"), free_base_port(), cache)
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture
def hadoop_environment(hadoop: Cluster) -> dict[str, str]:
    """This process's, with what makes `hadoop` the cluster's, and the user one of its."""
    return {**os.environ, **hadoop.environment()}


@pytest.fixture(scope="session")
def scoring(hadoop: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Scoring:
    """Jobs of ours on the cluster."""
    return Scoring(hadoop, tmp_path_factory.mktemp("scoring"))
