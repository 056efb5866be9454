"""Jobs whose paths are on object stores; the stores are servers on this machine."""

from __future__ import annotations

import itertools
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import boto3
import boto3.session
import pytest

HERE = Path(__file__).parent
TESTS = HERE.parent / "tests"
# The checkout before tests/, in which a folder is named beam_jobs as well.
PYTHONPATH = [str(path) for path in (HERE.parent, HERE, TESTS)]
sys.path[:0] = PYTHONPATH

import anonymous  # noqa: E402  # found by the path
from job_runs import DATA_FORMATS, Ended, Score, write_hostile_data  # noqa: E402  # as above
from stores import (  # noqa: E402  # as above
    AmazonClient,
    Bucket,
    GoogleClient,
    plain_environment,
    server,
)

from beam_jobs.score import main  # noqa: E402  # as above

_NUMBERS = itertools.count()


@pytest.fixture(scope="session", autouse=True)
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pytest.MonkeyPatch]:
    """Nothing here leads off this machine; worker processes find the models of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ.keys() - plain_environment().keys():
            patch.delenv(name)
        patch.setenv("PYTHONPATH", os.pathsep.join(PYTHONPATH))
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))  # no one's accounts
        sessions = threading.local()

        def session_of_this_thread() -> boto3.session.Session:
            if not hasattr(sessions, "session"):
                sessions.session = new_session()
            return sessions.session

        # Beam makes one for every file it opens, which takes a fifth of a second each.
        new_session = boto3.session.Session
        patch.setattr(boto3.session, "Session", session_of_this_thread)
        yield patch


@pytest.fixture(scope="session")
def google(environment: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """A template of a bucket."""
    with server("gcp_storage_emulator", "start", "--host=127.0.0.1", "--in-memory") as address:
        environment.setenv("STORAGE_EMULATOR_HOST", address)
        yield Bucket("gs", "", GoogleClient(address), (f"--beam_plugins={anonymous.__name__}",))


@pytest.fixture(scope="session")
def amazon(environment: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """A template of a bucket."""
    with server("moto.server", "--host=127.0.0.1") as address:
        environment.setenv("AWS_ACCESS_KEY_ID", "id")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        yield Bucket("s3", "", AmazonClient(address), (f"--s3_endpoint_url={address}",))


@pytest.fixture(params=["google", "amazon"])
def bucket(request: pytest.FixtureRequest) -> Bucket:
    """An empty bucket, in each of the stores."""
    template: Bucket = request.getfixturevalue(request.param)
    template.client.make(name := f"bucket-{next(_NUMBERS)}")
    return replace(template, name=name)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A local folder of several files, good and hostile, for each format."""
    folder = tmp_path_factory.mktemp("data")
    for format_name in DATA_FORMATS:
        write_hostile_data(folder / format_name, format_name)
    return folder


@pytest.fixture
def score(bucket: Bucket, capsys: pytest.CaptureFixture[str]) -> Score:
    """The command line, in this process, with the flags of the store."""

    def run(*arguments: object) -> Ended:
        capsys.readouterr()
        exit_code = main([*(str(argument) for argument in arguments), *bucket.flags])
        return Ended(exit_code, *capsys.readouterr())

    return run
