"""The part of every batch that one of several workers takes."""

from dataclasses import dataclass

from bnkeras.errors import DataError


@dataclass(frozen=True)
class Share:
    """One of `count` equal parts of every batch, in the order of its examples.

    Workers that train one network together make a batch together: worker `index` reads,
    decodes and augments only its own rows, which are those of the batch that one worker
    alone would make.

    Args:
        index: which part, 0 ≤ index < count.
        count: how many there are.

    Raises:
        DataError: the index is out of range.

    >>> Share(1, 4).rows(128)
    slice(32, 64, None)
    """

    index: int = 0
    count: int = 1

    def __post_init__(self):
        """Check the index."""
        if not 0 <= self.index < self.count:
            raise DataError(
                f"A share is one of 0 to count - 1; received {self.index} with a count of "
                f"{self.count}."
            )

    def rows(self, batch_size: int) -> slice:
        """Return the rows of a batch of `batch_size` that belong to this share.

        Raises:
            DataError: the batch cannot be divided evenly.
        """
        if batch_size % self.count:
            raise DataError(
                f"A batch is shared evenly among {self.count} workers: batch_size must be a "
                f"multiple of that; received {batch_size}."
            )
        size = batch_size // self.count
        return slice(self.index * size, (self.index + 1) * size)


WHOLE = Share()
