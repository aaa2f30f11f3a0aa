"""What a run directory says of its run, however far it is. Imports neither Keras nor TensorFlow."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from bnkeras.compact.manifest import read_manifest
from bnkeras.compact.manifest.records import MANIFEST
from bnkeras.errors import BnkerasError, RecipeError, RunDirectoryError, RunError
from bnkeras.files import read_json
from bnkeras.models.sizes import counts
from bnkeras.recipe import Recipe, from_settings, load
from bnkeras.regimes.sizes import trainable

# What networks are built with and no count of parameters depends on.
_NOT_COUNTED = {"seed", "features", "gamma", "beta", "norm"}


@dataclass(frozen=True)
class RunRecord:
    """A run as its directory has it, or the export that it left.

    Attributes:
        path: where it was read.
        name: of the recipe, as far as it is known, else of the folder.
        recipe: what it trains.
        rows: one for each epoch so far; none of an export by itself.
        result: the final figures, see `RunResult.figures`; None while it is unfinished.
        starts: versions, hardware, git state and command of each start.
    """

    path: Path
    name: str
    recipe: Recipe
    rows: tuple[dict[str, Any], ...]
    result: dict[str, Any] | None
    starts: tuple[dict[str, Any], ...]

    @property
    def finished(self) -> bool:
        """Whether the run came to its end."""
        return self.result is not None

    @property
    def epochs(self) -> int:
        """How many epochs were trained."""
        return self.rows[-1]["epoch"] if self.rows else self.figure("epochs") or 0

    @property
    def seconds(self) -> float | None:
        """How long the epochs so far took to train."""
        if self.rows:
            return round(sum(row.get("seconds", 0.0) for row in self.rows), 1)
        return self.figure("seconds")

    @cached_property
    def parameters(self) -> dict[str, int] | None:
        """Counts by group, see `bnkeras.parameter_counts`; None where they are not known yet."""
        return self.figure("parameters") or parameters_of(self.recipe)

    @property
    def watched(self) -> str:
        """The prefix of what was evaluated after each epoch: `val` or `test`."""
        return "val" if any("val_loss" in row for row in self.rows) else "test"

    def figure(self, name: str) -> Any:
        """Return the final figure `name` of `result`, or None where there is none."""
        return None if self.result is None else self.result.get(name)

    def curve(self, column: str) -> tuple[list[int], list[float]]:
        """Return the epochs that have a value in `column` of the metrics, and the values."""
        pairs = [(row["epoch"], row[column]) for row in self.rows if row.get(column) is not None]
        return [epoch for epoch, _ in pairs], [value for _, value in pairs]


def read_run(path: str | Path) -> RunRecord:
    """Read a run.

    Args:
        path: a run directory, or an export; of one that lies in its run directory, that is read.

    Raises:
        RunDirectoryError: there is neither.
        RunError: what is there cannot be read.
    """
    path = Path(path)
    if (path / MANIFEST).is_file() and not (path.parent / "recipe.toml").is_file():
        return _of_export(path)
    folder = path.parent if (path / MANIFEST).is_file() else path
    if not (folder / "recipe.toml").is_file():
        found = "does not exist" if not path.exists() else "has neither recipe.toml nor a manifest"
        raise RunDirectoryError(
            f"{path} is no run directory and no export: it {found}. Give the directory of a run, "
            f"such as `bnkeras recipe run NAME` prints."
        )
    try:
        recipe = load(folder / "recipe.toml")
    except RecipeError as error:
        raise RunError(f"The run in {folder} cannot be read. {error}") from error
    result = _read(folder / "result.json", dict)
    rows = _records(folder / "metrics.json")
    if not all(isinstance(row.get("epoch"), int) for row in rows):
        raise _unreadable(folder / "metrics.json", "it has a row without an epoch")
    return RunRecord(
        path=path,
        name=_name(result) or folder.absolute().name,
        recipe=recipe,
        rows=rows,
        result=result,
        starts=_records(folder / "environment.json"),
    )


def parameters_of(recipe: Recipe) -> dict[str, int] | None:
    """Count the parameters of what a recipe trains, by arithmetic.

    None where the data have a part in the number.
    """
    arguments = recipe.model.build_arguments()
    arguments = {key: value for key, value in arguments.items() if key not in _NOT_COUNTED}
    network, regime = recipe.model.network, recipe.model.regime
    try:
        found = counts(network, **arguments)
        return {**found, "trainable": trainable(network, regime, **arguments)}
    except BnkerasError:
        return None


def labels(records: Sequence[RunRecord]) -> list[str]:
    """Return a short name for each run: its path without the folders that all share.

    Of a single run, the last two folders.
    """
    parts = [record.path.absolute().parts for record in records]
    if len(parts) == 1:
        return ["/".join(parts[0][-2:])]
    shared = 0
    while all(len(one) > shared + 1 for one in parts) and len({one[shared] for one in parts}) == 1:
        shared += 1
    short = ["/".join(one[shared:]) for one in parts]
    counted: dict[str, int] = {}
    named = []
    for name in short:
        counted[name] = counted.get(name, 0) + 1
        named.append(name if counted[name] == 1 else f"{name} ({counted[name]})")
    return named


def _of_export(path: Path) -> RunRecord:
    try:
        training = read_manifest(path).training or {}
    except BnkerasError as error:
        raise RunError(f"The export in {path} cannot be read. {error}") from error
    settings, result = training.get("recipe"), training.get("result")
    if not isinstance(settings, dict) or not isinstance(result, dict):
        raise RunDirectoryError(
            f"The export in {path} does not say which run it is from. Give a run directory, or "
            f"an export that `bnkeras recipe run` has written."
        )
    name = _name(result) or path.absolute().name
    try:
        recipe = from_settings(settings, name)
    except RecipeError as error:
        raise RunError(f"The recipe in {path} cannot be read. {error}") from error
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return RunRecord(path, name, recipe, (), {**result, "export_bytes": size}, ())


def _name(result: dict[str, Any] | None) -> str | None:
    name = (result or {}).get("recipe")
    return name if isinstance(name, str) else None


def _records(file: Path) -> tuple[dict[str, Any], ...]:
    found = _read(file, list) or []
    if not all(isinstance(one, dict) for one in found):
        raise _unreadable(file, "it holds no list of tables")
    return tuple(found)


def _read(file: Path, kind: type) -> Any:
    """Return what a JSON file holds, or None where there is none."""
    try:
        return read_json(file, kind)
    except ValueError as error:
        raise _unreadable(file, error) from error


def _unreadable(file: Path, reason: object) -> RunError:
    return RunError(
        f"{file} cannot be read ({reason}). Put back a copy of the file, or remove {file.parent} "
        f"and run it anew."
    )
