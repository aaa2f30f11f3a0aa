"""Random-k: a few values of each kernel train, and the kernels keep all that their seed gave."""

import keras
import numpy as np
import pytest

import bnkeras
from bnkeras.layers.masked import masked_class
from bnkeras.models.registry import BUILDERS
from bnkeras.models.variables import Group, grouped_variables
from bnkeras.regimes.masking import masks_of
from bnkeras.seeding import reference
from bnkeras.seeding.choices import choose
from bnkeras.training.optimizers import SGD

L = keras.layers


def kernel_of(model, layer):
    """Return the frozen kernel itself; the attribute `kernel` gives the one in effect."""
    return next(np.array(v) for v in model.variables if v.path == f"{layer}/kernel")


def differs(model, layer):
    """Return where the kernel in effect is another than the frozen one."""
    return np.array(model.get_layer(layer).kernel) != kernel_of(model, layer)


@pytest.fixture
def learn(compiled, examples):
    """Train for some steps."""

    def _learn(model, steps=2):
        compiled(model, SGD(0.1, momentum=0.9, l2=1e-4))
        for _ in range(steps):
            model.train_step(examples(model))
        return model

    return _learn


@pytest.mark.parametrize("name", BUILDERS)
@pytest.mark.parametrize("regime", ["random2", "random1spreadoutput"])
def test_masks_leave_no_trace(name, regime, network, values, changed, examples):
    """Off again, everything is as it was: bits, classes, variables and their paths."""
    model, fresh = network(name), network(name)
    x, _ = examples(model, 8)
    logits = model(x).numpy()
    classes = [type(layer) for layer in model.layers]
    before = values(model)
    bnkeras.set_regime(model, regime)
    assert masks_of(model)
    assert model(x).numpy().tobytes() == logits.tobytes()
    assert changed({**before, **{v.path: np.array(v) for v in model.variables}}, model) == set()
    bnkeras.set_regime(model, "bnonly")
    assert [type(layer) for layer in model.layers] == classes
    assert changed(before, model) == set()
    assert [v.path for v in model.variables] == [v.path for v in fresh.variables]
    assert model(x).numpy().tobytes() == logits.tobytes()
    names = [
        name for layer in model._flatten_layers() for name, _ in layer._trackable_children().items()
    ]
    assert "random_kernel" not in names


def test_what_was_trained_is_written_into_the_kernels(network, learn, examples):
    model = learn(network("resnet_cifar", "random2"))
    x, _ = examples(model)
    logits = model(x).numpy()
    effective = {layer.name: np.array(layer.kernel) for layer in masks_of(model)}
    keras.Model.compile(model)  # a new optimizer
    bnkeras.set_regime(model, "all")
    for layer, kernel in effective.items():
        assert np.array(model.get_layer(layer).kernel).tobytes() == kernel.tobytes()
    assert model(x).numpy().tobytes() == logits.tobytes()
    # The regime anew starts from there, at the same positions.
    bnkeras.set_regime(model, "random2")
    for layer, kernel in effective.items():
        assert kernel_of(model, layer).tobytes() == kernel.tobytes()
        chosen = np.array(model.get_layer(layer).random_kernel)
        assert np.isin(chosen, kernel).all()


def test_the_positions_are_those_of_the_generator(network, learn):
    """By hand, from docs/generator.md: for a convolution, and for an LSTM."""
    model = learn(network("resnet_cifar", "random2"))
    expected = np.zeros((27, 4), bool)
    expected[choose(7, "stem_conv/positions", 2, 27, 4), np.arange(4)] = True
    assert np.array_equal(differs(model, "stem_conv").reshape(27, 4), expected)
    spread = learn(network("resnet_cifar", "random2spread"))
    expected = np.zeros(108, bool)
    expected[choose(7, "stem_conv/positions_spread", 8, 108)] = True
    assert np.array_equal(differs(spread, "stem_conv").ravel(), expected)

    lstm = learn(network("tweet_lstm", "random2")).get_layer("lstm").cell
    seeded = network("tweet_lstm").get_layer("lstm").cell
    rows = choose(7, "lstm/lstm_cell/positions", 2, 4 * (7 + 5), 5)
    # 7 rows of the kernel, 5 of the recurrent kernel; in each, a column per gate.
    expected = np.zeros((12, 4, 5), bool)
    expected[rows // 4, rows % 4, np.arange(5)] = True
    moved = [
        np.array(lstm.kernel) != np.array(seeded.kernel),
        np.array(lstm.recurrent_kernel) != np.array(seeded.recurrent_kernel),
    ]
    assert np.array_equal(np.concatenate(moved), expected.reshape(12, 20))


def test_the_trained_variable_begins_with_the_kernels_values(network):
    model = network("resnet_cifar", "random2")
    kernel = reference.values("he_normal", 7, "stem_conv/kernel", (3, 3, 3, 4))
    rows = choose(7, "stem_conv/positions", 2, 27, 4)
    trained = model.get_layer("stem_conv").random_kernel
    assert trained.path == "stem_conv/random_kernel"
    expected = kernel.reshape(27, 4)[rows, np.arange(4)]
    assert np.array(trained).tobytes() == expected.tobytes()


def test_what_the_choice_depends_on(network):
    def positions(regime, seed=7):
        model = network("resnet_cifar", regime, seed=seed)
        return model.get_layer("group1_block0_conv1")._chosen.positions.ravel().tolist()

    two = positions("random2")
    assert positions("random2") == positions("random2output") == two
    assert positions("random2", seed=8) != two
    assert positions("random2spread") != two
    assert positions("random1") == two[:4]
    assert set(two) < set(positions("random4"))
    assert len(set(two)) == len(two) == 8
    layers = masks_of(network("resnet_cifar", "random2"))
    chosen = {tuple(layer._chosen.positions.ravel()[:4] // 4) for layer in layers}
    assert len(chosen) == len(layers)


def test_the_seed_of_a_model_of_other_origin():
    def model():
        layers = [keras.Input((9,)), L.Dense(5, name="a"), L.Dense(2, name="b")]
        return keras.Sequential(layers, name="s")

    def seed_of(model):
        (mask,) = masks_of(bnkeras.set_regime(model, "random2")).values()
        return mask.seed

    assert seed_of(model()) == 0
    assert seed_of(bnkeras.reseed(model(), 11)) == 11
    assert bnkeras.regime_of(bnkeras.set_regime(model(), "random2")) == "random2"


def test_the_same_masks_keep_what_was_trained(network, learn, values, changed):
    model = learn(network("mlp", "random2"))
    before = values(model)
    assert bnkeras.regime_of(bnkeras.set_regime(model, "random2")) == "random2"
    keras.Model.compile(model)
    assert bnkeras.regime_of(bnkeras.set_regime(model, "random2output")) == "random2output"
    assert changed(before, model) == set()
    bnkeras.set_regime(model, "random3")
    trained = model.get_layer("hidden1_dense").random_kernel
    assert trained.shape == (3, 24)
    assert bnkeras.regime_of(model) == "random3"


@pytest.mark.parametrize("name", ["resnet_cifar", "tweet_lstm"])
@pytest.mark.parametrize("regime", ["random2", "random2spread"])
def test_a_keras_file(name, regime, network, learn, examples, tmp_path):
    model = learn(network(name, regime))
    x, _ = examples(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", compile=False)
    assert loaded(x).numpy().tobytes() == model(x).numpy().tobytes()
    now = {v.path: np.array(v) for v in loaded.variables}
    assert now.keys() == {v.path for v in model.variables}
    for variable in model.variables:
        assert now[variable.path].tobytes() == np.array(variable).tobytes(), variable.path
    # The selection is lost, as always; what was trained is not.
    assert bnkeras.regime_of(loaded) is None
    assert bnkeras.regime_of(bnkeras.set_regime(loaded, regime)) == regime
    assert loaded(x).numpy().tobytes() == model(x).numpy().tobytes()


def test_functions_that_keras_traced_before(network, learn, examples):
    """`predict` and `evaluate` of a masked model would go on with the frozen kernels."""
    model = network("mlp")
    x, y = examples(model)
    model.compile(loss="sparse_categorical_crossentropy")
    before = model.predict(x, verbose=0)
    model.evaluate(x, y, verbose=0)
    learn(bnkeras.set_regime(model, "random2"))
    model.predict_on_batch(x)
    after = model.predict(x, verbose=0)
    np.testing.assert_allclose(after, model(x).numpy(), rtol=1e-5, atol=1e-6)
    assert np.abs(after - before).max() > 1e-3
    nested = keras.Sequential([keras.Input(x.shape[1:]), model])
    nested.predict(x, verbose=0)
    keras.Model.compile(model)
    bnkeras.set_regime(nested, "all")
    assert nested.predict_function is None
    np.testing.assert_allclose(nested.predict(x, verbose=0), after, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["resnet_cifar", "tweet_lstm"])
def test_a_stateless_trace(name, network, learn, examples):
    """As an export traces it: other tensors stand in place of the variables."""
    import tensorflow as tf

    model = learn(network(name, "random2"))
    x, _ = examples(model)
    start = network(name, "random2")
    mapping = {v.path: tf.constant(np.array(v)) for v in model.variables}

    @tf.function(autograph=False)
    def serve(inputs):
        pairs = [(variable, mapping[variable.path]) for variable in start.variables]
        with keras.StatelessScope(state_mapping=pairs):
            return start(inputs, training=False)

    np.testing.assert_allclose(serve(x), model(x), rtol=1e-5, atol=1e-6)
    traced = serve.get_concrete_function(tf.TensorSpec(x.shape, x.dtype)).graph
    scatters = [op for op in traced.get_operations() if op.type == "TensorScatterUpdate"]
    assert len(scatters) == len(masks_of(model))
    assert {op.inputs[1].dtype for op in scatters} == {tf.int32}
    assert {op.inputs[1].op.type for op in scatters} == {"Const"}


def test_counts_and_groups(network):
    model = network("resnet_cifar", "random2output")
    rows = {row.path: row for row in grouped_variables(model)}
    random = {path for path, row in rows.items() if row.group is Group.RANDOM}
    assert random == {
        path.replace("/kernel", "/random_kernel")
        for path in rows
        if path.endswith("_conv/kernel") or path.endswith(("_conv1/kernel", "_conv2/kernel"))
    }
    counts, plain = (bnkeras.parameter_counts(m) for m in (model, network("resnet_cifar")))
    trains = counts["batchnorm"] + counts["output"]
    assert counts == plain | {"trainable": trains}


def test_l2_is_on_what_trains_alone(network):
    """Through Keras' regularizers; the optimizers of this package see only what trains anyway."""
    model = keras.Sequential(
        [keras.Input((9,)), L.Dense(5, kernel_regularizer=keras.regularizers.L2(0.5)), L.Dense(2)]
    )
    (layer,) = masks_of(bnkeras.set_regime(model, "random2"))
    (loss,) = model.losses
    np.testing.assert_allclose(
        loss, 0.5 * np.square(np.array(layer.random_kernel)).sum(), rtol=1e-6
    )
    bnkeras.set_regime(model, "all")
    (loss,) = model.losses
    np.testing.assert_allclose(loss, 0.5 * np.square(np.array(layer.kernel)).sum(), rtol=1e-6)


def test_a_derived_layer(compiled, values, changed, tmp_path):
    """A user's own layer that inherits from one of Keras is masked as that one."""

    @keras.saving.register_keras_serializable(package="mine")
    class Standardized(L.Dense):
        def call(self, inputs):
            kernel = self.kernel - keras.ops.mean(self.kernel, axis=0)
            return keras.ops.matmul(inputs, kernel)

    model = keras.Sequential([keras.Input((9,)), Standardized(5, name="own"), L.Dense(4)])
    bnkeras.set_regime(model, "random2")
    assert type(model.get_layer("own")) is masked_class(Standardized)
    assert issubclass(masked_class(Standardized), Standardized)
    before = values(compiled(model))
    x = np.random.default_rng(0).normal(size=(16, 9)).astype(np.float32)
    model.train_step((x, np.arange(16) % 4))
    assert {path.rpartition("/")[2] for path in changed(before, model)} == {"random_kernel"}
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", compile=False)
    assert loaded(x).numpy().tobytes() == model(x).numpy().tobytes()


def test_k_above_the_fan_in(network, refusal):
    """The shortcuts of this network have the fewest weights to a channel: 4 inputs, 1×1."""
    model = network("resnet_cifar", "bnonly")
    assert refusal(model, "random5") == (
        "The regime 'random5' trains 5 weights of each unit, and a unit of "
        "'group2_block0_shortcut_conv' in 'resnet8' has a fan-in of 4. The largest k for this "
        "network is 4."
    )
    assert "has a fan-in of 4" in refusal(model, "random100spreadoutput")
    bnkeras.set_regime(model, "random4")
    lstm = keras.Sequential([keras.Input((5, 3)), L.LSTM(2, name="r"), L.Dense(2)], name="net")
    assert "a unit of 'lstm_cell' in 'net' has a fan-in of 20." in refusal(lstm, "random21")
    bnkeras.set_regime(lstm, "random20")


def test_nothing_but_an_output_layer(refusal):
    model = keras.Sequential([keras.Input((4,)), L.BatchNormalization(), L.Dense(2)], name="flat")
    assert refusal(model, "random2") == (
        "The regime 'random2' trains weights of convolution, dense and recurrent layers, and "
        "'flat' has none but its output layer. Choose the regime 'output'."
    )


def test_no_layer_with_a_kernel(refusal):
    model = keras.Sequential([keras.Input((4,)), L.BatchNormalization()], name="norm")
    assert refusal(model, "random2") == (
        "The regime 'random2' trains weights of convolution, dense and recurrent layers, and "
        "'norm' has none."
    )


class Custom(L.Layer):
    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 3), name="kernel")

    def call(self, inputs):
        return keras.ops.matmul(inputs, self.kernel)


@pytest.mark.parametrize(
    ("layer", "shape", "kind"),
    [
        (Custom(name="odd"), (4,), "Custom"),
        (L.SeparableConv2D(3, 3, name="odd"), (5, 5, 2), "SeparableConv2D"),
        # As many units in both kernels.
        (L.SeparableConv2D(2, 3, name="odd"), (5, 5, 2), "SeparableConv2D"),
        (L.SeparableConv1D(4, 3, depth_multiplier=2, name="odd"), (5, 2), "SeparableConv1D"),
        (L.Dense(3, kernel_constraint="max_norm", name="odd"), (4,), "Dense"),
        (L.Dense(3, lora_rank=2, name="odd"), (4,), "Dense"),
        (L.ConvLSTM1D(2, 3, name="ring"), (4, 8, 2), "ConvLSTMCell"),
    ],
)
def test_layers_that_cannot_be_masked(layer, shape, kind, refusal):
    tail = [] if len(shape) == 1 else [L.Flatten()]
    model = keras.Sequential([keras.Input(shape), layer, *tail, L.Dense(2)], name="net")
    message = refusal(model, "random2")
    assert message.startswith(
        "The regime 'random2' trains single weights of Keras' convolution, dense and recurrent "
        "layers, and layers derived from these, without constraints or LoRA. "
    )
    assert f"in 'net' is a {kind} for which that cannot be done." in message
    assert "'odd'" in message or "'conv_lstm_cell'" in message


def test_a_separable_convolution_among_others(refusal):
    layers = [
        L.SeparableConv2D(4, 3, name="apart"),
        L.BatchNormalization(),
        L.Conv2D(4, 3),
        L.Flatten(),
        L.Dense(2),
    ]
    model = keras.Sequential([keras.Input((8, 8, 4)), *layers], name="net")
    for regime in ("random2", "random2spreadoutput"):
        assert "'apart' in 'net' is a SeparableConv2D for which that cannot be done." in refusal(
            model, regime
        )
    assert bnkeras.regime_of(model) == "all"


def test_embeddings_biases_and_norms_stay(network, values, changed, learn):
    model = network("tweet_lstm", "random2")
    before = values(model)
    learn(model)
    assert {path for path in changed(before, model) if "/moving_" not in path} == {
        "lstm/lstm_cell/random_kernel"
    }
