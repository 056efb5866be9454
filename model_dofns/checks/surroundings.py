"""Checks of what a model does with its surroundings: each asks it in a new process."""

from __future__ import annotations

from model_dofns.checks.answers import difference, lost
from model_dofns.checks.context import Context, Finding, failed, ok, warning

_SHOWN_BYTES = 60
_WHILE = {
    "imported": "while it is imported",
    "loaded": "while it is loaded",
    "asked": "while it predicts",
    "left": "when Python ends",
}


def check_network(context: Context) -> Finding:
    """It loads and predicts where no socket of Python's can reach anything."""
    hint = (
        "ship what it needs in its package, or name a file in the configuration: thousands of"
        " workers would ask at once, or not be let through"
    )
    run = context.forbidding("network")
    tried = f" ({'; '.join(run.attempts[:3])})" if run.attempts else ""
    if run.answers is None:
        return failed(f"without a network it does not load{tried}: {run.error}", hint)
    fresh = context.fresh.answers
    if run.attempts and fresh is not None:
        # What a model answers that is not deterministic says nothing.
        differ = difference if context.model.deterministic else lost
        if found := differ(fresh, run.answers, context.trials):
            return failed(f"without a network it answers otherwise{tried}: {found}", hint)
    if run.attempts:
        return warning(f"it asks for the network{tried}, and goes on without", hint)
    return ok(
        "loads and predicts without; none of Python's sockets was used (C's own are not seen)"
    )


def check_stdout(context: Context) -> Finding:
    """It prints nothing."""
    if context.fresh.printed:
        phase, printed = next(iter(context.fresh.printed.items()))
        begin = printed[:_SHOWN_BYTES].decode("utf-8", "backslashreplace")
        return failed(
            f"{len(printed)} bytes are printed {_WHILE[phase]}: {begin!r}",
            "stdout is data to some engines: log, or print to stderr",
        )
    return ok("nothing is printed while it is imported, loaded and asked, nor when Python ends")


def check_pickling(context: Context) -> Finding:
    """It is never pickled: not by us, and not by itself."""
    hint = (
        "workers make their own from the specification; what an instance holds (sessions, locks,"
        " handles) need not survive pickle, so do not pickle or deepcopy the instance"
    )
    run = context.forbidding("pickling")
    if run.attempts:
        return failed(f"it needs to be pickled: {'; '.join(run.attempts)}", hint)
    if run.answers is None:
        return failed(f"where it cannot be pickled it does not load: {run.error}", hint)
    return ok("it is asked where nobody can pickle it")
