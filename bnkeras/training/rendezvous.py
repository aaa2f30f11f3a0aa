"""Waiting for the other workers before TensorFlow starts.

TensorFlow itself waits an hour for workers that do not come, says nothing meanwhile, and
answers neither to Ctrl-C nor to a termination signal.
"""

import socket
import time
from contextlib import closing, suppress

from bnkeras.errors import ClusterError, WorkerLostError
from bnkeras.training.cluster import Cluster

# What workers say to the chief is `bnkeras INDEX`, and its answer when all are there is `go`.
_GREETING = b"bnkeras "
_GO = b"go"
_SECONDS_BETWEEN_TRIES = 0.2


def meet(cluster: Cluster, seconds: float) -> None:
    """Return when all workers of `cluster` have called this function.

    The chief listens at its address, which is free again when the function returns.

    Args:
        cluster: the workers.
        seconds: how long to wait.

    Raises:
        ClusterError: the chief's port is in use.
        WorkerLostError: not all have come in time.
    """
    deadline = time.monotonic() + seconds
    if cluster.is_chief:
        _wait_for_others(cluster, deadline, seconds)
    else:
        _report_to_chief(cluster, deadline, seconds)


def _wait_for_others(cluster: Cluster, deadline: float, seconds: float) -> None:
    missing = set(range(1, len(cluster.workers)))
    arrived: list[socket.socket] = []
    try:
        with closing(_listen(cluster)) as server:
            while missing:
                server.settimeout(max(deadline - time.monotonic(), 0.001))
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    listed = ", ".join(
                        f"worker {i} ({cluster.workers[i]})" for i in sorted(missing)
                    )
                    raise WorkerLostError(
                        f"This is {cluster}, the chief, and after {seconds:g} s "
                        f"(strategy.timeout_seconds) these have not come: {listed}. Start them "
                        f"with the same command and TF_CONFIG, each with its own index."
                    ) from None
                arrived.append(connection)
                missing.discard(_index_of(connection))
        for connection in arrived:
            # One that has gone meanwhile would be waited for by TensorFlow.
            with suppress(OSError):
                connection.sendall(_GO)
                # They close first, so that no half-closed connection keeps the port.
                connection.settimeout(1.0)
                connection.recv(1)
    finally:
        for connection in arrived:
            connection.close()


def _listen(cluster: Cluster) -> socket.socket:
    port = int(cluster.workers[0].rpartition(":")[2])
    try:
        if socket.has_dualstack_ipv6():
            return socket.create_server(
                ("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=128
            )
        return socket.create_server(("", port), backlog=128)
    except OSError as error:
        raise ClusterError(
            f"The chief of TF_CONFIG listens at {cluster.workers[0]}, and port {port} is not free "
            f"on this machine ({error.strerror}). Choose another one for all workers."
        ) from error


def _index_of(connection: socket.socket) -> int | None:
    """Return the index that a worker sends; None for whatever else may connect."""
    connection.settimeout(1.0)
    with suppress(OSError, ValueError):
        line = connection.recv(64)
        if line.startswith(_GREETING):
            return int(line.removeprefix(_GREETING))
    return None


def _report_to_chief(cluster: Cluster, deadline: float, seconds: float) -> None:
    host, _, port = cluster.workers[0].rpartition(":")
    reason: object = "no answer"
    while (left := deadline - time.monotonic()) > 0:
        try:
            with socket.create_connection((host.strip("[]"), int(port)), timeout=left) as chief:
                chief.sendall(_GREETING + str(cluster.index).encode())
                if chief.recv(len(_GO)) == _GO:
                    return
        except OSError as error:
            reason = error.strerror or error
        time.sleep(min(_SECONDS_BETWEEN_TRIES, max(left, 0)))
    raise WorkerLostError(
        f"This is {cluster}, and after {seconds:g} s (strategy.timeout_seconds) the chief has not "
        f"gathered all workers: {cluster.workers[0]}, {reason}. Look whether it has been started, "
        f"with index 0 in its TF_CONFIG, and can be reached from here."
    )
