"""A small Hadoop on loopback: HDFS, YARN, MapReduce and its history, each daemon a real one.

    python tests_hadoop/cluster.py start|stop|status [--base-port N] [--state DIR] [--cache DIR]

Exit codes: 0 done; 1 it could not be started, or (of status) does not run; 2 usage; 4 something
that it needs is not installed. It needs Java, and Maven the first time.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import daemons
from configuration import HOST, PORTS, SCORER, SUPERUSER, Layout, write_files
from daemons import DAEMONS, DATANODE, HISTORYSERVER, NAMENODE, NODEMANAGER, RESOURCEMANAGER
from jars import (
    ClusterError,
    MissingProgramError,
    default_cache,
    jars_folder,
    provide_jars,
    require_programs,
)
from processes import ContainerProcess, Kind, container_processes, wait_for_end

DEFAULT_BASE_PORT = 19820
# Folder, permission, owner. /tmp is every user's; only the owner deletes what is there.
_FOLDERS = (
    ("/tmp", "1777", SUPERUSER),
    ("/tmp/hadoop-yarn", "755", SUPERUSER),
    ("/tmp/hadoop-yarn/staging", "1777", SUPERUSER),
    ("/mr-history", "755", SUPERUSER),
    ("/mr-history/tmp", "1777", SUPERUSER),
    ("/mr-history/done", "750", SUPERUSER),
    (f"/user/{SUPERUSER}", "755", SUPERUSER),
    (f"/user/{SCORER}", "755", SCORER),
)


class Cluster:
    """One cluster; another object, or process, of the same state folder is the same cluster.

    Args:
        state: a folder for configuration, logs, pids and HDFS's data; these last when it stops.
        base_port: the first of some twenty ports in a row.
        cache: the folder of downloads.
    """

    def __init__(
        self, state: Path, base_port: int = DEFAULT_BASE_PORT, cache: Path | None = None
    ) -> None:
        self.state = state.absolute()
        self.base_port = base_port
        self.cache = cache or default_cache()
        self._daemons = daemons.Daemons(self.state)

    @property
    def uri(self) -> str:
        """Of HDFS's root, without the slash."""
        return f"hdfs://{self._layout().address('namenode')}"

    @property
    def logs(self) -> Path:
        """Daemons' logs, and those of tasks in `userlogs`."""
        return self._layout().logs

    def status(self) -> dict[str, int | None]:
        """The pid of each daemon, None where it does not run."""
        running = {daemon.name: self._daemons.running(daemon) for daemon in DAEMONS}
        return {name: process.pid if process else None for name, process in running.items()}

    def start(self) -> bool:
        """Start all daemons and wait until jobs can run; False if they run already.

        Raises:
            MissingProgramError: Java or Maven is not installed.
            ClusterError: ports are taken, or a daemon died or is not ready in time. What had been
                started is stopped, and logs are kept.
        """
        with self._lock():
            running = [name for name, pid in self.status().items() if pid is not None]
            if len(running) == len(DAEMONS):
                self._require_same_port()
                return False
            if running:
                raise ClusterError(
                    f"of the cluster in {self.state} only {', '.join(running)} run: stop it first"
                )
            require_programs(download=not jars_folder(self.cache).is_dir())
            _require_free_ports(self.base_port)
            provide_jars(self.cache)
            layout = self._layout()
            write_files(layout)
            self._port_file.write_text(str(self.base_port))
            try:
                self._start(layout)
            except BaseException:
                self._stop()
                raise
        return True

    def stop(self) -> list[str]:
        """Stop what runs, tasks too, and return the names of the daemons that did."""
        if not self.state.is_dir():
            return []
        with self._lock():
            return self._stop()

    def environment(self, user: str = SCORER) -> dict[str, str]:
        """What to add to a process's environment so that `hadoop` is this cluster's, as a user.

        The logs are named for mrjob, which tells from them why a task has failed.
        """
        layout = self._layout()
        return {
            "HADOOP_HOME": str(layout.home),
            "HADOOP_CONF_DIR": str(layout.conf),
            "HADOOP_LOG_DIR": str(layout.logs),
            "HADOOP_USER_NAME": user,
            "PATH": f"{layout.home / 'bin'}{os.pathsep}{os.environ['PATH']}",
        }

    def hadoop(self, *arguments: str, user: str = SCORER) -> subprocess.CompletedProcess[str]:
        """Call `hadoop` as a user, whatever its exit code; a call takes a second, for its JVM."""
        return subprocess.run(
            [str(self._layout().home / "bin" / "hadoop"), *arguments],
            env={**os.environ, **self.environment(user)},
            capture_output=True,
            text=True,
            check=False,
        )

    def restart_node_manager(self, *, kill: bool = True) -> None:
        """End the NodeManager, by `kill -9` unless told otherwise, and start another.

        Killed, it leaves its containers behind, which end when they find that no one wants them.
        The new one deletes the logs of tasks.
        """
        layout = self._layout()
        old = self._daemons.running(NODEMANAGER)
        if old is None:
            raise ClusterError(f"no NodeManager runs in {self.state}: start the cluster first")
        began = daemons.nodemanager_began(layout)
        if kill:
            old.signal(signal.SIGKILL)
            wait_for_end([old], 15)
        self._daemons.end(NODEMANAGER)
        self._daemons.start(layout, NODEMANAGER)
        self._daemons.wait(
            NODEMANAGER,
            lambda: "" if daemons.nodemanager_began(layout) > began else "the old one answers",
        )
        self._daemons.wait(RESOURCEMANAGER, lambda: daemons.resourcemanager_missing(layout))

    def processes(self, kind: Kind, application: str | None = None) -> list[ContainerProcess]:
        """What runs in containers of this kind: of one application, else of all.

        To kill one: `cluster.processes("mapper")[0].process.signal(signal.SIGKILL)`.
        """
        return [
            found
            for found in container_processes(self._layout().local)
            if found.kind == kind and application in (None, found.application)
        ]

    def _start(self, layout: Layout) -> None:
        if not (self.state / "hdfs" / "name" / "current").is_dir():
            self._daemons.format(layout)
        for daemon in (NAMENODE, DATANODE, RESOURCEMANAGER, NODEMANAGER):
            self._daemons.start(layout, daemon)
        self._daemons.wait(NAMENODE, lambda: daemons.namenode_missing(layout))
        for path, permission, owner in _FOLDERS:
            daemons.put_webhdfs(layout, path, op="MKDIRS", permission=permission)
            daemons.put_webhdfs(layout, path, op="SETPERMISSION", permission=permission)
            daemons.put_webhdfs(layout, path, op="SETOWNER", owner=owner, group=owner)
        self._daemons.start(layout, HISTORYSERVER)
        self._daemons.wait(RESOURCEMANAGER, lambda: daemons.resourcemanager_missing(layout))
        self._daemons.wait(HISTORYSERVER, lambda: daemons.historyserver_missing(layout))

    def _stop(self) -> list[str]:
        stopped = self._daemons.end(*DAEMONS)
        left = [found.process for found in container_processes(self._layout().local)]
        for process in left:  # a NodeManager that was killed has left them behind
            process.signal(signal.SIGKILL)
        wait_for_end(left, 15)
        return stopped

    def _layout(self) -> Layout:
        return Layout(self.state, self.base_port, jars_folder(self.cache))

    @property
    def _port_file(self) -> Path:
        return self.state / "base_port"

    def _require_same_port(self) -> None:
        port = int(self._port_file.read_text())
        if port != self.base_port:
            raise ClusterError(
                f"the cluster in {self.state} runs with base port {port}, not {self.base_port}:"
                " stop it first, or give this one another state folder"
            )

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        """Of two that start or stop at once, one waits for the other."""
        self.state.mkdir(parents=True, exist_ok=True)
        with (self.state / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def free_base_port() -> int:
    """The first of enough free ports in a row, below those that the system gives away itself."""
    for base in range(20000 + os.getpid() % 100 * 100, 32000 - PORTS, PORTS):
        if not _taken(base):
            return base
    raise ClusterError(f"there are no {PORTS} free ports in a row below 32000")


def _require_free_ports(base_port: int) -> None:
    if taken := _taken(base_port):
        raise ClusterError(
            f"ports {', '.join(map(str, taken))} are taken, of {base_port} to"
            f" {base_port + PORTS - 1}: stop what listens there, or choose others by --base-port"
        )


def _taken(base_port: int) -> list[int]:
    taken = []
    for port in range(base_port, base_port + PORTS):
        with socket.socket() as probe:
            # As servers do: connections of the last cluster may still be closing.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                taken.append(port)
    return taken


def default_state() -> Path:
    """Outside the tree, as it must outlive a `make clean` while daemons run."""
    home = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(home).expanduser() / "model-dofns" / "hadoop"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    arguments = _parse_args(argv)
    cluster = Cluster(arguments.state, arguments.base_port, arguments.cache)
    try:
        return {"start": _start, "stop": _stop, "status": _status}[arguments.command](cluster)
    except MissingProgramError as error:
        print(error, file=sys.stderr)
        return 4
    except ClusterError as error:
        print(error, file=sys.stderr)
        return 1


def _start(cluster: Cluster) -> int:
    started = cluster.start()
    print(f"# Hadoop {'runs' if started else 'runs already'}: {cluster.uri}, as user {SCORER}")
    print(f"# logs: {cluster.logs}")
    for line in exports(cluster.environment()):
        print(line)
    return 0


def _stop(cluster: Cluster) -> int:
    stopped = cluster.stop()
    print(f"stopped: {', '.join(stopped)}" if stopped else "nothing to stop")
    return 0


def _status(cluster: Cluster) -> int:
    status = cluster.status()
    for name, pid in status.items():
        print(f"{name:<16} {'-' if pid is None else pid}")
    return 0 if all(status.values()) else 1


def exports(environment: Mapping[str, str]) -> list[str]:
    """What a shell takes, with today's PATH left to the shell."""
    tail = f"{os.pathsep}{os.environ['PATH']}"
    lines = []
    for name, value in environment.items():
        own = value.removesuffix(tail) if name == "PATH" else value
        rest = ':"$PATH"' if own != value else ""
        lines.append(f"export {name}={shlex.quote(own)}{rest}")
    return lines


def _parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="cluster.py", description="A small Hadoop on loopback.", allow_abbrev=False
    )
    parser.add_argument("command", choices=("start", "stop", "status"))
    parser.add_argument(
        "--base-port",
        type=_base_port,
        default=DEFAULT_BASE_PORT,
        help=f"the first of {PORTS} ports on {HOST} (default: {DEFAULT_BASE_PORT})",
    )
    parser.add_argument(
        "--state", type=Path, default=default_state(), help="its files (default: %(default)s)"
    )
    parser.add_argument(
        "--cache", type=Path, default=default_cache(), help="downloads (default: %(default)s)"
    )
    return parser.parse_args(argv)


def _base_port(text: str) -> int:
    if not text.isdigit() or not 1024 <= int(text) <= 65536 - PORTS:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1024 to {65536 - PORTS}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
