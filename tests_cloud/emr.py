"""What mrjob asks of EMR, read back from a server on this machine."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from stores import AmazonClient, Bucket

# Properties of Hadoop (-D, --jobconf) for the server here alone. How a step is to end; and how
# often each of its tasks is run: not at all, unless this says so.
STEP_ENDS = "tests_cloud.step_ends"
ATTEMPTS = "tests_cloud.attempts"

SEEN = "seen"  # the object that says which others there were when all tasks had ended

REGION = "us-west-2"  # not moto's own default, so that it is seen to be passed on


@dataclass(frozen=True)
class Step:
    """A step of a job flow.

    Attributes:
        on_failure: what becomes of the cluster when the step fails.
        jar: what Hadoop runs.
        args: its command line, in which every option has a value.
    """

    on_failure: str
    jar: str
    args: tuple[str, ...]

    def values(self, option: str) -> list[str]:
        """What follows each of an option's occurrences, in order."""
        return [b for a, b in zip(self.args, self.args[1:], strict=False) if a == option]

    def value(self, option: str) -> str:
        """What follows an option that stands there once."""
        (value,) = self.values(option)
        return value

    def pairs(self, option: str) -> dict[str, str]:
        """The values `name=value` of an option, as for -D and -cmdenv."""
        return dict(value.split("=", 1) for value in self.values(option))

    def uploads(self, option: str) -> dict[str, str]:
        """Of -files or -archives: the URL of each, by its name in the task's folder."""
        values = [value for joined in self.values(option) for value in joined.split(",")]
        return {name: url for url, name in (value.rsplit("#", 1) for value in values)}


@dataclass(frozen=True)
class JobFlow:
    """A job flow as EMR's own API describes it.

    Attributes:
        cluster: `DescribeCluster`.
        groups: `ListInstanceGroups`, by their type: MASTER, CORE, TASK.
        bootstrap: `ListBootstrapActions`: the URLs of the scripts, in order.
        steps: `ListSteps`, in the order in which they were added.
    """

    cluster: dict[str, Any]
    groups: dict[str, dict[str, Any]]
    bootstrap: tuple[str, ...]
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Elastic:
    """EMR and its S3, at one address; where one job runs.

    Attributes:
        folder: the working directory of the job.
        bucket: an empty one of this job.
    """

    address: str
    folder: Path
    bucket: Bucket

    def run(self, command: Sequence[object]) -> subprocess.CompletedProcess[str]:
        """A command to its end. boto3, which mrjob uses, takes the address from here."""
        scratch = self.folder / "scratch"
        scratch.mkdir(exist_ok=True)
        environment = os.environ | {
            "AWS_ENDPOINT_URL": self.address,
            "AWS_ACCESS_KEY_ID": "id",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "TMPDIR": str(scratch),
        }
        return subprocess.run(
            [str(word) for word in command],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,  # which mrjob would else read as input
            capture_output=True,
            text=True,
            timeout=600,  # of a machine that others use as well
            check=False,
        )

    def job_flow(self) -> JobFlow:
        """The one whose files are in this job's bucket."""
        keys = {"aws_access_key_id": "id", "aws_secret_access_key": "secret"}
        client = boto3.client("emr", endpoint_url=self.address, region_name=REGION, **keys)
        listed = [item["Id"] for item in client.list_clusters()["Clusters"]]
        described = [client.describe_cluster(ClusterId=name)["Cluster"] for name in listed]
        (cluster,) = [item for item in described if item["LogUri"].startswith(self.bucket.url())]
        flow = {"ClusterId": cluster["Id"]}
        groups = client.list_instance_groups(**flow)["InstanceGroups"]
        actions = client.list_bootstrap_actions(**flow)["BootstrapActions"]
        steps = client.list_steps(**flow)["Steps"]
        steps.sort(key=lambda step: step["Status"]["Timeline"]["CreationDateTime"])
        return JobFlow(
            cluster=cluster,
            groups={group["InstanceGroupType"]: group for group in groups},
            bootstrap=tuple(action["ScriptPath"] for action in actions),
            steps=tuple(
                Step(step["ActionOnFailure"], config["Jar"], tuple(config["Args"]))
                for step, config in ((step, step["Config"]) for step in steps)
            ),
        )

    def object_at(self, url: str) -> bytes:
        """An object of this job's bucket, by its URL."""
        return self.bucket.get(url.removeprefix(self.bucket.url()))


def client_of(address: str) -> AmazonClient:
    """The store's, beside EMR at the same address."""
    return AmazonClient(address)
