"""Writing a compact export as ordinary files of Keras."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from bnkeras.compact.interface import Interface
from bnkeras.compact.probe import probe_batch, rounding_of, vocabulary_of
from bnkeras.compact.published import located
from bnkeras.compact.reader import load_compact
from bnkeras.compact.replacing import remove_leftovers
from bnkeras.compact.stock.model import needed_classes, stock_model
from bnkeras.errors import ExportError, InputError
from bnkeras.models.blocks import deep_graph
from bnkeras.models.registry import architecture_of
from bnkeras.models.variables import layers_of

# Keras takes one frame for each layer of a chain, and Python gives 1,000.
_SHALLOW = 900


class Expanded(NamedTuple):
    """What `expand_compact` wrote.

    Attributes:
        model: the `.keras` file.
        weights: the `.weights.h5` file.
        needs: classes, `module.name`, to import before the `.keras` file is loaded.
        recursion_limit: what `sys.setrecursionlimit` has to allow then, None for Python's
            default.
        largest_difference: of the outputs of the file and of the export on a probe batch,
            relative to the largest output.
    """

    model: Path
    weights: Path
    needs: list[str]
    recursion_limit: int | None
    largest_difference: float


def expand_compact(
    path: str | Path,
    out: str | Path | None = None,
    external: Iterable[str | Path] = (),
    *,
    task: str | None = None,
    force: bool = False,
) -> Expanded:
    """Write a compact export as an ordinary `.keras` file and its weights as `.weights.h5`.

    Both hold every value and Keras' own layers alone, see `stock_model`: they load where
    this package is not installed, and on every backend of Keras. The `.keras` file is
    loaded again and its outputs are compared with the export's before it takes its name.

    Args:
        path: directory that `save_compact` wrote, or a name, as for `load_compact`.
        out: the `.keras` file to write; without it that is `path` with `.keras` appended,
            in the current folder for a name. The weights lie beside it.
        external: as for `load_compact`.
        task: as for `load_compact`.
        force: whether files that are there already are replaced.

    Raises:
        InputError: there is no compact export at `path`, `out` is no name of a `.keras`
            file, or one of the files is there already.
        ExportError: the export cannot be loaded without the code of its model, or is
            damaged, or the files cannot be written.

    Example:
        >>> expand_compact("saved_models/mine").model
        PosixPath('saved_models/mine.keras')
        >>> keras.models.load_model("saved_models/mine.keras")
    """
    path, given = located(path), Path(path)
    file = _beside(given) if out is None else Path(out)
    if file.suffix != ".keras":
        raise InputError(f"The file to write is named *.keras; received {str(file)!r}.")
    weights = file.with_name(f"{file.stem}.weights.h5")
    for target in (file, weights):
        if target.is_dir() or (target.exists() and not force):
            raise InputError(
                f"{target} exists. Choose another name, or replace it: force=True, --force."
            )
    model = load_compact(path, external, task=task)
    stock = stock_model(model)
    layers = sum(1 for _ in layers_of(stock))
    partial = file.with_name(f".{file.name}.partial-{os.getpid()}")
    parts = {target: partial / target.name for target in (weights, file)}
    try:
        remove_leftovers(file)
        partial.mkdir(parents=True)
        stock.save(parts[file])
        stock.save_weights(parts[weights])
        with deep_graph(layers):
            difference = _difference(path, model, keras.models.load_model(parts[file]))
        for target, part in parts.items():
            part.replace(target)
    except OSError as error:
        raise ExportError(f"{file} cannot be written: {error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    limit = 1000 + layers if layers > _SHALLOW else None
    return Expanded(file, weights, needed_classes(stock), limit, difference)


def _beside(path: Path) -> Path:
    # "." and ".." are no names.
    named = path if path.name.strip(".") else path.resolve()
    return named.with_name(f"{named.name}.keras")


def _difference(path: Path, model: keras.Model, copy: keras.Model) -> float:
    """Return by how much the outputs of `copy` differ from those of `model`; raise if too much."""
    classifier = architecture_of(model) is not None
    interface = Interface(model, classifier)
    batch = probe_batch(0, interface.inputs, vocabulary_of(model))
    inputs = {name: keras.ops.convert_to_tensor(values) for name, values in batch.items()}
    outputs = [
        {name: keras.ops.convert_to_numpy(output) for name, output in call(inputs).items()}
        for call in (interface.call, Interface(copy, classifier).call)
    ]
    largest = max(_relative(*pair) for pair in zip(*(o.values() for o in outputs), strict=True))
    if not largest <= rounding_of(model):
        raise ExportError(
            f"{path}: in Keras' own layers the network gives other outputs, by {largest:.2g} of "
            f"the largest. Nothing was written. Load it with bnkeras.load_compact."
        )
    return largest


def _relative(output: np.ndarray, copied: np.ndarray) -> float:
    if output.shape != copied.shape:
        return np.inf
    output, copied = output.astype(np.float64), copied.astype(np.float64)
    # The logits of a network that diverged are NaN, in both.
    if np.array_equal(output, copied, equal_nan=True):
        return 0.0
    return float(np.max(np.abs(output - copied)) / np.max(np.abs(output)))
