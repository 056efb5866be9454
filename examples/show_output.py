"""Show what a job wrote: ``python examples/show_output.py FOLDER …``.

Of each output folder the first predictions and all rejects; at last a table of all folders.
"""

import itertools
import json
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq


def first_predictions(folder: Path, count: int) -> list[str]:
    """The beginning of the first part file."""
    part = min(folder.glob("part-*"))
    if part.suffix == ".parquet":
        return [json.dumps(row) for row in pq.read_table(part).slice(0, count).to_pylist()]
    with part.open(encoding="utf-8") as lines:
        return [line.rstrip("\n") for line in itertools.islice(lines, count)]


def rejects(folder: Path) -> list[dict[str, Any]]:
    """All rejects of a folder."""
    return [
        json.loads(line)
        for part in sorted(folder.glob("_rejects/part-*"))
        for line in part.read_text(encoding="utf-8").splitlines()
    ]


def show(folder: Path) -> None:
    """Print the first predictions, and why each reject was rejected."""
    print(f"\n--- {folder}: the first predictions")
    for record in first_predictions(folder, 3):
        print(record)
    print(f"--- {folder}: the rejects")
    for reject in rejects(folder):
        place = f"byte {reject['offset']}" if "offset" in reject else f"row {reject['row']}"
        print(f"{Path(reject['file']).name}, {place}: {reject['stage']}: {reject['message']}")


def main(folders: list[Path]) -> None:
    """Show all folders, then the table."""
    for folder in folders:
        show(folder)
    print(f"\n{'folder':<24}{'read':>8}{'scored':>8}{'rejected':>10}  status")
    for folder in folders:
        manifest = json.loads((folder / "_manifest.json").read_text(encoding="utf-8"))
        records = manifest["records"]
        rejected = sum(records["rejected"].values())
        counts = f"{records['read']:>8}{records['scored']:>8}{rejected:>10}"
        print(f"{folder!s:<24}{counts}  {manifest['status']}")


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
