"""moto's server, with what of EMR mrjob waits for and moto lacks.

moto keeps a request and answers questions about it, but its clusters never do anything; here a
step that asks for it is run by ``emr_node.py``. mrjob itself runs as it is: whatever had to be
altered was altered here, at the other end of the wire.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emr import ATTEMPTS, STEP_ENDS
from moto.emr.exceptions import ValidationException
from moto.emr.models import Cluster, ElasticMapReduceBackend, Step
from moto.emr.responses import ElasticMapReduceResponse
from moto.server import main

# mrjob asks for it, as the names of Hadoop's properties depend on it. EMR 7 has a Hadoop 3; which
# one a release has was not looked up: what is tested here is the same for all of them.
HADOOP_VERSION = "3.4.1"

_UNFINISHED = ("PENDING", "RUNNING")
_NODE = Path(__file__).parent / "emr_node.py"
_nodes: dict[str, subprocess.Popen[bytes]] = {}  # by the ids of their steps

_add_applications = ElasticMapReduceBackend.add_applications
_add_job_flow_steps = ElasticMapReduceBackend.add_job_flow_steps
_describe_step = ElasticMapReduceBackend.describe_step


def add_applications(
    self: ElasticMapReduceBackend, cluster_id: str, applications: Sequence[Mapping[str, Any]]
) -> None:
    """EMR says the version of each application, from the release; moto only what it was told.

    Without it mrjob fails (a TypeError in `translate_jobconf`) before it adds a step. Where a
    request names none, moto adds Hadoop, but under a key that it does not read itself.
    """
    versioned = [
        {"name": application.get("name", "Hadoop"), "version": HADOOP_VERSION}
        for application in applications
    ]
    _add_applications(self, cluster_id, versioned)


def run_bootstrap_actions(self: Cluster) -> None:
    """On EMR a cluster starts for minutes, in which mrjob adds the steps.

    moto ends one without steps at once, if it is not to outlive them, as none of mrjob's is.
    """


def add_job_flow_steps(
    self: ElasticMapReduceBackend, job_flow_id: str, steps: list[dict[str, Any]]
) -> list[Step]:
    """EMR takes no step for a cluster that has ended; moto sets it going again."""
    if self.clusters[job_flow_id].state == "TERMINATED":
        raise ValidationException(
            "A job flow that is shutting down, terminated, or finished may not be modified."
        )
    return _add_job_flow_steps(self, job_flow_id, steps)


def describe_step(self: ElasticMapReduceBackend, cluster_id: str, step_id: str) -> Step | None:
    """On EMR steps run and end; in moto each stays what it was, and mrjob would wait for ever.

    Here a step is one state further each time it is looked at, but ends no sooner than its tasks.
    """
    step = _describe_step(self, cluster_id, step_id)
    if step is not None:
        _go_on(self.clusters[cluster_id], step)
    return step


def _node_of(step: Step) -> subprocess.Popen[bytes] | None:
    """What runs the step, from the first look at it on."""
    asks = any(word.startswith(f"{ATTEMPTS}=") for word in step.args)
    if asks and step.id not in _nodes:
        (port,) = (word for word in sys.argv if word.startswith("--port="))
        address = f"http://127.0.0.1:{port.partition('=')[2]}"
        _nodes[step.id] = subprocess.Popen([sys.executable, _NODE, address, *step.args])
    return _nodes.get(step.id)


def _go_on(cluster: Cluster, step: Step) -> None:
    if step.state == "PENDING":
        step.state = "RUNNING"
        step.start()
    elif step.state == "RUNNING":
        node = _node_of(step)
        if node is not None and node.poll() is None:
            return
        fails = f"{STEP_ENDS}=FAILED" in step.args or (node is not None and node.returncode != 0)
        step.state = "FAILED" if fails else "COMPLETED"
        if fails and step.action_on_failure == "TERMINATE_CLUSTER":
            for other in cluster.steps:
                other.state = "CANCELLED" if other.state in _UNFINISHED else other.state
        # As KeepJobFlowAliveWhenNoSteps asks; moto lets all clusters live.
        if cluster.auto_terminate and all(s.state not in _UNFINISHED for s in cluster.steps):
            cluster.terminate()


if __name__ == "__main__":
    ElasticMapReduceBackend.add_applications = add_applications
    ElasticMapReduceBackend.add_job_flow_steps = add_job_flow_steps
    ElasticMapReduceBackend.describe_step = describe_step
    Cluster.run_bootstrap_actions = run_bootstrap_actions
    # moto looks for EMR's region in the server's name alone, which is none of Amazon's here; as it
    # does for other services, in what the request is signed for.
    del ElasticMapReduceResponse.get_region_from_url
    main()
