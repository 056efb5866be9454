"""A job, with everything settled that can be settled at launch."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from model_dofns.exceptions import OutputFolderError, UsageError
from model_dofns.formats.base import Format, Layout
from model_dofns.formats.partitions import partition_types
from model_dofns.jobs.inputs import match_input
from model_dofns.jobs.memory import resident_bytes
from model_dofns.jobs.options import JobOptions
from model_dofns.jobs.output_folder import OutputFolder
from model_dofns.jobs.store import Store, absolute
from model_dofns.jobs.targets import Target, named_specs
from model_dofns.manifest import InputFile, now
from model_dofns.model_spec import ModelMetadata, ModelSpec
from model_dofns.routing import Router
from model_dofns.scorer import Scorer
from model_dofns.settling import Settled, read_together, settle


@dataclass(frozen=True)
class Job:
    """A job with everything settled that can be settled at launch; it travels to the workers.

    Attributes:
        id: unique, and sorts by time.
        started: when, in UTC.
        engine: ``beam`` or ``mapreduce``.
        runner: what the engine runs it on, by its name there.
        store: where all of its files are.
        targets: its models, each with its own folder.
        files: the input.
        formats: how that is read, once for all models.
        router: where each record names the one model that scores it; None where all of them do.
        folder: the output folder that the command line names, absolute: a worker has a working
            folder of its own. It is that of the only model. Of several, their folders are in it; it
            has rejects and a manifest of its own where records name their models.
        options: the command line.
    """

    id: str
    started: str
    engine: str
    runner: str
    store: Store
    targets: tuple[Target, ...]
    files: tuple[InputFile, ...]
    formats: Mapping[str, Format]
    router: Router | None
    folder: OutputFolder
    options: JobOptions

    @property
    def folders(self) -> list[OutputFolder]:
        """Those that get a manifest; that of all models, where there is one, comes last."""
        of_models = [target.folder for target in self.targets]
        return of_models if self.router is None else [*of_models, self.folder]

    def check_folders(self) -> dict[str, bool]:
        """Refuse folders as :meth:`prepare` would; nothing is written.

        Returns:
            Of each folder's path, whether there is something in it, which would be replaced.

        Raises:
            OutputFolderError: as :meth:`prepare`.
        """
        self._refuse_unfit_top()
        overwrite = self.options.overwrite
        found = {folder.path: folder.check(overwrite=overwrite) for folder in self.folders}
        if not self.options.is_several:
            self.folder.refuse_folders_of_models()
        return found

    def prepare(self) -> None:
        """Make all folders ready; where one cannot be used, none is touched.

        Raises:
            OutputFolderError: one cannot be used; see :meth:`OutputFolder.prepare`.
        """
        self.check_folders()
        overwrite = self.options.overwrite
        # The manifest of all goes first, as it comes last; and the folder of all must be empty.
        first, *others = reversed(self.folders)
        first.prepare(overwrite=overwrite)
        ready = [first]
        for folder in others:
            try:
                folder.prepare(overwrite=overwrite)
            except OutputFolderError as error:  # what only writing shows
                for each in ready:
                    each.mark("failed", str(error))
                    each.remove_temporary()
                raise
            ready.append(folder)
        if self.folder not in self.folders:
            self.folder.remove_leftovers()

    def _refuse_unfit_top(self) -> None:
        if self.options.is_several:
            names = [target.name for target in self.targets]
            self.folder.refuse_as_top(names, has_manifest=self.router is not None)

    def mark(self, status: str, error: str) -> None:
        """Say in the folders that have no manifest how the job ended, if that works."""
        for folder in self.folders:
            if not folder.is_whole():
                folder.mark(status, error)
        self.remove_temporary()

    def remove_temporary(self) -> None:
        """Remove what was only needed while the job ran."""
        for folder in dict.fromkeys([*self.folders, self.folder]):
            folder.remove_temporary()


def plan(options: JobOptions, store: Store, engine: str, runner: str) -> Job:
    """Settle the models, the input and the output folders; nothing is written yet.

    Raises:
        DoesNotFitError: one of them does not exist or does not fit.
    """
    # Before a model is loaded, as that may change the working folder.
    output = absolute(options.output).rstrip("/")
    if output.endswith(":"):
        raise OutputFolderError(f"the output {options.output} names no folder: name one below it")
    patterns = [absolute(pattern) for pattern in options.input]
    store.check_access([*patterns, absolute(options.output)])
    specs = named_specs(options)
    loaded = [_loaded(spec, options) for spec in specs.values()]
    settled = settle(
        match_input(store, patterns),
        [each.layout for each in loaded],
        options.csv,
        store.open,
        options.input_format,
    )
    job_id, started = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:8]}", now()
    top = OutputFolder(store, output, job_id, started)
    router = _router(options, tuple(specs), settled)
    job = Job(
        id=job_id,
        started=started,
        engine=engine,
        runner=runner,
        store=store,
        targets=tuple(
            Target(
                name=name,
                spec=spec,
                metadata=model.metadata,
                bytes=model.bytes,
                formats=own.formats,
                layout=own.layout,
                folder=top.below(name) if options.is_several else top,
            )
            for (name, spec), model, own in zip(specs.items(), loaded, settled, strict=True)
        ),
        files=settled[0].files,
        formats=read_together(settled) if router is None else router.formats,
        router=router,
        folder=top,
        options=options,
    )
    output_format = job.targets[0].output_format
    if options.compression not in (None, *output_format.compressions):
        raise UsageError(
            f"--compression {options.compression} is none of {output_format.name}'s, which"
            f" are: {', '.join(output_format.compressions)}"
        )
    _refuse_overlap(job)
    return job


@dataclass(frozen=True)
class _Loaded:
    """What is known of a model once it has been loaded, or has not."""

    layout: Layout
    metadata: ModelMetadata | None = None
    bytes: int | None = None


def _loaded(spec: ModelSpec, options: JobOptions) -> _Loaded:
    if not options.preflight:
        return _Loaded(options.layout)
    before = resident_bytes()
    scorer = Scorer(spec, options.layout)
    after = resident_bytes()
    grown = None if before is None or after is None else max(after - before, 0)
    return _Loaded(scorer.layout, scorer.metadata, grown)


def _router(
    options: JobOptions, names: tuple[str, ...], settled: Sequence[Settled]
) -> Router | None:
    field = options.model_field
    if field is None:
        return None
    paths = (file.path for file in settled[0].files)
    types = partition_types(paths, {field: pa.string()})  # whatever the name looks like
    return Router(
        field,
        names,
        read_together(settled, frozenset([field])),
        {name: type_ for name, type_ in types.items() if name == field},
        options.max_record_bytes,
    )


def _refuse_overlap(job: Job) -> None:
    path = job.folder.path
    if any(character in path for character in "*?["):
        raise OutputFolderError(
            f"the output folder {path} has a character of a glob (*, ? or [) in its name"
        )
    canonical = job.store.canonical
    real_folder = canonical(path)
    for file in job.files:
        if canonical(file.path).startswith(real_folder + "/"):
            raise OutputFolderError(
                f"the input file {file.path} is in the output folder {path}: name another folder"
            )
