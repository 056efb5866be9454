"""The job on EMR, with the configuration in examples/: what is asked of EMR, and what comes of it.

A stand-in takes the requests. It runs the tasks where a test asks for it, one after the other on
this machine; else it does nothing, says that all went well, and the job must not believe that.
"""

from __future__ import annotations

import gzip
import itertools
import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml
from emr import ATTEMPTS, REGION, SEEN, STEP_ENDS, Elastic, JobFlow, client_of
from job_runs import (
    DATA_FORMATS,
    EVERY_STAGE,
    PLAIN,
    assert_whole,
    read_result,
    records,
    scored_directly,
)
from mrjob.conf import load_opts_from_mrjob_conf
from mrjob.emr import EMRJobRunner
from mrjob.hadoop import HadoopJobRunner
from mrjob.runner import MRJobRunner
from results import in_words_of
from stores import Bucket, server

import mapreduce_jobs.score

EXAMPLES = Path(__file__).parent.parent / "examples"
EMR_CONF = EXAMPLES / "mrjob-emr.conf"
HADOOP_CONF = EXAMPLES / "mrjob-hadoop.conf"

COUNT_COLOURS = Path(__file__).parent / "count_colours.py"
MODULE = (sys.executable, "-m", "mapreduce_jobs.score")
LINES = b"".join(json.dumps(row).encode() + b"\n" for row in records(100))

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
    bucket.put("in/a.jsonl", LINES)
    (tmp_path / "wheels").mkdir()
    for wheel in ("model_dofns", "your_model"):
        (tmp_path / f"wheels/{wheel}-1-py3-none-any.whl").write_bytes(wheel.encode())
    return Elastic(address, tmp_path, bucket)


@pytest.fixture
def job(elastic: Elastic) -> list[object]:
    """The command that starts the job, but for what belongs to EMR."""
    return [*MODULE, "--model", PLAIN, elastic.bucket.url("in/")]


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
    ended = elastic.run([*job, *own, *flags])
    assert "Unexpected option" not in ended.stderr
    return ended


def asked_for(elastic: Elastic, job: list[object], *flags: object, **options: object) -> JobFlow:
    """What the job asks of EMR; it is told that all is done, and sees that nothing is."""
    ended = run(elastic, job, *flags, **options)
    assert ended.returncode == 1, ended.stderr
    assert "1 of 1 orders were not done" in ended.stderr
    assert_failed(elastic)
    return elastic.job_flow()


def assert_failed(elastic: Elastic) -> None:
    """The output folder has no part and no manifest, and says why; nothing is there in passing."""
    assert elastic.bucket.names("out") - {""} == {"_job.json"}  # "": an object of Arrow's
    marker = json.loads(elastic.bucket.get("out/_job.json"))
    assert (marker["library"], marker["status"]) == ("model-dofns", "failed")


def uploaded(elastic: Elastic, urls: Mapping[str, str]) -> dict[str, bytes]:
    return {name: elastic.object_at(url) for name, url in urls.items()}


def test_the_cluster_is_one_for_this_job(elastic: Elastic, job: list[object]) -> None:
    flow = asked_for(elastic, job)

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
    flow = asked_for(elastic, job, "--release-label", "emr-7.0.0")

    assert flow.cluster["ReleaseLabel"] == "emr-7.0.0"


def test_the_step_streams_with_python_3_11(elastic: Elastic, job: list[object]) -> None:
    flow = asked_for(elastic, job, "--cmdenv", "ML_MODE=night run=1", "--jobconf", "a.b=c d")

    (step,) = flow.steps
    assert (step.jar, step.args[0]) == ("command-runner.jar", "hadoop-streaming")
    assert step.on_failure == "TERMINATE_CLUSTER"
    assert step.value("-inputformat") == "org.apache.hadoop.mapred.lib.NLineInputFormat"
    assert step.value("-outputformat") == "org.apache.hadoop.mapred.lib.NullOutputFormat"
    job_id = json.loads(elastic.bucket.get("out/_job.json"))["job"]
    temporary = elastic.bucket.url(f"out/_temporary/{job_id}")
    assert step.value("-input") == f"{temporary}/orders"
    assert step.value("-output") == f"{temporary}/results/"
    assert step.value("-mapper") == (
        f"python3.11 score.py --step-num=0 --mapper --task '{temporary}/plan'"
    )
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
    flow = asked_for(elastic, job, "--files", "models.yaml")

    (step,) = flow.steps
    files = uploaded(elastic, step.uploads("-files"))
    script = Path(mapreduce_jobs.score.__file__).read_bytes()
    assert files == {"score.py": script, "models.yaml": b"models: {}\n"}
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
    (step,) = asked_for(elastic, job, **options).steps

    assert step.value("-mapper").startswith("env/bin/python score.py --step-num=0 --mapper ")
    assert uploaded(elastic, step.uploads("-archives")) == {"env": archive.read_bytes()}


def test_the_bootstrap_installs_from_the_wheels(elastic: Elastic, job: list[object]) -> None:
    """The script runs here, with stand-ins for what a node has."""
    flow = asked_for(elastic, job)
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
    assert "step 1 of 1 failed" in ended.stderr
    assert_failed(elastic)
    assert elastic.job_flow().cluster["Status"]["State"] == "TERMINATED"


def test_what_was_uploaded_goes_and_the_logs_stay(elastic: Elastic, job: list[object]) -> None:
    ended = run(elastic, job, "--jobconf", f"{ATTEMPTS}=1", cleanup=None)

    assert ended.returncode == 0, ended.stderr
    ours = {SEEN, "in/a.jsonl", "out/", *(f"out/{name}" for name in elastic.bucket.names("out"))}
    assert elastic.bucket.names() == ours
    assert "Removing log files" not in ended.stderr  # what mrjob says when it does


@pytest.mark.parametrize("batch", [True, False])
def test_a_job_of_two_steps_needs_them_all_at_once(batch: bool, elastic: Elastic) -> None:
    """As the cluster ends with the last step that it has. This is any job of mrjob's."""
    (elastic.folder / "job.py").write_text(TWO_STEPS)
    job = [sys.executable, "job.py", "--no-output", elastic.bucket.url("in/a.jsonl")]

    ended = run(elastic, job, add_steps_in_batch=batch)

    assert (ended.returncode == 0) == batch, ended.stderr
    assert ("may not be modified" in ended.stderr) != batch
    assert len(elastic.job_flow().steps) == (2 if batch else 1)


# --- tasks are run ---


@pytest.mark.parametrize("format_name", DATA_FORMATS)
@pytest.mark.parametrize("attempts", [1, 2])
def test_what_tasks_have_done_counts_once(
    attempts: int, format_name: str, elastic: Elastic, data: Path, tmp_path: Path
) -> None:
    bucket = elastic.bucket
    source = bucket.upload(data / format_name, "hostile")
    job = [*MODULE, "--model", EVERY_STAGE, "--max-errors", "50%", source]
    properties = (f"{ATTEMPTS}={attempts}", "mapreduce.job.maps=2")

    ended = run(elastic, job, *(word for each in properties for word in ("-D", each)))

    assert ended.returncode == 0, ended.stderr
    seen = bucket.get(SEEN).decode().splitlines()
    receipts = {Path(name).stem for name in seen if "/receipts/" in name}
    assert receipts == {
        f"attempt_1_0001_m_{number:06}_{attempt}"
        for number in (0, 1)
        for attempt in range(attempts)
    }
    out = bucket.download("out", tmp_path / "result")
    manifest = assert_whole(out)
    assert (manifest.engine, manifest.runner) == ("mapreduce", "emr")
    expected = scored_directly(data / format_name, format_name)
    assert read_result(out) == in_words_of(source, expected, data / format_name)


def test_a_reducer_of_one_s_own_writes_into_the_folder(elastic: Elastic) -> None:
    job = [sys.executable, COUNT_COLOURS, "--model", PLAIN, elastic.bucket.url("in/")]

    ended = run(elastic, job, "-D", f"{ATTEMPTS}=2", "--keep-predictions")

    assert ended.returncode == 0, ended.stderr
    out = elastic.bucket.snapshot("out")
    assert dict(map(str.split, out["part-00000"].decode().splitlines())) == {
        '"red"': "34", '"green"': "33", '"blue"': "33",
    }  # fmt: skip
    assert out["_predictions/part-00000-of-00001.jsonl"].count(b"\n") == 100
    assert json.loads(out["_manifest.json"])["records"]["scored"] == 100


def test_the_launcher_says_what_made_a_task_fail(elastic: Elastic, job: list[object]) -> None:
    elastic.bucket.put("in/b.jsonl.gz", gzip.compress(LINES)[:-100])

    ended = run(elastic, job, "-D", f"{ATTEMPTS}=1")

    assert ended.returncode == 1
    assert "UnreadableFileError" in ended.stderr
    assert elastic.bucket.url("in/b.jsonl.gz") in ended.stderr
    assert_failed(elastic)


# --- the examples ---


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
