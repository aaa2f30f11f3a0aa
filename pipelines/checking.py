"""Whether the image files of a source can be decoded."""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from bnkeras.errors import BnkerasError, CorruptDataError
from bnkeras.pipelines.decode import check_image
from bnkeras.pipelines.raw import EncodedImage

# Images that are in memory at once.
_CHUNK = 256


class Checker:
    """Passes on the images that can be decoded, in their order.

    Args:
        skip_corrupt: whether a corrupt image is left out instead of being an error.

    Attributes:
        skipped: the images left out, as `split/class/filename`.
    """

    def __init__(self, skip_corrupt: bool):
        self.skipped: list[str] = []
        self._skip_corrupt = skip_corrupt

    def sound(self, images: Iterable[EncodedImage], split: str) -> Iterator[EncodedImage]:
        """Yield the images that can be decoded; several are tried at a time.

        Raises:
            CorruptDataError: an image is corrupt, and none may be skipped; the message
                names it.
        """
        images = iter(images)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            while chunk := list(islice(images, _CHUNK)):
                for image, fault in zip(chunk, pool.map(_fault, chunk), strict=True):
                    if fault is None:
                        yield image
                    elif self._skip_corrupt:
                        self.skipped.append(f"{split}/{image.key}")
                    else:
                        raise CorruptDataError(
                            f"{fault} Replace it, or have all that is corrupt left out with "
                            "--skip-corrupt."
                        ) from fault


def _fault(image: EncodedImage) -> BnkerasError | None:
    try:
        check_image(image)
    except BnkerasError as error:
        return error
    return None
