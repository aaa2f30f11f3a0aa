"""Workers wait for each other by a clock, and say who is missing."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from bnkeras.errors import ClusterError, WorkerLostError
from bnkeras.training.cluster import Cluster
from bnkeras.training.rendezvous import meet


@pytest.fixture
def addresses():
    with socket.create_server(("localhost", 0)) as free:
        port = free.getsockname()[1]
    return (f"localhost:{port}", "b:2", "c:3")


def test_all_go_when_the_last_has_come(addresses):
    def late(index):
        # The chief is not the first, and something else knocks at its port, too.
        time.sleep([0.3, 0.0, 0.6][index])
        meet(Cluster(addresses, index), 20)
        return time.monotonic()

    begin = time.monotonic()
    with ThreadPoolExecutor() as pool:
        gone = pool.map(late, range(3))
        time.sleep(0.4)
        host, port = addresses[0].split(":")
        with socket.create_connection((host, int(port))) as stranger:
            stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert min(gone) >= begin + 0.6
    # The port is free for TensorFlow.
    socket.create_server((host, int(port))).close()


def test_the_chief_names_who_is_missing(addresses):
    with ThreadPoolExecutor() as pool:
        other = pool.submit(meet, Cluster(addresses, 1), 3)
        with pytest.raises(WorkerLostError) as chief:
            meet(Cluster(addresses, 0), 1)
        with pytest.raises(WorkerLostError, match="the chief has not gathered all workers"):
            other.result()
    assert "after 1 s (strategy.timeout_seconds) these have not come: worker 2 (c:3)." in str(
        chief.value
    )


def test_a_worker_without_a_chief_gives_up(addresses):
    with pytest.raises(WorkerLostError) as lost:
        meet(Cluster(addresses, 2), 0.5)
    message = str(lost.value)
    assert "This is worker 2 of 3 (c:3), and after 0.5 s" in message
    assert f"{addresses[0]}, Connection refused. Look whether it has been started" in message


def test_a_port_in_use_is_refused(addresses):
    port = int(addresses[0].split(":")[1])
    with socket.create_server(("", port)), pytest.raises(ClusterError, match=f"port {port} is not"):
        meet(Cluster(addresses, 0), 5)
