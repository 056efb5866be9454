"""The promise: the same records, predictions and rejects, wording included, on every engine."""

from __future__ import annotations

from pathlib import Path

import pytest
from engines import ENGINES, run
from parity import TABLES, Table, written

from model_dofns.manifest import MANIFEST_FILE, Manifest


@pytest.mark.parametrize("table", TABLES, ids=str)
@pytest.mark.parametrize("engine", ENGINES)
def test_what_becomes_of_each_record_does_not_depend_on_the_engine(
    engine: str, table: Table, tmp_path: Path
) -> None:
    files, out = table.write(tmp_path / "hostile files"), tmp_path / "out"

    ended = run(engine, table.flags, files, out)

    assert ended.returncode == 0, ended.stderr
    assert written(out) == table.expected(files)
    manifest = Manifest.from_json((out / MANIFEST_FILE).read_bytes())
    assert len(manifest.outputs) >= ENGINES[engine].workers
