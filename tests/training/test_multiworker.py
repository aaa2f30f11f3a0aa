"""Two processes of one machine that train one network, by TF_CONFIG."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

import bnkeras

# Each starts processes that train together.
pytestmark = pytest.mark.slow

SETTINGS = ["model.depth=8", "train.epochs=4", "train.checkpoint_minutes=1e-9"]
SYNCHRONISED = "strategy.sync_bn=true"
# Twenty-two steps an epoch, so that the question after step 50 is in the middle of one.


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("localhost", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def command(folder, out, *settings):
    options = [option for setting in settings for option in ("--set", setting)]
    call = [sys.executable, "-m", "bnkeras.cli.main", "recipe", "run", "digits_resnet14_bnonly"]
    return [*call, *options, "--data-dir", str(folder / "data"), "--out", str(out)]


def start(folder, out, *settings, only=None):
    """Start two workers; `out` is the chief's directory, and the other's must stay unused."""
    addresses = [f"localhost:{port}" for port in free_ports(2)]
    workers = []
    for index, place in enumerate((out, out.with_name("unused"))):
        task = {"type": "worker", "index": index}
        config = {"cluster": {"worker": addresses}, "task": task}
        own = settings if only is None or only[0] != index else (*settings, only[1])
        workers.append(
            subprocess.Popen(
                command(folder, place, *SETTINGS, *own),
                env=os.environ | {"TF_CONFIG": json.dumps(config)},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    return workers


def finish(workers):
    try:
        outputs = [worker.communicate(timeout=240) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    assert [worker.returncode for worker in workers] == [0, 0], outputs
    return outputs


def state(directory):
    """Return the weights and the metrics, but for the seconds, which no run has twice."""
    table = json.loads((directory / "metrics.json").read_text())
    rows = [{key: row[key] for key in row if key != "seconds"} for row in table]
    model = bnkeras.load_compact(directory / "export")
    return rows, {v.path: v.numpy().tobytes() for v in model.variables}


def wait_for(condition, worker):
    while not condition():
        assert worker.poll() is None, worker.communicate()
        time.sleep(0.01)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("multiworker")
    # Two workers that prepare the data at once wait for each other; it is not their subject.
    call = [sys.executable, "-m", "bnkeras.cli.main", "data", "prepare", "digits"]
    subprocess.run([*call, "--data-dir", str(folder / "data")], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def whole(folder):
    """Return the outputs of two workers that nothing stopped."""
    return finish(start(folder, folder / "whole", SYNCHRONISED))


def test_two_workers_train_what_one_process_with_two_devices_does(folder, whole):
    call = command(folder, folder / "mirrored", *SETTINGS, SYNCHRONISED, "strategy.name=mirrored")
    subprocess.run(call, check=True, capture_output=True)
    assert state(folder / "whole") == state(folder / "mirrored")


def test_the_chief_alone_writes_and_reports(folder, whole):
    chief, other = (output for output, _ in whole)
    assert not (folder / "unused").exists()
    assert "this is worker 0 of 2" in chief
    assert "epoch 4/4" in chief
    assert "test accuracy" in chief
    assert "this is worker 1 of 2" in other
    assert "epoch 1" not in other
    assert "the chief has written the export" in other


@pytest.mark.parametrize(
    "lost", [pytest.param(0, marks=pytest.mark.exhaustive, id="chief"), pytest.param(1, id="other")]
)
def test_a_lost_worker_ends_the_others_and_all_resume(lost, folder, whole, tmp_path):
    cut = tmp_path / "cut"
    workers = start(folder, cut, SYNCHRONISED)
    # In the middle of an epoch, and after a checkpoint there.
    wait_for((cut / "checkpoints" / "ckpt-50.index").exists, workers[0])
    workers[lost].send_signal(signal.SIGKILL)
    left = workers[1 - lost]
    _, message = left.communicate(timeout=30)
    assert left.returncode == 1
    assert f"and worker {lost} (localhost:" in message
    assert "has stopped or gone silent" in message
    assert "start all workers again with the same command" in message
    assert "Traceback" not in message
    workers[lost].communicate()
    assert not (cut / "result.json").exists()

    finish(start(folder, cut, SYNCHRONISED))
    assert state(cut) == state(folder / "whole")
    assert len(json.loads((cut / "environment.json").read_text())) == 2


@pytest.mark.exhaustive
def test_workers_of_other_recipes_are_refused(folder, tmp_path):
    workers = start(folder, tmp_path / "run", only=(1, "model.depth=14"))
    outputs = [worker.communicate(timeout=60) for worker in workers]
    assert [worker.returncode for worker in workers] == [1, 1]
    message = outputs[1][1]
    assert "the chief has other ones:" in message
    assert "recipe.model.depth: 8 there, 14 here" in message


@pytest.mark.exhaustive
def test_a_finished_run_is_not_repeated(folder, whole):
    outputs = finish(start(folder, folder / "whole", SYNCHRONISED))
    assert "holds the finished run" in outputs[0][0]
    assert "epoch" not in outputs[0][0].replace("train.epochs", "")


@pytest.mark.exhaustive
def test_own_statistics_resume_too(folder, tmp_path):
    finish(start(folder, tmp_path / "whole", "train.keep=best", "data.validation=10"))
    cut = tmp_path / "cut"
    workers = start(folder, cut, "train.keep=best", "data.validation=10")
    wait_for((cut / "checkpoints" / "ckpt-50.index").exists, workers[0])
    for worker in workers:
        worker.kill()
        worker.communicate()
    finish(start(folder, cut, "train.keep=best", "data.validation=10"))
    assert state(cut) == state(tmp_path / "whole")


STUCK = """
import os, sys, time
import keras
import bnkeras.recipe
from bnkeras.training import run

class Stuck(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if batch == 3:
            time.sleep(600)

settings = ["model.depth=8", "strategy.name=multiworker", "strategy.timeout_seconds=15"]
recipe = bnkeras.recipe.load("digits_resnet14_bnonly", settings)
callbacks = [Stuck()] if '"index": 1' in os.environ["TF_CONFIG"] else []
run(recipe, sys.argv[1], data_dir=sys.argv[2], callbacks=callbacks)
"""


@pytest.mark.exhaustive
def test_a_worker_that_is_stuck_ends_the_others(folder, tmp_path):
    addresses = [f"localhost:{port}" for port in free_ports(2)]
    workers = []
    for index in range(2):
        task = {"type": "worker", "index": index}
        config = json.dumps({"cluster": {"worker": addresses}, "task": task})
        call = [sys.executable, "-c", STUCK, str(tmp_path / "run"), str(folder / "data")]
        environment = os.environ | {"TF_CONFIG": config}
        pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
        workers.append(subprocess.Popen(call, env=environment, **pipes))
    try:
        _, message = workers[0].communicate(timeout=120)
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()
    assert workers[0].returncode == 1
    assert "WorkerLostError: This is worker 0 of 2" in message
    assert "nothing was heard for 15 s (strategy.timeout_seconds)" in message
