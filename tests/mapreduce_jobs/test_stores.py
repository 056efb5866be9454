"""Files by their paths: what the store of this engine finds is what that of Beam finds."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from beam_jobs.stores import BeamStore
from mapreduce_jobs import stores
from mapreduce_jobs.stores import ClusterStore
from model_dofns.exceptions import DoesNotFitError, InputError, UnreadableFileError
from model_dofns.jobs.inputs import match_input
from model_dofns.jobs.store import Store

FILES = (
    "a.jsonl", "b.jsonl", "c.csv", "noext", ".hidden.jsonl", "_under.jsonl", "with space.jsonl",
    "né é.jsonl", "[ab].jsonl", "a+b.jsonl", "a(1).jsonl", "a$^|.jsonl", "tab\t.jsonl",
    "nl\n.jsonl",
    "a?.jsonl", "a*.jsonl", "100%.jsonl",
    "{a,b}.jsonl", "-.jsonl", "].jsonl",    "!.jsonl", "^.jsonl",
    "day=1/a.jsonl", "day=2/a.jsonl", "day=2/deep/er/a.jsonl", ".git/a.jsonl", "_day=3/a.jsonl",
    "_temporary/a.jsonl", "x.jsonl/inside.jsonl", "[x]/a.jsonl",
)  # fmt: skip
GLOBS = (
    "", "*", "**", "*.jsonl", "**.jsonl", "**/*.jsonl", "*/*.jsonl", "*/a.jsonl", "day=*/**",
    "day=?/a.jsonl", "day=[12]/*", "day=[!1]/*", "day=[1-2]/*", "day=[1]/**/a.jsonl", "?.jsonl",
    "[ab].jsonl", "[!a].jsonl", "[^a].jsonl", "[a-c].*", "[]].jsonl", "[!]].jsonl", "[].jsonl",
    "[.jsonl", "a[?].jsonl", "a[*].jsonl", "a?.jsonl", "a*.jsonl", "a+b.jsonl", "a(*).jsonl",
    "{a,b}.jsonl", "100%.jsonl", "none", "none*", "none/*", "a.jsonl/*", "a.jsonl", "x.jsonl",
    "x.jsonl/*", "x.jsonl/", "day=1/", "day=1//a.jsonl", ".*", "_*", "_day=3/*", ".git/*", "[x]",
    "[x]/*", "n*", "t*", "*\t*", "*\n*", "[a", "[z-a].jsonl", "[a&&b|c~d[].jsonl", "[!!].jsonl",
    "[-].jsonl", "***", "d*/d*/e*/*", "*/", "**/",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    for number, name in enumerate(FILES):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * number)
    (folder / "an empty one").mkdir()
    return folder


def found(store: Store, pattern: str) -> list[tuple[str, int]] | str:
    """What a job finds, or the name of its error."""
    try:
        return [(file.path, file.bytes) for file in match_input(store, [pattern])]
    except InputError:
        return "InputError"


@pytest.mark.parametrize("glob", GLOBS)
def test_a_job_finds_what_it_finds_on_beam(
    glob: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    expected = found(BeamStore(), glob or str(folder))
    assert found(ClusterStore(), glob or str(folder)) == expected
    paths = [path for path, _ in expected] if isinstance(expected, list) else []
    if glob in ("", "*", "*.jsonl", "day=*/**", "a.jsonl"):
        assert paths


def test_a_name_with_a_backslash_is_found(tmp_path: Path) -> None:
    r"""Beam's ``*`` passes over it."""
    (tmp_path / "back\\slash.jsonl").touch()
    for pattern in ("", "*", "back\\*", "back\\slash.jsonl"):
        assert found(ClusterStore(), f"{tmp_path}/{pattern}") == [
            (str(tmp_path / "back\\slash.jsonl"), 0)
        ]


def test_a_folder_may_have_characters_of_a_glob_in_its_name(tmp_path: Path) -> None:
    for name in ("of [many] files", "of m files", "o?*"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.jsonl").touch()
    for name in ("of [many] files", "of [many] files/a.jsonl", "o?*"):
        first, *_ = name.split("/")
        expected = [(str(tmp_path / first / "a.jsonl"), 0)]
        assert found(ClusterStore(), str(tmp_path / name)) == expected
        assert found(BeamStore(), str(tmp_path / name)) == expected


def test_links_to_files_are_followed(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "real.jsonl").write_text("12345")
    (tmp_path / "in" / "link.jsonl").symlink_to(tmp_path / "real.jsonl")
    for pattern in ("in", "in/*", "in/link.jsonl"):
        expected = [(str(tmp_path / "in" / "link.jsonl"), 5)]
        assert found(ClusterStore(), str(tmp_path / pattern)) == expected
        assert found(BeamStore(), str(tmp_path / pattern)) == expected


def test_what_cannot_be_seen_or_read_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pipe").mkdir()
    os.mkfifo(tmp_path / "pipe" / "a.jsonl")
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "a.jsonl").symlink_to("nowhere")
    for name in ("pipe", "pipe/*", "pipe/a.jsonl", "link"):
        assert found(ClusterStore(), str(tmp_path / name)) == "InputError"


# --- what it does ---


@pytest.mark.parametrize("store", [ClusterStore(), BeamStore()], ids=["cluster", "beam"])
def test_names_are_those_of_files_and_folders(store: Store, tmp_path: Path) -> None:
    for name in ("a", "folder/b", ".hidden", "né é\t", "[x]/y"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert store.names(str(tmp_path)) == {"a", "folder", ".hidden", "né é\t", "[x]"}
    assert store.names(f"{tmp_path}/") == store.names(str(tmp_path))
    assert store.names(str(tmp_path / "none")) == set()


def test_a_file_is_written_renamed_over_another_and_deleted(tmp_path: Path) -> None:
    store = ClusterStore()
    folder = str(tmp_path / "deep" / "er")
    store.make_folder(folder)
    store.make_folder(folder)  # as two tasks may
    for name, text in (("one", b"1"), ("two", b"22"), ("three", b"333")):
        with store.create(f"{folder}/{name}") as file:
            file.write(text)
    store.rename([f"{folder}/one", f"{folder}/three"], [f"{folder}/two", f"{folder}/né 4"])
    assert store.names(folder) == {"two", "né 4"}
    assert store.read(f"{folder}/two") == b"1"
    assert store.size(f"{folder}/né 4") == 3
    with store.create(f"{folder}/two") as file:
        file.write(b"")
    assert store.read(f"{folder}/two") == b""
    store.delete_files([f"{folder}/two"])
    assert not store.exists(f"{folder}/two")
    assert store.exists(folder)
    store.delete(f"{folder}/two")  # which is not there
    store.delete(str(tmp_path / "deep"))
    assert not store.exists(folder)


def test_renaming_many_files_renames_all(tmp_path: Path) -> None:
    sources = [str(tmp_path / f"a{n}") for n in range(100)]
    for source in sources:
        Path(source).write_text(source)
    targets = [str(tmp_path / f"b{n}") for n in range(100)]
    ClusterStore().rename(sources, targets)
    assert [Path(target).read_text() for target in targets] == sources
    with pytest.raises(OSError, match="none"):
        ClusterStore().rename([str(tmp_path / "none")], [str(tmp_path / "x")])


def test_a_file_is_read_as_it_stands_whatever_its_suffix(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(b"\x1f\x8b not packed")
    assert ClusterStore().read(str(tmp_path / "a.gz")) == b"\x1f\x8b not packed"
    with ClusterStore().create(str(tmp_path / "b.gz")) as file:
        file.write(b"plain")
    assert (tmp_path / "b.gz").read_bytes() == b"plain"


@pytest.mark.parametrize("path", ["none", "a folder", "ftp://host/a"])
def test_what_cannot_be_opened_is_unreadable(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a folder").mkdir()
    with pytest.raises(UnreadableFileError, match=path):
        ClusterStore().read(path)


def test_it_travels() -> None:
    assert isinstance(pickle.loads(pickle.dumps(ClusterStore())), ClusterStore)


# --- what is found at launch ---


@pytest.mark.parametrize("path", ["ftp://host/a", "gs://bucket/*", "file:///a", "http://host/a"])
def test_a_scheme_that_no_one_knows_is_refused(path: str) -> None:
    with pytest.raises(DoesNotFitError, match=r"there is no .*:// here") as refused:
        ClusterStore().check_access(["local/path", path])
    assert "Amazon" not in str(refused.value)  # whose tools have nothing to do with it


def test_a_server_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing listens there; hdfs-native tries again and again."""
    monkeypatch.setattr(stores, "_PATIENCE_SECONDS", 0.2)
    with pytest.raises(
        DoesNotFitError, match=r"hdfs://127.0.0.1:1/a/b cannot be looked up.*HADOOP"
    ):
        ClusterStore().check_access(["hdfs://127.0.0.1:1/a/b"])


def test_local_paths_need_no_look() -> None:
    ClusterStore().check_access(["/none", "none/*"])
