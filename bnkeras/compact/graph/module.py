"""The object that a SavedModel is saved of, and the functions that it offers."""

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from bnkeras.compact.graph.files import ExternalWeights, FileWeights
from bnkeras.compact.graph.frozen import SeededWeights
from bnkeras.compact.graph.stored import StoredWeights, unpacked, words_of
from bnkeras.compact.interface import Interface
from bnkeras.compact.preparing import Prepared
from bnkeras.compact.provenance import SeededVariable, Sources

# What a traced network takes the stored values as, where they are not its own.
_WORDS = "bnkeras_words"


class CompactModule(tf.Module):
    """One network: frozen weights, stored values in the checkpoint, and a front.

    Args:
        network: what is saved.
        external: the weights that a file holds, if there are any.
    """

    def __init__(self, network: Prepared, external: ExternalWeights | None):
        super().__init__()
        self._network = network
        self._frozen = _Frozen([network.sources], external)
        self._stored = StoredWeights(network.sources.stored)
        self.stored = self._stored.parts
        self.seeded = self._frozen.seeded
        self.external = external
        # A resource does not track its own: its path would stay that of this process.
        self.asset = external and external.asset
        self.front = network.description.front

    def signatures(self) -> dict[str, Callable]:
        """Trace and return the functions that the SavedModel offers, by name."""
        sources = self._network.sources
        traced = _traced_network(
            self._network, lambda: self._stored.values() + self._frozen.values(sources)
        )
        if self.front is None:
            return {"serving_default": traced}
        served = _with_front(self._network, traced, self.front)
        return {"serving_default": served, "network": traced}


class TasksModule(tf.Module):
    """Several networks over one seed: frozen weights once, and values of each from its file.

    Args:
        networks: what is saved, by task.
        numbers: a number for each task; those of the same number share a traced network.
        tasks: the values of the tasks.
        external: the weights that a file holds, if there are any.
    """

    def __init__(
        self,
        networks: dict[str, Prepared],
        numbers: Sequence[int],
        tasks: FileWeights,
        external: ExternalWeights | None,
    ):
        super().__init__()
        self._networks = networks
        self._numbers = numbers
        self._frozen = _Frozen([network.sources for network in networks.values()], external)
        self.seeded = self._frozen.seeded
        self.tasks = tasks
        self.external = external
        # As above.
        self.assets = tasks.assets
        self.asset = external and external.asset
        self.fronts = [network.description.front for network in networks.values()]

    def signatures(self) -> dict[str, Callable]:
        """Trace and return a function for each task; `serving_default` is that of the first."""
        shared, fronts, offered = {}, {}, {}
        for index, (name, network) in enumerate(self._networks.items()):
            number = self._numbers[index]
            if number not in shared:
                shared[number] = self._traced(network)
            traced = self._of_task(network, shared[number], index)
            front = network.description.front
            if front is None:
                offered[name] = traced
            else:
                # The tables of a text front take 50 KB, so one of several tasks is traced once.
                call = fronts.setdefault(id(front), tf.function(front.__call__, autograph=False))
                offered[name] = _with_front(network, traced, call)
                offered[f"{name}_network"] = traced
        return {"serving_default": next(iter(offered.values())), **offered}

    def _traced(self, network: Prepared) -> Callable:
        """Trace a network for values that are given with each call."""
        stored = network.sources.stored
        spec = tf.TensorSpec([sum(map(words_of, stored))], tf.float32, _WORDS)
        return _traced_network(
            network,
            lambda words: unpacked(stored, words) + self._frozen.values(network.sources),
            [spec],
        )

    def _of_task(self, network: Prepared, traced: Callable, index: int) -> Callable:
        """Trace a network with the values of a task."""

        def function(**inputs):
            return traced(**inputs, **{_WORDS: self.tasks.read(index)})

        return _concrete(function, _specs(network.interface))


class _Frozen:
    """The weights of one seed and of one file that several networks read."""

    def __init__(self, sources: Sequence[Sources], external: ExternalWeights | None):
        self._numbers: dict[tuple, int] = {}
        weights = []
        for weight in (weight for one in sources for weight in one.seeded):
            if _key(weight) not in self._numbers:
                self._numbers[_key(weight)] = len(weights)
                weights.append(weight)
        self.seeded = SeededWeights(sources[0].seed, weights) if weights else None
        self._external = external

    def values(self, sources: Sources) -> list[tuple[keras.Variable, tf.Tensor]]:
        """Return the frozen weights of a network with their values, inside a traced function."""
        pairs = [(w.variable, self.seeded.read(self._numbers[_key(w)])) for w in sources.seeded]
        return pairs + [(v, self._external.read(i)) for i, v in enumerate(sources.external)]


def _key(weight: SeededVariable) -> tuple:
    return weight.path, str(weight.law), tuple(weight.variable.shape)


def _specs(interface: Interface) -> list[tf.TensorSpec]:
    return [tf.TensorSpec(r.shape, r.dtype, r.name) for r in interface.inputs]


def _traced_network(
    network: Prepared, weights: Callable, given: Sequence[tf.TensorSpec] = ()
) -> Callable:
    """Trace a network whose variables have the values of `weights`, called on what is `given`."""
    states = [(variable, variable.numpy()) for variable in network.sources.random]

    def function(**inputs):
        values = weights(*(inputs.pop(spec.name) for spec in given))
        values += [(variable, tf.constant(state)) for variable, state in states]
        with keras.StatelessScope(state_mapping=values):
            return network.interface.call(inputs)

    return _concrete(function, [*_specs(network.interface), *given])


def _with_front(network: Prepared, traced: Callable, call: Callable) -> Callable:
    """Trace what the front takes to the outputs of `traced`, and to labels; `call` calls it."""
    spec, class_names = network.description.front.spec, network.description.class_names

    def function(**inputs):
        given = call(inputs[spec.name])
        network.interface.check(given)
        outputs = dict(traced(**network.interface.named(given)))
        if class_names and "logits" in outputs:
            names = label_names(class_names, outputs["logits"].shape[-1])
            outputs["labels"] = tf.gather(names, tf.argmax(outputs["logits"], axis=-1))
        return outputs

    return _concrete(function, [spec])


def label_names(class_names: Sequence[str], classes: int) -> list[str]:
    """Return a name for each class; those without one are called by their number."""
    return [*class_names, *map(str, range(len(class_names), classes))]


def _concrete(function: Callable, specs: Sequence[tf.TensorSpec]) -> Callable:
    traced = tf.function(function, autograph=False)
    return traced.get_concrete_function(**{spec.name: spec for spec in specs})
