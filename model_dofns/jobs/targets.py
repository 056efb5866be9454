"""The models of a job, by their names: each with all that is its own, down to its output folder.

One model is the usual case, and writes into the job's output folder itself. Of several each has a
folder of its name in there, and is scored as if it were alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from model_dofns.exceptions import UsageError
from model_dofns.formats.base import Format, Layout
from model_dofns.jobs.options import JobOptions
from model_dofns.jobs.output_folder import OutputFolder
from model_dofns.model_spec import ModelMetadata, ModelSpec
from model_dofns.models_file import read_models_file, resolve_model

# No "_" and no "." at its beginning, which tools pass over, no glob, and no field, as in "day=1".
_FOLDER_NAME: Final = re.compile(r"(?!_)\w[\w.+-]*")


@dataclass(frozen=True)
class Target:
    """A model of a job; it travels to the workers.

    Attributes:
        name: which of the job's models it is.
        spec: the model.
        metadata: what the model says of itself; None where it is not loaded at launch.
        bytes: about how much memory it took to load it here; None where that is not known.
        formats, layout: how its records are read and written.
        folder: where they go.
    """

    name: str
    spec: ModelSpec
    metadata: ModelMetadata | None
    bytes: int | None
    formats: Mapping[str, Format]
    layout: Layout
    folder: OutputFolder

    @property
    def output_format(self) -> Format:
        """What predictions are written in."""
        assert self.layout.output_format is not None
        return self.formats[self.layout.output_format]

    @property
    def called(self) -> str:
        """The model as people are told of it: ``"iris 1.0.0"``, or its name where it hides."""
        if self.metadata is None:
            return self.name
        return f"{self.metadata.qualified_name} {self.metadata.version}"


def named_specs(options: JobOptions) -> dict[str, ModelSpec]:
    """The models of a job, by their names: those that ``--model`` says, or all of a models file.

    Raises:
        ModelError: there is no such model.
        ModelsFileError: the models file cannot be read or understood.
        UsageError: two have the same name; or one of several has a name that makes no folder.
    """
    if not options.model:
        assert options.models is not None, "options without any model are refused"
        specs = read_models_file(options.models, expect_version=options.expect_version)
        _refuse_unfit_names(specs)
        return specs
    names = [_short(name) for name in options.model] if options.is_several else options.model
    if options.is_several:
        _refuse_unfit_names(names)
    return {
        name: resolve_model(said, options.models, options.expect_version)
        for name, said in zip(names, options.model, strict=True)
    }


def _short(said: str) -> str:
    """Of the path of a class the class's name, which is known before the model is loaded."""
    return said.rpartition(":")[2]


def _refuse_unfit_names(names: Iterable[str]) -> None:
    seen: dict[str, str] = {}
    for name in names:
        if not _FOLDER_NAME.fullmatch(name) or name.startswith("part-"):
            raise UsageError(
                f"the model {name!r} cannot have a folder of its name beside those of the other"
                " models: name it in a models file with letters, digits, _, -, + and ., beginning"
                " with a letter or a digit, and not with 'part-'"
            )
        same = name.casefold()  # some file systems take "Iris" and "iris" for one folder
        if same in seen:
            raise UsageError(
                f"two models would have the same folder, {seen[same]!r} and {name!r}: name each"
                " once, and classes of the same name in a models file"
            )
        seen[same] = name
