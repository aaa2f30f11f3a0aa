"""The workers that train one network together, from the environment variable TF_CONFIG."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from bnkeras.errors import ClusterError

# A host, which may be an IPv6 address in brackets, and a port from 1 to 65535.
_ADDRESS = re.compile(
    r"(\[[^\]]+\]|[^:\s]+):(6553[0-5]|655[0-2]\d|65[0-4]\d{2}|6[0-4]\d{3}|[1-5]\d{4}|[1-9]\d{0,3})",
    re.ASCII,
)
_EXAMPLE = (
    '{"cluster": {"worker": ["host-a:12345", "host-b:12345"]}, '
    '"task": {"type": "worker", "index": 0}}'
)


@dataclass(frozen=True)
class Cluster:
    """The processes that train together, and which of them this one is.

    Attributes:
        workers: their addresses, `host:port`; the first is the chief, which alone writes.
        index: the place of this process among them.
        has_chief_job: whether the first is of the job `chief`, and the others of `worker`.
    """

    workers: tuple[str, ...]
    index: int
    has_chief_job: bool = False

    @property
    def is_chief(self) -> bool:
        """Whether this process is the one that writes the run directory."""
        return self.index == 0

    def index_of(self, job: str, task: int) -> int:
        """Return the place of a task of the job `chief` or `worker`."""
        return task + (self.has_chief_job and job == "worker")

    def __str__(self) -> str:
        """Return, for example, `worker 1 of 2 (host-b:12345)`, counting from 0."""
        return f"worker {self.index} of {len(self.workers)} ({self.workers[self.index]})"


def find_cluster(environment: Mapping[str, str] = os.environ) -> Cluster | None:
    """Return the cluster that `TF_CONFIG` describes; None where there is no other worker.

    Its format is TensorFlow's, a JSON object with the addresses of all workers, the same
    for all of them, and the place of this one:

        {"cluster": {"worker": ["host-a:12345", "host-b:12345"]},
         "task": {"type": "worker", "index": 0}}

    Instead of worker 0 there may be one task of type `chief`, as Kubeflow names it.

    Raises:
        ClusterError: it is not of that format.

    >>> find_cluster({})
    """
    text = environment.get("TF_CONFIG", "")
    if not text.strip():
        return None
    try:
        config = json.loads(text)
    except ValueError as error:
        raise _refused(f"it is no JSON ({error})") from error
    jobs = _table(config, "cluster")
    task = _table(config, "task")
    others = sorted(set(jobs) - {"chief", "worker"})
    if others:
        raise _refused(f"the cluster has jobs of type {', '.join(others)}, which have no use")
    addresses = {job: _addresses(job, jobs.get(job, [])) for job in ("chief", "worker")}
    if len(addresses["chief"]) > 1:
        raise _refused(f"the cluster has {len(addresses['chief'])} chiefs")
    kind, index = task.get("type"), task.get("index")
    if kind not in addresses:
        raise _refused(f"the task is of type {kind!r}")
    if type(index) is not int or not 0 <= index < len(addresses[kind]):
        raise _refused(
            f"the task is {kind} {index!r}, and the cluster has {len(addresses[kind])} of them"
        )
    workers = (*addresses["chief"], *addresses["worker"])
    cluster = Cluster(workers, 0, has_chief_job=bool(addresses["chief"]))
    return replace(cluster, index=cluster.index_of(kind, index)) if len(workers) > 1 else None


def _table(config: Any, key: str) -> dict[str, Any]:
    value = config.get(key) if isinstance(config, dict) else None
    if not isinstance(value, dict):
        raise _refused(f"it has no object {key!r}")
    return value


def _addresses(job: str, values: Any) -> list[str]:
    if not isinstance(values, list) or not all(
        isinstance(value, str) and _ADDRESS.fullmatch(value) for value in values
    ):
        raise _refused(f"the addresses of {job} are a list of 'host:port'; received {values!r}")
    doubled = next((value for value in values if values.count(value) > 1), None)
    if doubled:
        raise _refused(f"the address {doubled} is there twice")
    return values


def _refused(reason: str) -> ClusterError:
    return ClusterError(
        f"The environment variable TF_CONFIG describes the workers, for example\n  {_EXAMPLE}\n"
        f"but {reason}. Mend it, or unset it to train in this process alone."
    )
