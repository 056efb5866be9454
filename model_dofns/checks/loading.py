"""Checks of how a model is found and loaded, and of the records that it can be tried with."""

from __future__ import annotations

from model_dofns.checks.answers import ask, difference, lost
from model_dofns.checks.context import Context, Finding, failed, ok, warning
from model_dofns.checks.records import MAX_SAMPLES
from model_dofns.exceptions import ModelError
from model_dofns.ml_model import MLModel
from model_dofns.model_spec import find_class, is_semantic


def check_import(context: Context) -> Finding:
    """Its class is there."""
    try:
        found = find_class(context.spec.class_path)
    except ModelError as error:
        return failed(
            str(error), "a model is named package.module:Class, and its package is installed"
        )
    return ok(f"{found.__module__}:{found.__qualname__}")


def check_version(context: Context) -> Finding:
    """Its version is a semantic one, where the class says it."""
    found = find_class(context.spec.class_path)
    if not issubclass(found, MLModel):
        return ok("for the adapter to say: it is of another contract than MLModel")
    version = getattr(found, "version", None)
    if not isinstance(version, str):
        return ok("said by the instance, not by the class")
    if version and not is_semantic(version):
        return failed(
            f"the version {version!r} is no semantic one",
            "write MAJOR.MINOR.PATCH, as in '1.0.0': https://semver.org",
        )
    return ok(version)


def check_contract(context: Context) -> Finding:
    """It loads, says what it is, and its schemas have columns where a job needs them."""
    try:
        metadata = context.scorer.metadata
    except ModelError as error:
        return failed(str(error), "see MLModel for what a model must have, and say")
    return ok(f"{metadata.qualified_name} {metadata.version}: {metadata.display_name}")


def check_records(context: Context) -> Finding:
    """There is something to try it with."""
    records = context.records
    hint = "name files with records of your own behind the model, as SAMPLE"
    if not records.trials:
        return failed(f"there is no record to try the model with: {records.none_made}", hint)
    own = len(records.trials) - records.made
    message = f"{records.made} made from the input class"
    if own or records.refused:
        message += f", {own} from samples (the first of each file, {MAX_SAMPLES} in all)"
    if records.refused:
        return warning(
            f"{message}; {len(records.refused)} samples are no records: {records.refused[0]}",
            "a job would reject them: is that what the input class is to say?",
        )
    if records.none_made:
        return ok(f"{message}; none could be made: {records.none_made}")
    return ok(message)


def check_loads_twice(context: Context) -> Finding:
    """Another instance gives the same answers."""
    again = ask(context.spec.load(fresh=True), context.trials)
    if found := difference(context.answers, again, context.trials):
        return failed(
            f"a second instance answers otherwise: {found}",
            "what an instance answers must come from its configuration and parameters alone, not"
            " from what the process did before; seed what is random in __init__",
        )
    return ok("two instances give the same answers")


def check_fresh_process(context: Context) -> Finding:
    """A new process can load it from its specification alone, and ask it."""
    hint = (
        "a worker is handed the path of the class and the configuration, and nothing else: what"
        " the model needs must be in its package or be named in the configuration"
    )
    run = context.fresh
    if run.answers is None:
        return failed(f"a new process cannot load and ask it: {run.error}", hint)
    if found := lost(context.answers, run.answers, context.trials):
        return failed(f"a new process has no answer where this one has: {found}", hint)
    return ok("a new process loads it from its specification, a class and JSON, and asks it")
