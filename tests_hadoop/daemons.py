"""Hadoop's five daemons: started by main class, known by pid, ready by what they say of it."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import processes
from configuration import JVM_FLAGS, SUPERUSER, Layout
from jars import ClusterError, java_executable
from processes import Process

_READY_SECONDS = 120.0
_TAIL_LINES = 25
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # by no proxy to loopback


@dataclass(frozen=True)
class Daemon:
    """One of the five.

    Attributes:
        name: as its log is named.
        main_class: what Java runs.
    """

    name: str
    main_class: str


NAMENODE = Daemon("namenode", "org.apache.hadoop.hdfs.server.namenode.NameNode")
DATANODE = Daemon("datanode", "org.apache.hadoop.hdfs.server.datanode.DataNode")
RESOURCEMANAGER = Daemon(
    "resourcemanager", "org.apache.hadoop.yarn.server.resourcemanager.ResourceManager"
)
NODEMANAGER = Daemon("nodemanager", "org.apache.hadoop.yarn.server.nodemanager.NodeManager")
HISTORYSERVER = Daemon("historyserver", "org.apache.hadoop.mapreduce.v2.hs.JobHistoryServer")
# In the order in which they start.
DAEMONS = (NAMENODE, DATANODE, RESOURCEMANAGER, NODEMANAGER, HISTORYSERVER)


class Daemons:
    """The daemons of one layout, whichever process has started them."""

    def __init__(self, state: Path) -> None:
        self._pids = state / "pids"
        self._logs = state / "logs"
        self._children: list[subprocess.Popen[bytes]] = []

    def running(self, daemon: Daemon) -> Process | None:
        """Its process, if that is still the one that was started."""
        try:
            pid, began = self._pid_file(daemon).read_text().split()
        except FileNotFoundError:
            return None
        process = Process(int(pid), int(began))
        return process if process.alive else None

    def log(self, daemon: Daemon) -> Path:
        """All that it writes."""
        return self._logs / f"{daemon.name}.log"

    def start(self, layout: Layout, daemon: Daemon) -> Process:
        """Start it, and do not wait."""
        child = self._java(layout, daemon.name, daemon.main_class)
        self._children.append(child)
        process = Process.of(child.pid)
        if process is None:
            raise self.failure(daemon, "ended as it was started")
        self._pids.mkdir(parents=True, exist_ok=True)
        self._pid_file(daemon).write_text(f"{process.pid} {process.began}")
        return process

    def format(self, layout: Layout) -> None:
        """Make an empty HDFS."""
        child = self._java(
            layout, NAMENODE.name, NAMENODE.main_class, "-format", "-force", "-nonInteractive"
        )
        if child.wait() != 0:
            raise self.failure(NAMENODE, "could not format HDFS")

    def end(self, *daemons: Daemon) -> list[str]:
        """End them, all at once, and return the names of those that ran."""
        found = {daemon.name: self.running(daemon) for daemon in daemons}
        running = {name: process for name, process in found.items() if process is not None}
        processes.end(list(running.values()))
        self._children = [child for child in self._children if child.poll() is None]
        for daemon in daemons:
            self._pid_file(daemon).unlink(missing_ok=True)
        return list(running)

    def wait(self, daemon: Daemon, ready: Callable[[], str]) -> None:
        """Wait until `ready` returns "", not what is missing; fail at once if the daemon dies."""
        end = time.monotonic() + _READY_SECONDS
        while missing := _answer(ready):
            if self.running(daemon) is None:
                raise self.failure(daemon, "died")
            if time.monotonic() > end:
                raise self.failure(daemon, f"is not ready in {_READY_SECONDS:.0f} s: {missing}")
            time.sleep(0.1)

    def failure(self, daemon: Daemon, what: str) -> ClusterError:
        """An error with the end of the log."""
        log = self.log(daemon)
        tail = log.read_text(errors="replace").splitlines()[-_TAIL_LINES:] if log.exists() else []
        text = "\n".join(["", *tail, f"The whole log is {log}; the others are beside it."])
        return ClusterError(f"Hadoop's {daemon.name} {what}. The end of its log:{text}")

    def _java(
        self, layout: Layout, name: str, main_class: str, *arguments: str
    ) -> subprocess.Popen[bytes]:
        java = java_executable()
        command = [str(java), "-Xmx256m", *JVM_FLAGS, "-Djava.net.preferIPv4Stack=true"]
        command += ["--add-opens=java.base/java.lang=ALL-UNNAMED"]
        # As a property, since tasks would inherit it from the environment.
        command += [f"-DHADOOP_USER_NAME={SUPERUSER}", "-cp", layout.class_path]
        # A bare one, as a daemon has: what a task needs must not come from this shell.
        environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "JAVA_HOME": str(java.resolve().parent.parent),
            "HADOOP_HOME": str(layout.home),
            "HADOOP_CONF_DIR": str(layout.conf),
        }
        with (self._logs / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [*command, main_class, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=layout.state,
                start_new_session=True,  # Ctrl-C in a terminal is not meant for it
            )

    def _pid_file(self, daemon: Daemon) -> Path:
        return self._pids / daemon.name


def namenode_missing(layout: Layout) -> str:
    """What HDFS still lacks, "" if nothing."""
    beans = _get(layout, "namenode_web", "/jmx?qry=Hadoop:service=NameNode,name=NameNodeInfo")
    if not beans["beans"]:
        return "the NameNode has not begun to serve"
    info = beans["beans"][0]
    if not json.loads(info["LiveNodes"]):
        return "no DataNode is there"
    return str(info["Safemode"])


def resourcemanager_missing(layout: Layout) -> str:
    """What YARN still lacks, "" if nothing."""
    nodes = _get(layout, "resourcemanager_web", "/ws/v1/cluster/metrics")["clusterMetrics"]
    return "" if nodes["activeNodes"] == 1 else f"active NodeManagers: {nodes['activeNodes']}"


def historyserver_missing(layout: Layout) -> str:
    """What the history server still lacks, "" if nothing."""
    info = _get(layout, "historyserver_web", "/ws/v1/history/info")["historyInfo"]
    return "" if info["startedOn"] else "it has not started"


def nodemanager_began(layout: Layout) -> int:
    """When the NodeManager that answers now has started, in milliseconds."""
    return int(_get(layout, "nodemanager_web", "/ws/v1/node/info")["nodeInfo"]["nmStartupTime"])


def put_webhdfs(layout: Layout, path: str, **parameters: str) -> None:
    """Change HDFS as its superuser, without the second that a JVM takes."""
    query = urllib.parse.urlencode({**parameters, "user.name": SUPERUSER})
    url = f"http://{layout.address('namenode_web')}/webhdfs/v1{urllib.parse.quote(path)}?{query}"
    request = urllib.request.Request(url, method="PUT")
    try:
        with _DIRECT.open(request, timeout=20):
            return
    except urllib.error.HTTPError as error:
        raise ClusterError(
            f"HDFS refused {parameters} on {path}: {error.read().decode(errors='replace')}"
        ) from error


def _answer(ready: Callable[[], str]) -> str:
    try:
        return ready()
    except (OSError, json.JSONDecodeError) as error:
        return str(error)  # it does not listen yet, or half of it does


def _get(layout: Layout, port: str, path: str) -> Any:
    request = urllib.request.Request(
        f"http://{layout.address(port)}{path}", headers={"Accept": "application/json"}
    )
    with _DIRECT.open(request, timeout=10) as answer:
        return json.load(answer)
