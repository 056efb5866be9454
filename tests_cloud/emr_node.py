"""What a cluster's nodes do with a step: Hadoop Streaming, but that one task follows another.

The server that stands in for EMR runs this for a step that has the property ``ATTEMPTS``. A task is
run by the very command of the step, in a folder with the uploaded files, and is told by its
environment who it is; what Hadoop itself would do with splits and shuffles is done here.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from emr import ATTEMPTS, SEEN, Step
from stores import AmazonClient

_LINES_FORMAT = "org.apache.hadoop.mapred.lib.NLineInputFormat"
_NO_OUTPUT_FORMAT = "org.apache.hadoop.mapred.lib.NullOutputFormat"


@dataclass(frozen=True)
class Node:
    """A machine of the cluster, with an S3 to itself.

    Attributes:
        folder: where tasks have their folders, and where ``bin`` is on their path.
    """

    step: Step
    address: str
    folder: Path

    def get(self, url: str) -> bytes:
        return AmazonClient(self.address).get(*_bucket_and_key(url))

    def run(self) -> None:
        """All tasks of the step, each as often as is asked for; the first attempt counts."""
        assert self.step.value("-inputformat") == _LINES_FORMAT
        url, properties = self.step.value("-input"), self.step.pairs("-D")
        printed = b""
        for number, split in enumerate(_splits(self.get(url))):
            for attempt in range(int(properties[ATTEMPTS])):
                name = f"attempt_1_0001_m_{number:06}_{attempt}"
                data = self._task("-mapper", name, split, mapreduce_map_input_file=url)
                if self.step.values("-combiner"):
                    data = self._task("-combiner", name, _shuffled(data))
                printed += b"" if attempt else data
        if self.step.values("-reducer"):
            results = self._task("-reducer", "attempt_1_0001_r_000000_0", _shuffled(printed))
            output = self.step.value("-output").rstrip("/")
            for name, content in {"part-00000": results, "_SUCCESS": b""}.items():
                AmazonClient(self.address).put(*_bucket_and_key(f"{output}/{name}"), content)
        else:
            assert self.step.value("-outputformat") == _NO_OUTPUT_FORMAT
            assert printed == b""
        self._tell_what_is_there(url)

    def _task(self, kind: str, attempt: str, data: bytes, **told: str) -> bytes:
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        for name, url in self.step.uploads("-files").items():
            (folder / name).write_bytes(self.get(url))
        environment = {
            **os.environ,
            **self.step.pairs("-cmdenv"),
            **told,
            "PATH": f"{self.folder}/bin:/usr/bin:/bin",
            "AWS_ENDPOINT_URL": self.address,
            "AWS_ACCESS_KEY_ID": "id",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "mapreduce_task_attempt_id": attempt,
            "mapreduce_job_user_name": "hadoop",
        }
        command = shlex.split(self.step.value(kind))
        ended = subprocess.run(
            command, cwd=folder, env=environment, input=data, stdout=subprocess.PIPE, check=True
        )
        return ended.stdout

    def _tell_what_is_there(self, url: str) -> None:
        """The launcher will remove what was temporary."""
        bucket, _ = _bucket_and_key(url)
        client = AmazonClient(self.address)
        client.put(bucket, SEEN, "\n".join(sorted(client.names(bucket))).encode())


def _splits(data: bytes) -> Iterator[bytes]:
    """A line each, behind its offset, as NLineInputFormat and streaming hand it on."""
    offset = 0
    for line in data.splitlines(keepends=True):
        yield b"%d\t%b" % (offset, line)
        offset += len(line)


def _shuffled(data: bytes) -> bytes:
    return b"".join(sorted(data.splitlines(keepends=True)))


def _bucket_and_key(url: str) -> tuple[str, str]:
    bucket, _, key = url.removeprefix("s3://").partition("/")
    return bucket, key


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        # As the cluster's bootstrap would have installed it.
        (python := Path(scratch, "bin/python3.11")).parent.mkdir()
        python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        python.chmod(0o755)
        address, *args = sys.argv[1:]
        Node(Step("", "", tuple(args)), address, Path(scratch)).run()
