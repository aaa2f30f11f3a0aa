"""TensorFlow's distribution strategies by the name of the recipe setting."""

from functools import cache

import tensorflow as tf

from bnkeras.errors import ClusterError, RunError
from bnkeras.recipe import StrategySettings
from bnkeras.training.cluster import Cluster, find_cluster
from bnkeras.training.rendezvous import meet


def cluster_for(settings: StrategySettings) -> Cluster | None:
    """Return the workers to train with, or None for this process alone.

    Raises:
        ClusterError: TF_CONFIG is wrong, or there is none and the setting asks for it.
    """
    if settings.name not in ("auto", "multiworker"):
        return None
    cluster = find_cluster()
    if cluster is None and settings.name == "multiworker":
        raise ClusterError(
            'strategy.name = "multiworker" needs the environment variable TF_CONFIG with the '
            "addresses of two workers or more, which docs/many_machines.md shows. In this process "
            'alone, strategy.name is "single" or "mirrored".'
        )
    return cluster


def make_strategy(settings: StrategySettings, cluster: Cluster | None) -> tf.distribute.Strategy:
    """Return the strategy of the setting `strategy.name`.

    | name | strategy |
    |---|---|
    | `single` | the default strategy, on one device |
    | `mirrored` | `MirroredStrategy` over all GPUs; where there is none, over logical CPUs |
    | `multiworker` | `MultiWorkerMirroredStrategy` over the GPUs, or the CPU, of all workers |
    | `auto` | the last where TF_CONFIG names other workers, `mirrored` on GPUs, else `single` |

    `multiworker` has to come before anything else that TensorFlow computes in this process,
    and returns when all workers are there.

    Args:
        settings: the section `[strategy]` of a recipe.
        cluster: what `cluster_for` returned for them.

    Raises:
        ClusterError: the chief's port is in use.
        WorkerLostError: not all workers have come within `strategy.timeout_seconds`.
        RunError: TensorFlow has started already, with other devices.
    """
    if cluster is not None:
        return _multiworker(cluster, settings.timeout_seconds)
    gpus = tf.config.list_physical_devices("GPU")
    if settings.name == "mirrored" or (settings.name == "auto" and len(gpus) > 1):
        kind = "GPU" if gpus else "CPU"
        if not gpus:
            _divide_cpu(settings.logical_cpus)
        return _mirrored(tuple(device.name for device in tf.config.list_logical_devices(kind)))
    return tf.distribute.get_strategy()


# One of a kind in a process: strategies number their collective operations from 1, and
# TensorFlow remembers what each number was.
@cache
def _mirrored(devices: tuple[str, ...]) -> tf.distribute.Strategy:
    return tf.distribute.MirroredStrategy(devices)


_started: dict[Cluster, tf.distribute.Strategy] = {}


def _multiworker(cluster: Cluster, timeout_seconds: float) -> tf.distribute.Strategy:
    if cluster not in _started:
        meet(cluster, timeout_seconds)
        try:
            _started[cluster] = tf.distribute.MultiWorkerMirroredStrategy()
        except RuntimeError as error:
            if "program startup" not in str(error):
                raise
            raise RunError(
                "Many workers have to find each other before TensorFlow computes anything in this "
                "process. Call `run` first, or use the command line."
            ) from error
    return _started[cluster]


def _divide_cpu(count: int) -> None:
    """Make `count` logical devices of the CPU."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    devices = [tf.config.LogicalDeviceConfiguration()] * count
    try:
        tf.config.set_logical_device_configuration(cpu, devices)
    except RuntimeError:
        # TensorFlow has started.
        found = len(tf.config.list_logical_devices("CPU"))
        if found != count:
            raise RunError(
                f"strategy.logical_cpus is {count}, and TensorFlow has started in this process "
                f"with {found}. Call `run` first, or use the command line."
            ) from None
