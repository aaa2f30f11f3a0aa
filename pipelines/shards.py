"""The records of one file, parsed many at once."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from bnkeras.errors import CorruptDataError, DataError

_BATCH = 1024


def read_shard(
    path: Path,
    features: Mapping[str, str],
    *,
    skip: int = 0,
    take: int,
    remedy: str,
    batch: int = _BATCH,
) -> Iterator[dict[str, np.ndarray]]:
    """Yield the features of the records `skip` to `skip + take`, many at a time.

    One file at a time, because TensorFlow's errors name none. TFDS' own decoding parses
    records one by one and is ten times slower.

    Args:
        path: the file.
        features: the type of each feature, a scalar: `"string"` or `"int64"`.
        skip: records to pass over.
        take: records to read.
        remedy: what to do where the file is damaged.
        batch: how many records at a time.

    Raises:
        DataError: the file may not be read.
        CorruptDataError: it is damaged or shorter than it was; the message names it.
    """
    scalars = {
        name: tf.io.FixedLenFeature([], tf.as_dtype(dtype)) for name, dtype in features.items()
    }

    @tf.autograph.experimental.do_not_convert
    def parse(records: tf.Tensor) -> dict[str, tf.Tensor]:
        return tf.io.parse_example(records, scalars)

    records = tf.data.TFRecordDataset(str(path)).skip(skip).take(take)
    batches = records.batch(batch).map(parse, tf.data.AUTOTUNE).prefetch(2)
    done = 0
    try:
        for values in batches.as_numpy_iterator():
            yield values
            done += len(next(iter(values.values())))
    except tf.errors.PermissionDeniedError as error:
        raise DataError(f"The shard {path} cannot be read: permission denied.") from error
    except tf.errors.OpError as error:
        raise CorruptDataError(
            f"The shard {path} is damaged ({_reason(error)}). {remedy}"
        ) from error
    if done != take:
        raise CorruptDataError(
            f"The shard {path} has lost its end: {skip + done:,} records are left of at least "
            f"{skip + take:,}. {remedy}"
        )


def _reason(error: tf.errors.OpError) -> str:
    # TensorFlow's messages begin and go on with the graph node, which is of no use here.
    return error.message.splitlines()[0].rpartition("}} ")[2].partition(" [")[0]
