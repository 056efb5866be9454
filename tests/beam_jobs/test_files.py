"""Which files are read: by name, by glob and by folder."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from beam_jobs.files import ReadBlocks
from beam_jobs.options import parse_args
from beam_jobs.stores import BeamStore
from model_dofns.exceptions import InputError, UnreadableFileError
from model_dofns.formats import FORMATS
from model_dofns.formats.base import Layout
from model_dofns.jobs.inputs import match_input
from model_dofns.jobs.reading import cut_into_ranges
from model_dofns.jobs.store import absolute
from model_dofns.manifest import InputFile

FILES = ("a.jsonl", "b.jsonl", "c [1].jsonl", "é/d.jsonl", "é/deep/e.jsonl", "[x]/f.jsonl")
HIDDEN = (".g.jsonl", "_job.json", "_rejects/h.jsonl", "é/.i/j.jsonl")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a folder ``in`` of files; each is as long as its name."""
    for name in (*FILES, *HIDDEN):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "in" / "nothing").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(here: Path, *patterns: str) -> list[str]:
    files = match_input(BeamStore(), patterns)
    for file in files:
        assert (file.records, file.error) == (0, None)
        assert file.bytes == Path(file.path).stat().st_size
    return [str(Path(file.path).relative_to(here / "in")) for file in files]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("in", FILES),
        ("in/", FILES),
        ("./in/../in", FILES),
        ("i?", FILES),
        ("in/**", FILES),
        ("in/é", ("é/d.jsonl", "é/deep/e.jsonl")),
        ("in/[x]", ("[x]/f.jsonl",)),
        ("in/[x]/f.jsonl", ("[x]/f.jsonl",)),
        ("in/c [1].jsonl", ("c [1].jsonl",)),
        ("in/a.jsonl", ("a.jsonl",)),
        ("in/?.jsonl", ("a.jsonl", "b.jsonl")),
        ("in/[ab].jsonl", ("a.jsonl", "b.jsonl")),
        ("in/*.jsonl", ("a.jsonl", "b.jsonl", "c [1].jsonl")),
        ("in/é/**.jsonl", ("é/d.jsonl", "é/deep/e.jsonl")),
        ("*/a.jsonl", ("a.jsonl",)),
        ("in/_rejects", ("_rejects/h.jsonl",)),
        ("in/.g.jsonl", (".g.jsonl",)),
    ],
)
def test_a_pattern_finds_its_files(pattern: str, names: tuple[str, ...], here: Path) -> None:
    assert found(here, pattern) == sorted(names)
    assert found(here, str(here / pattern)) == sorted(names)


def test_a_glob_finds_the_files_beside_folders(here: Path) -> None:
    assert set(found(here, "in/*")) >= {"a.jsonl", "b.jsonl", "c [1].jsonl"}


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def link_to_a_folder(path: Path) -> None:
    path.symlink_to(path.parent.parent)


def link_to_nothing(path: Path) -> None:
    path.symlink_to("nowhere")


@pytest.mark.parametrize("make", [make_pipe, link_to_a_folder, link_to_nothing])
def test_what_would_hang_or_be_passed_over_is_refused(
    make: Callable[[Path], None], here: Path
) -> None:
    make(here / "in" / "odd.jsonl")
    with pytest.raises(InputError, match=r"odd\.jsonl"):
        match_input(BeamStore(), ["in"])


def test_a_link_to_a_file_is_that_file(here: Path) -> None:
    (here / "in" / "link.jsonl").symlink_to("a.jsonl")
    assert "link.jsonl" in {Path(file.path).name for file in match_input(BeamStore(), ["in"])}


def test_a_file_is_found_once_and_all_are_sorted(here: Path) -> None:
    patterns = ("in/b.jsonl", "in/é", "in/?.jsonl", "./in/../in/b.jsonl", str(here / "in/b.jsonl"))
    assert found(here, *patterns) == ["a.jsonl", "b.jsonl", "é/d.jsonl", "é/deep/e.jsonl"]


@pytest.mark.parametrize(
    "pattern", ["none", "in/none.jsonl", "in/*.parquet", "in/nothing", "none*"]
)
def test_a_pattern_without_files_is_an_error_though_others_have_some(
    pattern: str, here: Path
) -> None:
    with pytest.raises(InputError, match="names no file") as error:
        match_input(BeamStore(), ["in", pattern])
    assert repr(pattern) in str(error.value)
    assert str(here / pattern) in str(error.value)


def test_paths_are_made_absolute_and_urls_left_alone(here: Path) -> None:
    assert absolute("a/../b") == str(here / "b")
    assert absolute("b/") == f"{here}/b/"
    assert absolute("gs://bucket/a/../b") == "gs://bucket/a/../b"


def test_an_input_is_one_path_or_several_and_may_be_repeated() -> None:
    words = ["--model", "m", "--input", "a", "b", "--output", "out", "--input", "c", "--overwrite"]
    assert parse_args(words).input == ("a", "b", "c")


def test_a_folder_that_names_a_field_is_not_hidden(here: Path) -> None:
    for folder in ("_day=1", "_hidden", ".day=1"):
        (here / "in" / folder).mkdir()
        (here / "in" / folder / "z.jsonl").write_text("{}")
    found = {Path(file.path).parent.name for file in match_input(BeamStore(), [str(here / "in")])}
    assert "_day=1" in found
    assert not found & {"_hidden", ".day=1"}


def test_a_name_that_is_no_utf8_is_refused(here: Path) -> None:
    Path(os.fsdecode(os.fsencode(here / "in") + b"/\xff.jsonl")).write_text("{}")
    with pytest.raises(InputError, match="no UTF-8"):
        match_input(BeamStore(), [str(here / "in")])


# --- reading them ---


def test_a_file_is_opened_as_it_is_whatever_its_suffix(tmp_path: Path) -> None:
    packed = tmp_path / "a.jsonl.gz"
    packed.write_bytes(gzip.compress(b"{}"))
    with BeamStore().open(str(packed)) as file:
        assert file.read() == packed.read_bytes()


def test_a_file_that_has_changed_is_noticed(here: Path) -> None:
    path = here / "in" / "a.jsonl"
    file = InputFile(str(path), path.stat().st_size, "jsonl")
    parts = cut_into_ranges(file, BeamStore(), FORMATS, 1 << 20)
    reading = ReadBlocks(BeamStore(), FORMATS, Layout())
    assert [block.data for block in reading.process(parts)] == [b"a.jsonl"]
    path.write_text("more than that")
    with pytest.raises(UnreadableFileError, match=r"had 7 bytes .* has 14 now"):
        list(reading.process(parts))
