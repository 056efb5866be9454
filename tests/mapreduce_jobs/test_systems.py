"""HDFS where it refuses: what its client raises becomes an error of the operating system.

What it does where it does not refuse is tried with a real one, elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mapreduce_jobs.hdfs import HdfsSystem
from mapreduce_jobs.systems import Found, OutOfReachError

REFUSED = (
    'RPC error: Some("org.apache.hadoop.security.AccessControlException") Permission denied:'
    " user=me, access=WRITE\\n\\tat org.apache.hadoop.hdfs.server.Check(Check.java:399)\\n\\tat"
)


class Client:
    """Does nothing but raise, and note what it was asked."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.asked: list[tuple[str, tuple[Any, ...]]] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def method(*arguments: Any, **_: Any) -> Any:
            self.asked.append((name, arguments))
            raise self.error

        return method


CALLS: dict[str, Callable[[HdfsSystem], object]] = {
    "read": lambda system: system.open("/a"),
    "create": lambda system: system.create("/a"),
    "get_file_info": lambda system: system.found("/a"),
    "list_status": lambda system: system.below("/a", recursive=True),
    "mkdirs": lambda system: system.make_folder("/a"),
    "rename": lambda system: system.rename("/a", "/b"),
    "delete": lambda system: system.delete(Found("/a", is_folder=True, size=0)),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (REFUSED, PermissionError),
        ("SafeModeException: Name node is in safe mode", OutOfReachError),
        ("connection refused", OutOfReachError),
    ],
)
def test_what_hdfs_refuses_is_an_error_of_the_operating_system(
    name: str, message: str, kind: type[OSError]
) -> None:
    client = Client(RuntimeError(message))
    with pytest.raises(OSError, match=r"^/a: ") as raised:
        CALLS[name](HdfsSystem(client))
    assert type(raised.value) is kind
    assert "Check.java" not in str(raised.value)  # the trace of the server
    assert [asked for asked, _ in client.asked] == [name]


def test_what_is_not_there_is_not_there() -> None:
    system = HdfsSystem(Client(FileNotFoundError("/a")))
    assert system.found("/a") is None
    assert system.below("/a", recursive=False) == []
    with pytest.raises(FileNotFoundError):
        system.open("/a")


class Written:
    """What a client opens for writing: quick with ``bytes`` alone."""

    def __init__(self, error: str | None = None) -> None:
        self.data: list[bytes] = []
        self.closed = 0
        self.error = error

    def write(self, data: bytes) -> int:
        assert type(data) is bytes
        self.data.append(data)
        return len(data)

    def close(self) -> None:
        self.closed += 1
        if self.error:
            raise RuntimeError(self.error)


def test_any_buffer_may_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    written = Written()
    client = Client(RuntimeError())
    client.create = lambda *_: written  # type: ignore[method-assign]
    with HdfsSystem(client).create("/a") as file:
        assert file.write(b"one") == 3
        assert file.write(memoryview(b"two!")) == 4
        assert file.write(bytearray(b"")) == 0
    assert written.data == [b"one", b"two!", b""]
    file.close()
    assert written.closed == 1


def test_a_file_that_cannot_be_closed_has_not_been_written() -> None:
    client = Client(RuntimeError())
    client.create = lambda *_: Written("no DataNode took the block")  # type: ignore[method-assign]
    file = HdfsSystem(client).create("/a")
    with pytest.raises(OSError, match=r"^/a: no DataNode took the block"):
        file.close()
