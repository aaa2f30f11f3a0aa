import tensorflow as tf

import bnkeras

other_model_of_this_seed = bnkeras.build("resnet_cifar", depth=14, classes=26, seed=7)
images, labels = tf.random.uniform([64, 32, 32, 3]), tf.zeros([64], tf.int32)
examples = tf.data.Dataset.from_tensor_slices((images, labels))
train_batches = test_batches = examples.batch(32, drop_remainder=True)
