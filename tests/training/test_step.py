"""Several training steps in one call are those of as many calls."""

import keras
import numpy as np
import tensorflow as tf

import bnkeras
from bnkeras.training.optimizers import Adam
from bnkeras.training.step import train_steps

STEPS = 5


def trained(blocks, strategy):
    with strategy.scope():
        model = bnkeras.build("mlp", hidden=(8, 4), input_shape=(4, 4, 1), seed=1)
        bnkeras.set_regime(model, "bnoutput")
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(Adam(0.01), loss, weighted_metrics=["accuracy"], jit_compile=False)
        model.optimizer.build(model.trainable_variables)
        strategy.run(
            lambda: model.compute_metrics(
                None, tf.zeros([1], tf.int32), tf.zeros([1, 10]), sample_weight=tf.ones([1])
            )
        )
        model.reset_metrics()
    random = np.random.default_rng(0)
    x = random.normal(0, 1, (STEPS, 8, 4, 4, 1)).astype(np.float32)
    y = random.integers(0, 10, (STEPS, 8), dtype=np.int32)
    data = strategy.experimental_distribute_dataset(tf.data.Dataset.from_tensor_slices((x, y)))
    batches = iter(data)
    call = tf.function(
        lambda batches, count: train_steps(model, strategy, batches, count), autograph=False
    )
    for count in blocks:
        call(batches, tf.constant(count))
    assert int(model.optimizer.iterations.numpy()) == STEPS
    variables = model.variables + model.optimizer.variables + model.metrics_variables
    return [variable.numpy() for variable in variables]


def test_blocks_of_any_size_end_with_the_same_bits():
    strategy = tf.distribute.get_strategy()
    single = trained([1] * STEPS, strategy)
    for blocks in ([STEPS], [3, 2]):
        for one, other in zip(single, trained(blocks, strategy), strict=True):
            np.testing.assert_array_equal(one, other)
