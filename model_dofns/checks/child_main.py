"""What a new process does with a model: ``python -m model_dofns.checks.child_main FOLDER``.

It imports it, loads it and asks it, and says in the folder what came of that.
"""

from __future__ import annotations

import ctypes
import errno
import os
import pickle
import socket
import sys
from pathlib import Path
from typing import Any, Final, NoReturn

from model_dofns.checks.answers import Answers, ask
from model_dofns.checks.child import REPLY, REQUEST, Reply, Request
from model_dofns.exceptions import ModelError
from model_dofns.ml_model import MLModel
from model_dofns.model_spec import ModelSpec, find_class

# Each of Python's own sockets raises these, whoever made it and however it was imported. What a
# library of C does without Python is not seen.
_LOOK_UPS: Final = ("socket.getaddrinfo", "socket.gethostbyname")
_CONNECTIONS: Final = ("socket.connect", "socket.sendto", "socket.sendmsg")
_NETWORK_FAMILIES: Final = (socket.AF_INET, socket.AF_INET6)
# What pickle and copy call of an instance.
_PICKLING: Final = ("__reduce_ex__", "__reduce__", "__getstate__")


class PickledError(Exception):
    """A model was pickled, or copied as pickle does it."""


def main(folder: Path) -> None:
    """Do what the request in the folder says, and write the reply."""
    request: Request = pickle.loads((folder / REQUEST).read_bytes())
    attempts: list[str] = []
    printed: dict[str, int] = {}
    answers: Answers | None = None
    error = ""
    if request.forbidden == "network":
        _refuse_network(attempts)
    spec = request.spec
    try:
        find_class(spec.class_path)
        printed["imported"] = _stdout_bytes()
        model = spec.load()
        printed["loaded"] = _stdout_bytes()
        if request.forbidden == "pickling":
            _refuse_pickling(request.spec, model, attempts)
        answers = ask(model, request.trials)
        printed["asked"] = _stdout_bytes()
    except ModelError as problem:
        error = str(problem)
    reply = Reply(answers, error, printed, tuple(dict.fromkeys(attempts)))
    # Another name first: what is half written is no reply.
    (folder / "unfinished").write_bytes(pickle.dumps(reply))
    (folder / "unfinished").rename(folder / REPLY)


def _stdout_bytes() -> int:
    """How much has been printed by now, by Python or by a library of C."""
    sys.stdout.flush()
    ctypes.CDLL(None).fflush(None)
    return os.fstat(1).st_size


def _refuse_network(attempts: list[str]) -> None:
    """Let this process have no network any more, as far as Python knows of it."""

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _LOOK_UPS:
            attempts.append(f"look-up of {arguments[0]!r}")
            raise socket.gaierror(socket.EAI_AGAIN, "there is no network in this check")
        if event in _CONNECTIONS and arguments[0].family in _NETWORK_FAMILIES:
            attempts.append(f"connection to {arguments[1]!r}")
            raise OSError(errno.ENETUNREACH, "there is no network in this check")

    sys.addaudithook(refuse)


def _refuse_pickling(spec: ModelSpec, model: MLModel, attempts: list[str]) -> None:
    """Let nobody pickle the model from now on, nor what an adapter holds or a decorator wraps."""

    def refuse(self: Any, *_: Any) -> NoReturn:
        attempts.append(f"pickling of a {type(self).__name__}")
        raise PickledError("a model is not to be pickled")

    paths = [spec.class_path, *(decorator.class_path for decorator in spec.decorators)]
    for model_class in {type(model), *map(find_class, paths)}:
        for name in _PICKLING:
            setattr(model_class, name, refuse)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
