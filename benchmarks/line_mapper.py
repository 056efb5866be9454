"""A mapper as most are written: ``json`` and ``predict``, a line at a time.

python -m benchmarks.line_mapper --model PACKAGE.MODULE:CLASS --output-dir FOLDER INPUT
"""

from __future__ import annotations

from collections.abc import Iterator
from pkgutil import resolve_name
from typing import Any

from mrjob.job import MRJob
from mrjob.protocol import JSONValueProtocol


class LineMapper(MRJob):  # type: ignore[misc]  # mrjob's classes are not typed
    """Loads the model once, and asks it line by line."""

    INPUT_PROTOCOL = JSONValueProtocol
    OUTPUT_PROTOCOL = JSONValueProtocol

    def configure_args(self) -> None:
        super().configure_args()
        self.add_passthru_arg("--model", required=True)

    def mapper_init(self) -> None:
        self.model = resolve_name(self.options.model)()

    def mapper(self, _: None, record: dict[str, Any]) -> Iterator[tuple[None, dict[str, Any]]]:
        prediction = self.model.predict(self.model.input_schema(**record))
        yield None, {**record, "prediction": prediction.model_dump(mode="json")}


if __name__ == "__main__":
    LineMapper.run()
