"""The commit of a job: shares are added up, and the last step may be tried again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from apache_beam.io.filesystems import FileSystems
from hypothesis import given
from hypothesis import strategies as st
from job_runs import PLAIN, contents

from beam_jobs.score import parse_args, plan
from model_dofns import ModelSpec
from model_dofns.dofns import ScoredRecords
from model_dofns.jobs.committing import commit
from model_dofns.jobs.parts import PartsWriter, PredictionsPart
from model_dofns.jobs.planning import Job
from model_dofns.jobs.shares import Share, merged
from model_dofns.manifest import OutputFile
from model_dofns.model_spec import ModelMetadata

METADATA = ModelMetadata.of(ModelSpec(PLAIN).load())
NAMES = st.sampled_from(["a", "b", "c"])
FILES = st.lists(st.builds(OutputFile, NAMES, st.just({"scored": 1}), st.just(2))).map(tuple)
SHARES = st.builds(
    Share,
    st.dictionaries(NAMES, st.integers(0, 99)),
    st.integers(0, 99),
    FILES,
    FILES,
    st.sampled_from([(), (METADATA,)]),
    st.dictionaries(NAMES, st.tuples(NAMES, st.just("jsonl"))),
)


@given(st.lists(SHARES), st.integers(0, 9))
def test_shares_may_be_added_up_in_parts_and_in_any_order(shares: list[Share], cut: int) -> None:
    whole = merged(shares)
    assert merged([merged(shares[:cut]), merged(shares[cut:])]) == whole
    other = merged(shares[::-1])
    assert (other.read, other.scored, other.unreadable) == (
        whole.read,
        whole.scored,
        whole.unreadable,
    )
    assert sum(whole.read.values()) == sum(sum(share.read.values()) for share in shares)
    assert len(whole.outputs) == sum(len(share.outputs) for share in shares)


class StoreGoneError(OSError):
    """Of a file system, in the middle of it."""


def written(job: Job) -> Share:
    """A share of one good file, of two records."""
    folder = f"{job.folder.temporary}/predictions"
    job.store.make_folder(folder)
    writer = PartsWriter(
        job.store,
        f"{folder}/bundle",
        ".jsonl",
        lambda file: PredictionsPart(file, job.targets[0].output_format),
    )
    writer.write(ScoredRecords(b"{}\n{}\n", 2))
    return Share(read={job.files[1].path: 2}, outputs=tuple(writer.close()), models=(METADATA,))


@pytest.mark.parametrize("renames", range(3))
def test_a_commit_that_is_tried_again_ends_in_the_same_files(
    renames: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After it died before, between and after its renames: of predictions, and of bad files."""
    for name in ("bad", "good"):
        (tmp_path / f"{name}.jsonl").write_bytes(b"{}\n{}\n")
    out = tmp_path / "out"
    words = ["--model", PLAIN, "--input", str(tmp_path), "--output", str(out)]
    job = plan(parse_args([*words, "--skip_bad_files"]))
    job.prepare()
    share = written(job)
    rest = Share(unreadable={job.files[0].path: ("gone", "jsonl")})
    rename, left = FileSystems.rename, [renames]

    def dies(sources: list[str], targets: list[str]) -> None:
        if not left[0]:
            raise StoreGoneError
        left[0] -= 1
        rename(sources, targets)

    with monkeypatch.context() as patch:
        patch.setattr(FileSystems, "rename", staticmethod(dies))
        with pytest.raises(StoreGoneError):
            commit(job, [share], rest)
    assert not (out / "_manifest.json").exists()

    def refuses(sources: list[str], targets: list[str]) -> None:
        """As HDFS does, where others replace."""
        assert not any(map(FileSystems.exists, targets))
        rename(sources, targets)

    monkeypatch.setattr(FileSystems, "rename", staticmethod(refuses))
    (manifest,) = commit(job, [share], rest)

    assert manifest.records["scored"] == 2
    assert contents(out) == {
        "_job.json",
        "_manifest.json",
        "_rejects",
        "_rejects/part-00000-of-00001.jsonl",
        "part-00000-of-00001.jsonl",
    }
    (reject,) = (out / "_rejects/part-00000-of-00001.jsonl").read_bytes().splitlines()
    assert json.loads(reject)["message"] == "gone"
