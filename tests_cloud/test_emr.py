"""What mrjob asks of EMR for a job, with the configuration in examples/. Nothing is executed."""

from __future__ import annotations

import itertools
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml
from emr import REGION, STEP_ENDS, Elastic, JobFlow, client_of
from mrjob.conf import load_opts_from_mrjob_conf
from mrjob.emr import EMRJobRunner
from mrjob.hadoop import HadoopJobRunner
from mrjob.runner import MRJobRunner
from stores import Bucket, server

EXAMPLES = Path(__file__).parent.parent / "examples"
EMR_CONF = EXAMPLES / "mrjob-emr.conf"
HADOOP_CONF = EXAMPLES / "mrjob-hadoop.conf"

ONE_STEP = """
from mrjob.job import MRJob

class Job(MRJob):
    def mapper(self, key, line):
        yield line, 1

if __name__ == "__main__":
    Job.run()
"""

TWO_STEPS = """
from mrjob.job import MRJob
from mrjob.step import MRStep

class Job(MRJob):
    def first(self, key, line):
        yield line, 1

    def second(self, key, values):
        yield key, sum(values)

    def steps(self):
        return [MRStep(mapper=self.first), MRStep(mapper=self.first, reducer=self.second)]

if __name__ == "__main__":
    Job.run()
"""

_NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def address(environment: pytest.MonkeyPatch) -> Iterator[str]:
    with server("emr_server", "--host=127.0.0.1") as found:
        yield found


@pytest.fixture
def elastic(address: str, tmp_path: Path) -> Elastic:
    """A bucket with input, and a folder with what the example's configuration uploads."""
    client = client_of(address)
    client.make(name := f"emr-{next(_NUMBERS)}")
    bucket = Bucket("s3", name, client, ())
    bucket.put("in/a.jsonl", b'{"id": 1}\n')
    (tmp_path / "wheels").mkdir()
    for wheel in ("model_dofns", "your_model"):
        (tmp_path / f"wheels/{wheel}-1-py3-none-any.whl").write_bytes(wheel.encode())
    return Elastic(address, tmp_path, bucket)


@pytest.fixture
def job(elastic: Elastic) -> list[object]:
    """The command that starts the job, but for what belongs to EMR."""
    (elastic.folder / "job.py").write_text(ONE_STEP)
    return [sys.executable, "job.py", elastic.bucket.url("in/a.jsonl")]


def run(
    elastic: Elastic, job: list[object], *flags: object, **options: object
) -> subprocess.CompletedProcess[str]:
    """The job, with the example's configuration and on top of it what a user must change."""
    changed = {
        "cloud_tmp_dir": elastic.bucket.url("tmp"),
        "cleanup": ["NONE"],  # so that what was uploaded can be looked at
        "check_cluster_every": 0.05,
        "cloud_fs_sync_secs": 0,
    }
    conf = elastic.folder / "changed.conf"
    conf.write_text(yaml.safe_dump({"runners": {"emr": changed | options}}))
    output = elastic.bucket.url("out")
    own = ["-r", "emr", "--conf-path", EMR_CONF, "--conf-path", conf, "--output-dir", output]
    return elastic.run([*job, *own, "--no-output", *flags])


def succeeds(elastic: Elastic, job: list[object], *flags: object, **options: object) -> JobFlow:
    ended = run(elastic, job, *flags, **options)
    assert ended.returncode == 0, ended.stderr
    assert "Unexpected option" not in ended.stderr
    return elastic.job_flow()


def uploaded(elastic: Elastic, urls: Mapping[str, str]) -> dict[str, bytes]:
    return {name: elastic.object_at(url) for name, url in urls.items()}


def test_the_cluster_is_one_for_this_job(elastic: Elastic, job: list[object]) -> None:
    flow = succeeds(elastic, job)

    assert flow.cluster["ReleaseLabel"] == "emr-7.12.0"
    assert [item["Name"] for item in flow.cluster["Applications"]] == ["Hadoop"]
    assert f":{REGION}:" in flow.cluster["ClusterArn"]
    assert flow.cluster["ServiceRole"] == "EMR_DefaultRole"
    assert flow.cluster["Ec2InstanceAttributes"]["IamInstanceProfile"] == "EMR_EC2_DefaultRole"
    assert flow.cluster["LogUri"] == elastic.bucket.url("tmp/logs/")
    assert flow.cluster["AutoTerminate"]
    assert flow.cluster["Status"]["State"] == "TERMINATED"
    machines = {
        role: (group["InstanceType"], group["RequestedInstanceCount"])
        for role, group in flow.groups.items()
    }
    assert machines == {"MASTER": ("m5.xlarge", 1), "CORE": ("m5.xlarge", 2)}


def test_the_release_is_as_asked_for(elastic: Elastic, job: list[object]) -> None:
    flow = succeeds(elastic, job, "--release-label", "emr-7.0.0")

    assert flow.cluster["ReleaseLabel"] == "emr-7.0.0"


def test_the_step_streams_with_python_3_11(elastic: Elastic, job: list[object]) -> None:
    flow = succeeds(elastic, job, "--cmdenv", "ML_MODE=night run=1", "--jobconf", "a.b=c d")

    (step,) = flow.steps
    assert (step.jar, step.args[0]) == ("command-runner.jar", "hadoop-streaming")
    assert step.on_failure == "TERMINATE_CLUSTER"
    assert step.value("-input") == elastic.bucket.url("in/a.jsonl")
    assert step.value("-output") == elastic.bucket.url("out/")
    assert step.value("-mapper") == "python3.11 job.py --step-num=0 --mapper"
    assert step.values("-reducer") == []
    assert step.pairs("-cmdenv") == {"ML_MODE": "night run=1"}
    properties = step.pairs("-D")
    assert properties["mapreduce.job.reduces"] == "0"
    assert properties["a.b"] == "c d"
    committer = properties["mapred.output.committer.class"]
    assert committer == "org.apache.hadoop.mapred.FileOutputCommitter"
    assert properties["mapred.output.direct.EmrFileSystem"] == "false"
    assert properties["mapred.output.direct.NativeS3FileSystem"] == "false"


def test_the_job_and_its_files_are_in_the_bucket(elastic: Elastic, job: list[object]) -> None:
    (elastic.folder / "models.yaml").write_text("models: {}\n")
    flow = succeeds(elastic, job, "--files", "models.yaml")

    (step,) = flow.steps
    files = uploaded(elastic, step.uploads("-files"))
    assert files == {"job.py": ONE_STEP.encode(), "models.yaml": b"models: {}\n"}
    assert step.values("-archives") == []
    assert all(
        url.startswith(elastic.bucket.url("tmp/")) for url in step.uploads("-files").values()
    )


def test_an_environment_travels_as_an_archive(elastic: Elastic, job: list[object]) -> None:
    environment = elastic.folder / "env"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin/python").write_bytes(b"#!/bin/sh\n")
    archive = elastic.folder / "env.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(environment, ".")

    options = {"upload_archives": ["env.tar.gz#env"], "python_bin": "env/bin/python"}
    (step,) = succeeds(elastic, job, **options).steps

    assert step.value("-mapper") == "env/bin/python job.py --step-num=0 --mapper"
    assert uploaded(elastic, step.uploads("-archives")) == {"env": archive.read_bytes()}


def test_the_bootstrap_installs_from_the_wheels(elastic: Elastic, job: list[object]) -> None:
    """The script runs here, with stand-ins for what a node has."""
    flow = succeeds(elastic, job)
    node = elastic.folder / "node"
    for folder in ("bin", "home", "tmp"):
        (node / folder).mkdir(parents=True)
    elastic.bucket.download("", store := node / "store")
    for name, body in {
        "aws": f'cp "{store}/${{3#{elastic.bucket.url()}}}" "$4"',  # aws s3 cp <url> <file>
        "sudo": 'exec "$@"',
        "dnf": f'echo dnf "$@" >> {node}/log',
        "python3.11": f'(echo python3.11 "$@"; ls "$6") >> {node}/log',
    }.items():
        (node / "bin" / name).write_text(f"#!/bin/sh\n{body}\n")
        (node / "bin" / name).chmod(0o755)
    script = store / flow.bootstrap[0].removeprefix(elastic.bucket.url())

    ended = subprocess.run(
        ["/bin/sh", "-x", script],  # as the script's own first line says
        cwd=node / "home",
        env={"PATH": f"{node}/bin:/usr/bin:/bin", "TMPDIR": f"{node}/tmp"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    assert script.read_text().startswith("#!/bin/sh -x\n")
    assert len(flow.bootstrap) == 1
    wheels = f"{node}/home/wheels/"
    assert (node / "log").read_text().splitlines() == [
        "dnf install -y python3.11 python3.11-pip",
        "python3.11 -m pip install --no-index --find-links "
        f"{wheels} model-dofns[mapreduce] your-model",
        "model_dofns-1-py3-none-any.whl",
        "your_model-1-py3-none-any.whl",
    ]


def test_a_step_that_fails_fails_the_job(elastic: Elastic, job: list[object]) -> None:
    ended = run(elastic, job, "--jobconf", f"{STEP_ENDS}=FAILED")

    assert ended.returncode == 1
    assert "Step 1 of 1 failed" in ended.stderr
    assert elastic.job_flow().cluster["Status"]["State"] == "TERMINATED"


def test_what_was_uploaded_goes_and_the_logs_stay(elastic: Elastic, job: list[object]) -> None:
    ended = run(elastic, job, cleanup=None)

    assert ended.returncode == 0, ended.stderr
    assert elastic.bucket.names() == {"in/a.jsonl"}
    assert "Removing log files" not in ended.stderr  # what mrjob says when it does


@pytest.mark.parametrize("batch", [True, False])
def test_a_job_of_two_steps_needs_them_all_at_once(
    batch: bool, elastic: Elastic, job: list[object]
) -> None:
    """As the cluster ends with the last step that it has."""
    (elastic.folder / "job.py").write_text(TWO_STEPS)

    ended = run(elastic, job, add_steps_in_batch=batch)

    assert (ended.returncode == 0) == batch, ended.stderr
    assert ("may not be modified" in ended.stderr) != batch
    assert len(elastic.job_flow().steps) == (2 if batch else 1)


@pytest.mark.parametrize(
    ("conf", "runner"), [(EMR_CONF, EMRJobRunner), (HADOOP_CONF, HadoopJobRunner)]
)
def test_mrjob_knows_all_that_the_examples_say(conf: Path, runner: type[MRJobRunner]) -> None:
    ((path, options),) = load_opts_from_mrjob_conf(runner.alias, str(conf))

    assert path == str(conf)
    assert options
    assert options.keys() <= runner.OPT_NAMES
    sections = yaml.safe_load(conf.read_text())
    assert (sections.keys(), sections["runners"].keys()) == ({"runners"}, {runner.alias})
