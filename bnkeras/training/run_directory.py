"""The directory of one training run, and the files in it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from bnkeras.errors import RunDirectoryError, RunError, RunTakenError
from bnkeras.files import read_json, write_csv, write_json, write_text
from bnkeras.recipe import WITHOUT_EFFECT, Recipe, load
from bnkeras.training.precision import PRECISIONS


class RunDirectory:
    """Everything a run writes, each file written beside its place and renamed into it.

    | file | content |
    |---|---|
    | `recipe.toml` | the resolved recipe |
    | `data.json` | name and origin of the data, which a resumed run must find again |
    | `vocabulary.json` | of texts, the words that have ids |
    | `precision.json` | of `train.precision = "auto"`, what was measured to be faster |
    | `environment.json` | versions, hardware, git state and command of each start |
    | `metrics.csv`, `metrics.json` | one row per epoch |
    | `result.json` | the final figures; its presence says that the run is finished |
    | `checkpoints/` | what a resume needs, removed when the run is finished |
    | `tensorboard/` | logs, where TensorBoard is installed |
    | `export/` | the compact export |
    | `analysis/` | of a finished run, what `bnkeras analyze` found |
    """

    def __init__(self, path: Path):
        self.path = path
        self.checkpoints = path / "checkpoints"
        self.tensorboard = path / "tensorboard"
        self.export = path / "export"
        self.vocabulary = path / "vocabulary.json"

    @contextmanager
    def claim(self, recipe: Recipe) -> Iterator[None]:
        """Keep all other processes out of the directory for the duration of the context.

        Raises:
            RunTakenError: another process is training in it.
            RunDirectoryError: it cannot be written, or holds something else or the run of
                another recipe.
        """
        created = not self.path.exists()
        try:
            self._check(recipe)
            self.path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path / ".lock", timeout=0)
            lock.acquire()
            # Another run may have come and gone since the first look.
            self._check(recipe)
        except Timeout:
            raise RunTakenError(
                f"Another process is training in {self.path}. Wait for it, or choose another "
                f"directory with --out."
            ) from None
        except OSError as error:
            raise RunDirectoryError(
                f"The run directory {self.path} cannot be written: {error.strerror}. Choose "
                f"another one with --out."
            ) from error
        try:
            yield
        finally:
            lock.release()
            if created and not self._recipe.exists():
                # Nothing began: what the recipe asks for was refused.
                with suppress(OSError):
                    (self.path / ".lock").unlink(missing_ok=True)
                    self.path.rmdir()

    def begin(self, recipe: Recipe, start: dict[str, Any]) -> None:
        """Make the directory this recipe's, and record the environment of one start of it."""
        if not self._recipe.exists():
            write_text(self._recipe, recipe.to_toml())
        write_json(self.path / "environment.json", [*self.starts(), start])

    def starts(self) -> list[dict[str, Any]]:
        """Return the environments of the starts so far."""
        return self._read("environment.json", list) or []

    def record_data(self, source: dict[str, Any]) -> None:
        """Keep what the data are; at a resume, compare them with what they were.

        Raises:
            RunError: they are others now.
        """
        began = self._read("data.json", dict)
        if began is None:
            write_json(self.path / "data.json", source)
        elif began != source:
            changed = [key for key in began | source if began.get(key) != source.get(key)]
            listed = "\n".join(
                f"  {key}: {began.get(key)!r} then, {source.get(key)!r} now" for key in changed
            )
            raise RunError(
                f"The run in {self.path} began with other data:\n{listed}\nPut these back, or "
                f"choose another directory with --out."
            )

    def precision(self) -> str | None:
        """Return the precision that was chosen when the run began, if it was."""
        chosen = self._read("precision.json", dict)
        if chosen is None:
            return None
        if chosen.get("precision") not in PRECISIONS:
            raise _unreadable(self.path / "precision.json", "it holds no precision")
        return chosen["precision"]

    def record_precision(self, precision: str) -> None:
        """Keep the precision that was chosen."""
        write_json(self.path / "precision.json", {"precision": precision})

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows of the epochs so far."""
        return self._read("metrics.json", list) or []

    def write_rows(self, rows: Sequence[dict[str, Any]]) -> None:
        """Write the rows of all epochs, as JSON and as CSV."""
        write_json(self.path / "metrics.json", rows)
        write_csv(self.path / "metrics.csv", rows)

    def result(self) -> dict[str, Any] | None:
        """Return the final figures, or None for a run that is not finished."""
        return self._read("result.json", dict)

    def write_result(self, result: dict[str, Any]) -> None:
        """Write the final figures, which marks the run as finished."""
        write_json(self.path / "result.json", result)

    @property
    def _recipe(self) -> Path:
        return self.path / "recipe.toml"

    def _read(self, name: str, kind: type) -> Any:
        """Return what a JSON file of this directory holds, or None where there is none."""
        file = self.path / name
        try:
            return read_json(file, kind)
        except ValueError as error:
            raise _unreadable(file, error) from error

    def _check(self, recipe: Recipe) -> None:
        if not self.path.exists():
            return
        if not self.path.is_dir():
            raise RunDirectoryError(
                f"{self.path} is a file; a run needs a directory. Choose another one with --out."
            )
        if not self._recipe.exists():
            # A run killed as it began may have left its lock and half a recipe, both hidden.
            foreign = [item.name for item in self.path.iterdir() if not item.name.startswith(".")]
            if foreign:
                raise RunDirectoryError(
                    f"{self.path} is not empty and holds no run (it has {foreign[0]!r} and no "
                    f"recipe.toml). Choose another directory with --out."
                )
            return
        differences = recipe.differences(load(self._recipe))
        for setting in WITHOUT_EFFECT:
            differences.pop(setting, None)
        if differences:
            listed = "\n".join(
                f"  {key}: {there!r} there, {here!r} now"
                for key, (here, there) in differences.items()
            )
            raise RunDirectoryError(
                f"{self.path} holds the run of another recipe:\n{listed}\nChoose another "
                f"directory with --out, or remove this one to begin anew."
            )


def _unreadable(file: Path, reason: object) -> RunError:
    return RunError(
        f"{file} cannot be read ({reason}). Put back a copy of the file, or remove {file.parent} "
        f"to begin the run anew."
    )
