import tensorflow as tf

import bnkeras
from bnkeras.pipelines import DATASETS, TextFront, Vocabulary

vocabulary = Vocabulary("papers", 1, ("day", "lovely"), (1, 1))
bnkeras.save_compact(
    bnkeras.build("tweet_lstm", vocabulary_size=4, embedding=8, units=4),
    "runs/tweets_lstm_bnonly/export",
    front=TextFront(vocabulary),
    class_names=DATASETS["tweets"].class_names,
)
images, labels = tf.random.uniform([32, 64, 64, 3]), tf.zeros([32], tf.int32)
examples = tf.data.Dataset.from_tensor_slices((images, labels))
train_batches = test_batches = examples.batch(32, drop_remainder=True)
