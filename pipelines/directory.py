"""Where prepared datasets live."""

import os
from pathlib import Path

import platformdirs

VARIABLE = "BNKERAS_DATA_DIR"


def data_directory(explicit: Path | str | None = None) -> Path:
    """Return the directory that holds the prepared datasets; it need not exist.

    `explicit` (the `--data-dir` option) comes first, then the environment variable
    `BNKERAS_DATA_DIR`, then the `bnkeras/data` folder of the platform's cache.

    >>> data_directory("/data").as_posix()
    '/data'
    """
    chosen = explicit or os.environ.get(VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    return platformdirs.user_cache_path("bnkeras", appauthor=False) / "data"
