"""Workers by TF_CONFIG: what is taken, and what is refused with what message."""

import json

import pytest

import bnkeras.recipe
from bnkeras.errors import ClusterError
from bnkeras.training.cluster import find_cluster
from bnkeras.training.strategy import cluster_for

TWO = {"worker": ["a:1", "b:2"]}


def environment(cluster, kind="worker", index=0):
    task = {"type": kind, "index": index}
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})}


@pytest.mark.parametrize("given", [{}, {"TF_CONFIG": ""}, environment({"worker": ["a:1"]})])
def test_there_may_be_no_other_worker(given):
    assert find_cluster(given) is None


def test_the_first_worker_is_the_chief():
    first, second = (find_cluster(environment(TWO, index=index)) for index in (0, 1))
    assert first.is_chief
    assert not second.is_chief
    assert str(second) == "worker 1 of 2 (b:2)"


def test_a_chief_may_be_a_task_of_its_own():
    cluster = {"chief": ["c:1"], "worker": ["a:1", "b:2"]}
    chief = find_cluster(environment(cluster, "chief"))
    worker = find_cluster(environment(cluster, "worker", 1))
    assert chief.is_chief
    assert chief.workers == worker.workers == ("c:1", "a:1", "b:2")
    assert str(worker) == "worker 2 of 3 (b:2)"
    assert [worker.index_of(*task) for task in (("chief", 0), ("worker", 1))] == [0, 2]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"TF_CONFIG": "{"}, "it is no JSON"),
        ({"TF_CONFIG": "[]"}, "it has no object 'cluster'"),
        ({"TF_CONFIG": json.dumps({"cluster": TWO})}, "it has no object 'task'"),
        (environment({**TWO, "ps": ["p:1"]}), "jobs of type ps, which have no use"),
        (environment({"worker": "a:1"}), "a list of 'host:port'; received 'a:1'"),
        (environment({"worker": ["a", "b:2"]}), "'host:port'; received ['a', 'b:2']"),
        (environment({"worker": ["a:99999", "b:2"]}), "'host:port'; received ['a:99999', 'b:2']"),
        (environment({"worker": [":1", "b:2"]}), "'host:port'; received [':1', 'b:2']"),
        (environment({"worker": ["a:1", "a:1"]}), "the address a:1 is there twice"),
        (environment(TWO, "evaluator"), "the task is of type 'evaluator'"),
        (environment(TWO, index=2), "the task is worker 2, and the cluster has 2 of them"),
        (environment(TWO, index=True), "the task is worker True"),
        (environment(TWO, index="0"), "the task is worker '0'"),
        (environment({"chief": ["a:1", "b:2"]}, "chief"), "the cluster has 2 chiefs"),
    ],
)
def test_a_wrong_description_is_refused(given, reason):
    with pytest.raises(ClusterError) as refused:
        find_cluster(given)
    message = str(refused.value)
    assert reason in message
    assert '"task": {"type": "worker", "index": 0}' in message
    assert "unset it to train in this process alone" in message
    assert refused.value.exit_code == 2


@pytest.mark.parametrize(
    ("name", "found"),
    [("auto", True), ("multiworker", True), ("single", False), ("mirrored", False)],
)
def test_the_setting_decides_whether_it_is_looked_at(name, found, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", environment(TWO)["TF_CONFIG"])
    recipe = bnkeras.recipe.load("digits_resnet14_bnonly", [f"strategy.name={name}"])
    assert (cluster_for(recipe.strategy) is not None) == found


def test_many_workers_have_to_be_named(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    recipe = bnkeras.recipe.load("digits_resnet14_bnonly", ["strategy.name=multiworker"])
    with pytest.raises(ClusterError, match="needs the environment variable TF_CONFIG"):
        cluster_for(recipe.strategy)
