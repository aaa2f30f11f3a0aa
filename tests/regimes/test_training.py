"""Promises 1 and 2: frozen tensors keep their bits, and norms still take the batch's statistics."""

import numpy as np
import pytest

import bnkeras
from bnkeras.models.registry import BUILDERS
from bnkeras.regimes.masking import masks_of
from bnkeras.training.optimizers import SGD, Adam

NORM_ENDS = ("/gamma", "/beta")
OUTPUT = ("output/kernel", "output/bias")
SHORTCUT_END = "_shortcut_conv/kernel"


def trains(regime, path):
    """Whether a regime trains a variable, by the names of both."""
    if path.endswith("/random_kernel"):
        return True
    if path in OUTPUT:
        return regime.endswith("output") or regime in ("all", "frozenbn")
    if path.endswith(NORM_ENDS):
        return regime == "all" or regime.startswith("bn")
    if path.endswith(SHORTCUT_END):
        return "shortcut" in regime or regime in ("all", "frozenbn")
    return regime in ("all", "frozenbn")


REGIMES = (
    *("all", "bnonly", "bnoutput", "output", "bnshortcutoutput", "shortcutoutput", "frozenbn"),
    *("random2", "random1spreadoutput"),
)
CASES = [
    (name, regime)
    for name in BUILDERS
    for regime in REGIMES
    if name.startswith("resnet") or "shortcut" not in regime
]


def expected_changes(model, regime):
    return {
        variable.path
        for variable in model.variables
        if "/moving_" in variable.path or trains(regime, variable.path)
    }


@pytest.mark.parametrize(("name", "regime"), CASES)
def test_one_step(name, regime, network, compiled, examples, values, changed):
    model = compiled(network(name, regime))
    before = values(model)
    model.train_step(examples(model))
    assert changed(before, model) == expected_changes(model, regime)
    # The optimizer remembers what trains, and nothing else.
    slots = [v for v in model.optimizer.variables if v.path.endswith("momentum")]
    assert len(slots) == len(model.trainable_variables)
    remembered = sum(int(np.prod(slot.shape)) for slot in slots)
    assert remembered == bnkeras.parameter_counts(model)["trainable"]


@pytest.mark.parametrize("name", BUILDERS)
@pytest.mark.parametrize("regime", ["random2", "random2spread"])
def test_the_chosen_values_train_and_no_other(name, regime, network, compiled, examples, values):
    """Without L2 or momentum: what moves has a gradient."""
    # On images that shrink to one pixel, most weights of a kernel meet only padding.
    larger = {"input_shape": (64, 64, 3)} if name == "resnet_imagenet" else {}
    model = compiled(network(name, regime, **larger), SGD(1.0, momentum=0.0, l2=0.0))
    untouched = values(network(name, **larger))
    before = values(model)
    model.train_step(examples(model, 128))
    for layer in masks_of(model):
        path = layer.random_kernel.path
        assert (np.array(layer.random_kernel) != before[path]).all(), path
        differs = [
            np.array(kernel) != untouched[f"{path.rpartition('/')[0]}/{kernel_name}"]
            for kernel_name, kernel in layer.effective_kernels().items()
        ]
        columns = np.concatenate([part.reshape(-1, part.shape[-1]) for part in differs])
        units = before[path].size // 2
        assert columns.sum() == 2 * units
        if regime == "random2":
            # The columns of an LSTM are those of its gates.
            assert (columns.reshape(len(columns), -1, units).sum((0, 1)) == 2).all()
    for path, start in untouched.items():
        if "/moving_" not in path:
            now = next(np.array(v) for v in model.variables if v.path == path)
            assert now.tobytes() == start.tobytes(), path


@pytest.mark.parametrize(
    ("regime", "policy"),
    [
        *((regime, "float32") for regime in ("all", "frozenbn", "random2output")),
        *((regime, "mixed_bfloat16") for regime in ("bnonly", "random2")),
    ],
)
def test_a_run_in_a_graph(regime, policy, network, compiled, examples, values, changed):
    model = compiled(network("resnet_cifar", regime, dtype=policy))
    before = values(model)
    history = model.fit(*examples(model, 64), batch_size=16, epochs=4, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    assert changed(before, model) == expected_changes(model, regime)


@pytest.mark.parametrize("regime", ["bnonly", "frozenbn", "random2spread"])
def test_with_adam(regime, network, compiled, examples, values, changed):
    """Adam divides by the size of the gradient, so that the least of it would show."""
    model = compiled(network("mlp", regime), Adam(0.02, l2=1e-2))
    before = values(model)
    model.fit(*examples(model, 64), batch_size=16, epochs=2, verbose=0)
    assert changed(before, model) == expected_changes(model, regime)


@pytest.mark.parametrize("name", ["resnet_cifar", "mlp", "tweet_lstm"])
def test_normalization_does_not_depend_on_the_regime(name, network, examples, values):
    """In training mode every regime gives the bits that training all parameters gives."""
    reference = network(name)
    x, _ = examples(reference)
    inference = reference(x).numpy()
    expected = reference(x, training=True).numpy()
    moved = values(reference)
    assert np.abs(expected - inference).max() > 0.1
    for regime in (regime for case, regime in CASES if case == name):
        model = network(name, regime)
        assert model(x).numpy().tobytes() == inference.tobytes()
        assert model(x, training=True).numpy().tobytes() == expected.tobytes()
        now = values(model)
        for path in moved:
            assert now[path].tobytes() == moved[path].tobytes(), path
