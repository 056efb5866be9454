"""The files that a cluster's daemons, clients and tasks read, and a `hadoop` to call."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from jars import java_executable, streaming_jar

HOST = "localhost"
SUPERUSER = "hdfs"  # of HDFS; the daemons run under this name, no job does
SCORER = "scorer"  # the user of jobs: any other user's folders are closed to it
# Quick to start rather than fast in the long run, which no daemon, client or task here has.
JVM_FLAGS = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
_PORTS = (
    "namenode",
    "namenode_web",
    "datanode",
    "datanode_web",
    "datanode_ipc",
    "datanode_proxy",
    "resourcemanager",
    "resourcemanager_scheduler",
    "resourcemanager_tracker",
    "resourcemanager_admin",
    "resourcemanager_web",
    "nodemanager",
    "nodemanager_localizer",
    "nodemanager_web",
    "nodemanager_collector",
    "shuffle",
    "historyserver",
    "historyserver_admin",
    "historyserver_web",
)
PORTS = len(_PORTS)
# What `hadoop WORD` runs; mrjob calls no other, and our launcher `job` alone.
_MAIN_CLASSES = {
    "version": "org.apache.hadoop.util.VersionInfo",
    "fs": "org.apache.hadoop.fs.FsShell",
    "jar": "org.apache.hadoop.util.RunJar",
    "job": "org.apache.hadoop.mapred.JobClient",
}


@dataclass(frozen=True)
class Layout:
    """Where a cluster's files and ports are.

    Attributes:
        state: the folder of everything that belongs to this cluster, without jars.
        base_port: the first of `PORTS` ports in a row.
        jars: the folder of Hadoop's jars.
    """

    state: Path
    base_port: int
    jars: Path

    @property
    def home(self) -> Path:
        """What `HADOOP_HOME` names."""
        return self.state / "hadoop"

    @property
    def conf(self) -> Path:
        """What `HADOOP_CONF_DIR` names."""
        return self.home / "etc" / "hadoop"

    @property
    def logs(self) -> Path:
        """Daemons' logs, and those of tasks in `userlogs`."""
        return self.state / "logs"

    @property
    def local(self) -> Path:
        """Where the NodeManager's containers work."""
        return self.state / "containers"

    @property
    def class_path(self) -> str:
        """That of daemons and clients; `webapps` has the folders that HDFS's daemons miss."""
        return f"{self.conf}:{self.home}:{self.jars}/*"

    def port(self, name: str) -> int:
        """The port of this name."""
        return self.base_port + _PORTS.index(name)

    def address(self, name: str) -> str:
        """Host and port."""
        return f"{HOST}:{self.port(name)}"


def write_files(layout: Layout) -> None:
    """Write the configuration, `bin/hadoop`, and what they name."""
    for folder in (layout.conf, layout.logs, layout.local):
        folder.mkdir(parents=True, exist_ok=True)
    for webapp in ("hdfs", "datanode"):  # the jars carry no pages; empty folders will do
        (layout.home / "webapps" / webapp).mkdir(parents=True, exist_ok=True)
    for file, properties in (
        ("core-site.xml", _core(layout)),
        ("hdfs-site.xml", _hdfs(layout)),
        ("yarn-site.xml", _yarn(layout)),
        ("mapred-site.xml", _mapreduce(layout)),
    ):
        (layout.conf / file).write_text(_xml(properties))
    (layout.conf / "log4j.properties").write_text(_LOG4J)
    tools = layout.home / "share" / "hadoop" / "tools" / "lib"  # where mrjob looks for it
    tools.mkdir(parents=True, exist_ok=True)
    jar = streaming_jar(layout.jars)
    link = tools / jar.name
    link.unlink(missing_ok=True)
    link.symlink_to(jar)
    program = layout.home / "bin" / "hadoop"
    program.parent.mkdir(exist_ok=True)
    program.write_text(_program(layout))
    program.chmod(0o755)


def _core(layout: Layout) -> dict[str, str]:
    return {
        "fs.defaultFS": f"hdfs://{layout.address('namenode')}",
        "hadoop.tmp.dir": str(layout.state / "tmp"),
        # These users are not in this machine's accounts.
        "hadoop.user.group.static.mapping.overrides": f"{SUPERUSER}={SUPERUSER};{SCORER}={SCORER}",
        "ipc.client.connect.retry.interval": "200",
        "ipc.client.connect.max.retries": "100",
    }


def _hdfs(layout: Layout) -> dict[str, str]:
    return {
        "dfs.namenode.rpc-address": layout.address("namenode"),
        "dfs.namenode.http-address": layout.address("namenode_web"),
        "dfs.namenode.name.dir": f"file://{layout.state}/hdfs/name",
        "dfs.namenode.safemode.extension": "0",
        "dfs.namenode.edits.noeditlogchannelflush": "true",  # a crash of the machine may lose data
        "dfs.permissions.enabled": "true",
        "dfs.permissions.superusergroup": SUPERUSER,
        "dfs.replication": "1",
        "dfs.datanode.hostname": HOST,
        "dfs.datanode.address": layout.address("datanode"),
        "dfs.datanode.http.address": layout.address("datanode_web"),
        "dfs.datanode.ipc.address": layout.address("datanode_ipc"),
        "dfs.datanode.http.internal-proxy.port": str(layout.port("datanode_proxy")),
        "dfs.datanode.data.dir": f"file://{layout.state}/hdfs/data",
        "dfs.heartbeat.interval": "1",
    }


def _yarn(layout: Layout) -> dict[str, str]:
    return {
        "yarn.resourcemanager.hostname": HOST,
        "yarn.resourcemanager.address": layout.address("resourcemanager"),
        "yarn.resourcemanager.scheduler.address": layout.address("resourcemanager_scheduler"),
        "yarn.resourcemanager.resource-tracker.address": layout.address("resourcemanager_tracker"),
        "yarn.resourcemanager.admin.address": layout.address("resourcemanager_admin"),
        "yarn.resourcemanager.webapp.address": layout.address("resourcemanager_web"),
        # A client whose cluster was stopped gives up in minutes, not in a quarter of an hour.
        "yarn.resourcemanager.connect.max-wait.ms": "180000",
        "yarn.resourcemanager.connect.retry-interval.ms": "500",
        "yarn.resourcemanager.nodemanagers.heartbeat-interval-ms": "100",
        "yarn.resourcemanager.scheduler.class": (  # it needs no file of queues
            "org.apache.hadoop.yarn.server.resourcemanager.scheduler.fifo.FifoScheduler"
        ),
        "yarn.scheduler.minimum-allocation-mb": "256",
        "yarn.nodemanager.hostname": HOST,
        "yarn.nodemanager.address": layout.address("nodemanager"),
        "yarn.nodemanager.localizer.address": layout.address("nodemanager_localizer"),
        "yarn.nodemanager.webapp.address": layout.address("nodemanager_web"),
        "yarn.nodemanager.collector-service.address": layout.address("nodemanager_collector"),
        "yarn.nodemanager.local-dirs": str(layout.local),
        "yarn.nodemanager.log-dirs": str(layout.logs / "userlogs"),
        "yarn.nodemanager.aux-services": "mapreduce_shuffle",
        # An application master and four tasks at once, or two such jobs of two tasks.
        "yarn.nodemanager.resource.memory-mb": "5120",
        "yarn.nodemanager.resource.cpu-vcores": "8",
        "yarn.nodemanager.vmem-check-enabled": "false",
        "yarn.nodemanager.disk-health-checker.max-disk-utilization-per-disk-percentage": "100",
        "yarn.application.classpath": f"{layout.conf},{layout.jars}/*",
    }


def _mapreduce(layout: Layout) -> dict[str, str]:
    heap = " ".join(("-Xmx200m", *JVM_FLAGS))
    return {
        "mapreduce.framework.name": "yarn",
        "mapreduce.application.classpath": f"{layout.conf},{layout.jars}/*",
        "mapreduce.shuffle.port": str(layout.port("shuffle")),
        "mapreduce.jobhistory.address": layout.address("historyserver"),
        "mapreduce.jobhistory.admin.address": layout.address("historyserver_admin"),
        "mapreduce.jobhistory.webapp.address": layout.address("historyserver_web"),
        "mapreduce.jobhistory.intermediate-done-dir": "/mr-history/tmp",
        "mapreduce.jobhistory.done-dir": "/mr-history/done",
        "mapreduce.job.ubertask.enable": "false",
        "yarn.app.mapreduce.am.staging-dir": "/tmp/hadoop-yarn/staging",
        "yarn.app.mapreduce.am.resource.mb": "512",
        "yarn.app.mapreduce.am.command-opts": heap,
        "yarn.app.mapreduce.am.scheduler.heartbeat.interval-ms": "100",
        "mapreduce.map.memory.mb": "1024",  # a small JVM, and Python with pyarrow
        "mapreduce.map.java.opts": heap,
        "mapreduce.reduce.memory.mb": "1024",
        "mapreduce.reduce.java.opts": heap,
        "mapreduce.task.io.sort.mb": "32",
        "mapreduce.client.progressmonitor.pollinterval": "200",
        "mapreduce.client.completion.pollinterval": "200",
    }


def _xml(properties: dict[str, str]) -> str:
    lines = [
        f"  <property><name>{escape(name)}</name><value>{escape(value)}</value></property>"
        for name, value in properties.items()
    ]
    return "\n".join(['<?xml version="1.0"?>', "<configuration>", *lines, "</configuration>", ""])


def _program(layout: Layout) -> str:
    cases = [f"  {word}) class={name} ;;" for word, name in _MAIN_CLASSES.items()]
    java = shlex.join([str(java_executable()), "-Xmx256m", *JVM_FLAGS])
    return "\n".join(
        [
            "#!/bin/sh",
            "# Made with the cluster: what mrjob and the tests call of Hadoop's own script.",
            'case "$1" in',
            *cases,
            f"  *) echo \"hadoop: {' '.join(_MAIN_CLASSES)} are here, '$1' is not\" >&2; exit 2 ;;",
            "esac",
            "shift",
            f"conf=${{HADOOP_CONF_DIR:-{shlex.quote(str(layout.conf))}}}",
            f'exec {java} -cp "$conf":{shlex.quote(f"{layout.jars}/*")} "$class" "$@"',
            "",
        ]
    )


_LOG4J = """\
log4j.rootLogger=INFO,console
log4j.appender.console=org.apache.log4j.ConsoleAppender
log4j.appender.console.target=System.err
log4j.appender.console.layout=org.apache.log4j.PatternLayout
log4j.appender.console.layout.ConversionPattern=%d{ISO8601} %p %c{2}: %m%n
# The jars have no native library, which is said once a JVM.
log4j.logger.org.apache.hadoop.util.NativeCodeLoader=ERROR
"""
