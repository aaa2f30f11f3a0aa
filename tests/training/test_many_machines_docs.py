"""What `docs/many_machines.md` shows is what happens."""

import json
import os
import re
import shlex
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from bnkeras.pipelines import prepare
from bnkeras.recipe import load
from bnkeras.training.cluster import find_cluster

DOCS = Path(__file__).resolve().parents[2] / "docs" / "many_machines.md"


def blocks(language):
    found = re.findall(rf"^```{language}\n(.*?)^```$", DOCS.read_text("utf-8"), re.M | re.S)
    assert found
    return found


@pytest.fixture
def shell(tmp_path):
    """A function that runs a script beside programs of this test's own, and its records."""
    programs = {
        # The fields of a record are separated by what no field holds.
        "bnkeras": 'printf "%s\\x1f%s\\x1e" "$TF_CONFIG" "$*" >> "$RECORDS"; exit "${STATUS:-0}"',
        "scontrol": 'if [ "$1" = show ]; then printf "node%s\\n" 7 8 12; '
        'else echo "$*" >> "$REQUEUED"; fi',
        "srun": "shift; status=0; for SLURM_PROCID in 0 1 2; do export SLURM_PROCID; "
        '"$@" || status=$?; done; exit $status',
    }
    folder = tmp_path / "programs"
    folder.mkdir()
    for name, body in programs.items():
        (folder / name).write_text(f"#!/bin/bash\n{body}\n")
        (folder / name).chmod(0o755)
    records, requeued = tmp_path / "records", tmp_path / "requeued"

    def run(script, *options, **environment):
        for record in (records, requeued):
            record.write_text("")
        paths = {"PATH": f"{folder}:{os.environ['PATH']}"}
        paths |= {"RECORDS": str(records), "REQUEUED": str(requeued)}
        ended = subprocess.run(
            ["bash", *options, "-c", script],
            env=paths | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not ended.stderr
        runs = [record.split("\x1f") for record in records.read_text().split("\x1e")[:-1]]
        return ended.returncode, runs, requeued.read_text().split()

    return run


def check(runs, workers):
    """Each run is one of the workers, in their order, and all have the same command."""
    assert len(runs) == len(workers)
    for index, (config, command) in enumerate(runs):
        cluster = find_cluster({"TF_CONFIG": config})
        assert (cluster.workers, cluster.index) == (tuple(workers), index)
        assert command == runs[0][1]
        recipe, settings = name_and_settings(command)
        assert load(recipe, settings).strategy.sync_bn


def free_ports(count):
    with ExitStack() as open_sockets:
        sockets = [open_sockets.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("localhost", 0))
        return [one.getsockname()[1] for one in sockets]


def changed(program, changes):
    for old, new in changes.items():
        assert old in program
        program = program.replace(old, new)
    return program


def name_and_settings(command):
    words = shlex.split(command)
    assert words[:2] == ["recipe", "run"]
    return words[2], [words[place + 1] for place, word in enumerate(words) if word == "--set"]


def test_by_hand(shell):
    by_hand, _ = blocks("bash")
    _, first, _ = shell(by_hand)
    _, second, _ = shell(by_hand.replace('"index": 0', '"index": 1'))
    check([*first, *second], ["host-a:12345", "host-b:12345"])


def test_slurm(shell):
    _, script = blocks("bash")
    job = {"SLURM_JOB_ID": "123456", "SLURM_JOB_NODELIST": "node[7-8,12]"}
    status, runs, requeued = shell(script, **job)
    check(runs, ["node7:23456", "node8:23456", "node12:23456"])
    assert (status, requeued) == (0, [])


@pytest.mark.parametrize(
    ("restarts", "requeued"),
    [(None, ["requeue", "123456"]), ("2", ["requeue", "123456"]), ("3", [])],
)
def test_slurm_begins_anew_after_a_failure(shell, restarts, requeued):
    _, script = blocks("bash")
    job = {"SLURM_JOB_ID": "123456", "SLURM_JOB_NODELIST": "node[7-8,12]", "STATUS": "1"}
    if restarts:
        job["SLURM_RESTART_COUNT"] = restarts
    status, _, found = shell(script, **job)
    assert (status, found) == (1, requeued)


def test_kubernetes(shell):
    (manifest,) = blocks("yaml")
    service, job = yaml.safe_load_all(manifest)
    spec, pod = job["spec"], job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    name, domain = job["metadata"]["name"], service["metadata"]["name"]
    # A headless service gives the pods of the job that it selects names of their own.
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["selector"] == {"job-name": name}
    assert pod["subdomain"] == domain
    assert spec["completions"] == spec["parallelism"]
    assert {one["name"] for one in container["volumeMounts"]} == {
        one["name"] for one in pod["volumes"]
    }
    environment = {one["name"]: one["value"] for one in container["env"]}
    assert environment["WORKERS"] == str(spec["completions"])
    (port,) = container["ports"]
    program, *options = container["command"]
    (script,) = container["args"]
    assert (program, options) == ("bash", ["-ec"])
    runs = []
    for index in range(spec["completions"]):
        status, one, _ = shell(script, "-e", JOB_COMPLETION_INDEX=str(index), **environment)
        assert status == 0
        runs += one
    addresses = [
        f"{name}-{index}.{domain}:{port['containerPort']}" for index in range(spec["completions"])
    ]
    check(runs, addresses)


def test_one_machine():
    (command,) = [block for block in blocks("") if "logical_cpus" in block]
    recipe, settings = name_and_settings(command.removeprefix("bnkeras "))
    assert load(recipe, settings).strategy.logical_cpus == 2


@pytest.mark.exhaustive
def test_the_service_feeds_a_run(tmp_path):
    for split, count in {"train": 20, "val": 4}.items():
        for number, name in enumerate(("n01440764", "n02102040")):
            folder = tmp_path / "source" / split / name
            folder.mkdir(parents=True)
            for index in range(count):
                pixels = np.random.default_rng(index).integers(0, 256, (60, 80, 3), np.uint8)
                pixels[..., number] = 255
                Image.fromarray(pixels).save(folder / f"{name}_{index}.JPEG")
    prepare("imagenet", tmp_path / "source", tmp_path / "data")
    dispatcher, worker, trainer = blocks("python")
    ports = free_ports(3)
    smaller = {
        "BATCH, SIZE, WORKERS = 256, 224, 2": "BATCH, SIZE, WORKERS = 4, 32, 2",
        "batch_size=250": "batch_size=4",
        "// 250": "// 4",
        '"resnet50_bnonly", [': '"resnet18_bnonly", ["model.width=0.125", "train.epochs=2", ',
    }
    programs = [
        changed(dispatcher, {"port=5050": f"port={ports[0]}"}),
        *(
            changed(
                worker,
                {
                    "host-a:5050": f"localhost:{ports[0]}",
                    "host-c:5051": f"localhost:{port}",
                    "port=5051": f"port={port}",
                },
            )
            for port in ports[1:]
        ),
        changed(trainer, {"host-a:5050": f"localhost:{ports[0]}", **smaller})
        + "\nprint([y.numpy().tolist() for _, y in train])",
    ]
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for program in programs
    ]
    try:
        *servers, training = started
        out, errors = training.communicate(timeout=120)
        assert training.returncode == 0, errors
        assert [server.poll() for server in servers] == [None, None, None]
    finally:
        for process in started:
            process.kill()
            process.communicate()
    seen = np.array(json.loads(out.splitlines()[-1]))
    # 20 of each class, of which one batch is left out.
    assert seen.shape == (9, 4)
    assert all(16 <= np.count_nonzero(seen == label) <= 20 for label in (0, 217))
    result = json.loads((tmp_path / "runs" / "resnet50" / "result.json").read_text())
    assert result["epochs"] == 2
