"""Analysing a run or an export: from its directory to numbers."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import keras

from bnkeras._version import __version__
from bnkeras.analysis.activations import relu_zeros
from bnkeras.analysis.analysis import NUMBERS, Analysis, LeftOut, Subject, read_analysis
from bnkeras.analysis.clamping import clamp
from bnkeras.analysis.filters import first_filters
from bnkeras.analysis.recalibration import BATCHES, recalibrate
from bnkeras.analysis.scales import NormScales, norm_scales, scales_by_path
from bnkeras.compact.contents import check_files, stored_values
from bnkeras.compact.digests import file_digest
from bnkeras.compact.manifest import manifest_of, read_whole_manifest
from bnkeras.compact.manifest.network import Manifest
from bnkeras.compact.manifest.records import MANIFEST, ForeignRecord
from bnkeras.compact.reader import rebuild
from bnkeras.errors import DataError, InputError, MissingDependencyError, RecipeError
from bnkeras.models.variables import parameter_counts
from bnkeras.recipe import Recipe, from_settings, load
from bnkeras.training.batches import Batches
from bnkeras.training.given import Data
from bnkeras.training.run_directory import RunDirectory
from bnkeras.training.setup import open_batches

# The parts that need examples.
_MEASURED = ("clamping", "activations", "recalibration")

# Called with what is being done, and how many of how many steps of it are.
Progress = Callable[[str, int, int], object]


def analyze(
    path: str | Path,
    data_dir: str | Path | None = None,
    *,
    task: str | None = None,
    external: Iterable[str | Path] = (),
    data: Data | None = None,
    measured: bool = True,
    batches: int = BATCHES,
    progress: Progress | None = None,
) -> Analysis:
    """Analyse the network of a finished run, or of an export.

    γ and β, and the filters of the first layer, are in the export. What needs test and training
    examples is left out where there are none, and `Analysis.left_out` says why.

    Args:
        path: a run directory, or an export.
        data_dir: where datasets lie; None for the default.
        task: which network of an export of several.
        external: files of external weights, see `bnkeras.load_compact`.
        data: the datasets, for a run on `data.dataset = "given"`.
        measured: whether to measure what needs examples.
        batches: training batches that moving statistics are measured anew over.
        progress: called with what is being done, and how many of how many steps are.

    Raises:
        InputError: there is neither a finished run nor an export, or no such task.
        ExportError: the export is damaged.
        CorruptDataError: the dataset is damaged.

    Example:
        >>> analyze("saved_models/digits_resnet14_bnonly").shares[0.01]
        0.0196...
    """
    export, home = find_export(path)
    whole = read_whole_manifest(export)
    manifest = manifest_of(export, whole, task)
    check_files(export, whole)
    if isinstance(manifest.architecture, ForeignRecord):
        why = f"the network cannot be built from the export: {manifest.architecture.reason}"
        return Analysis(
            _subject(export, manifest, task, None, None),
            _stored_scales(export, manifest),
            left_out=tuple(LeftOut(part, why) for part in ("filters", *_MEASURED)),
        )
    model = rebuild(export, manifest, external)
    examples, why = _batches(manifest, export, home, data_dir, data) if measured else (None, "")
    parts: dict[str, Any] = {"filters": first_filters(model)}
    left_out = []
    if parts["filters"] is None:
        left_out.append(LeftOut("filters", "the first layer takes no image"))
    if examples is None:
        why = why or "it was not asked for"
        left_out += [LeftOut(part, why) for part in _MEASURED]
    else:
        with examples.naming_corrupt_records():
            for part, (measure, steps) in _measures(model, examples, batches).items():
                try:
                    parts[part] = measure(_ticks(progress, part, steps))
                except InputError as error:
                    left_out.append(LeftOut(part, str(error)))
    return Analysis(
        _subject(export, manifest, task, examples, model),
        norm_scales(model),
        **parts,
        left_out=tuple(left_out),
    )


def analysis_of_run(
    directory: str | Path,
    data_dir: str | Path | None = None,
    progress: Progress | None = None,
) -> Analysis:
    """Return the analysis of a finished run, which is kept in its folder `analysis`.

    One that is there is taken if it is of the run's present export and nothing is missing
    that needs data; else it is made, and its numbers are written there.

    Args:
        directory: the run directory.
        data_dir: where datasets lie; None for the default.
        progress: see `analyze`.

    Raises:
        InputError: there is no finished run.
        ExportError: its export is damaged.
    """
    export, _ = find_export(directory)
    folder = Path(directory, "analysis")
    if (folder / NUMBERS).is_file():
        try:
            found = read_analysis(folder)
        except InputError:
            found = None  # an older one, or half of one: made again
        digest = file_digest(export / MANIFEST)
        if found is not None and found.is_complete and found.subject.manifest_sha256 == digest:
            return found
    made = analyze(directory, data_dir, progress=progress)
    made.write(folder)
    return made


def find_export(path: str | Path) -> tuple[Path, Path]:
    """Return the export at `path`, or in the run there, and the directory around it.

    Raises:
        InputError: there is neither a finished run nor an export.
    """
    path = Path(path)
    if (path / MANIFEST).is_file():
        return path, path.parent
    directory = RunDirectory(path)
    if directory.result() is not None:
        return directory.export, path
    if (path / "recipe.toml").is_file():
        raise InputError(
            f"The run in {path} is not finished: it has no result.json. The command that began it "
            f"goes on with it."
        )
    if not path.exists():
        raise InputError(
            f"{path} does not exist. Give the directory of a finished run, or of an export."
        )
    raise InputError(
        f"{path} is neither a finished run, with the file result.json and the folder export, nor "
        f"an export, with the file {MANIFEST}."
    )


def _measures(
    model: keras.Model, examples: Batches, batches: int
) -> dict[str, tuple[Callable, int]]:
    """Return how to measure each part, and how many steps that takes."""
    test = examples.evaluation_steps("test")
    return {
        "clamping": (lambda tick: clamp(model, examples, tick=tick), test),
        "activations": (lambda tick: relu_zeros(model, examples, tick), test),
        "recalibration": (
            lambda tick: recalibrate(model, examples, batches, tick),
            2 * test + batches,
        ),
    }


def _ticks(progress: Progress | None, part: str, steps: int) -> Callable[[], object]:
    """Return what counts the steps of a part."""
    if progress is None:
        return lambda: None
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        progress(part, done, steps)

    progress(part, 0, steps)
    return tick


def _batches(
    manifest: Manifest,
    export: Path,
    home: Path,
    data_dir: str | Path | None,
    data: Data | None,
) -> tuple[Batches | None, str]:
    """Return the data that a run trained the export on; None and why, where there are none."""
    recipe = _recipe(manifest, export)
    if recipe is None:
        return None, "the export names no recipe, and so no data"
    try:
        batches = open_batches(recipe, RunDirectory(home), data_dir, data)
    except (DataError, RecipeError, MissingDependencyError) as error:
        return None, " ".join(str(error).split())
    words = "vocabulary_sha256"
    trained, there = (manifest.preprocessing or {}).get(words), batches.source.get(words)
    if trained != there:
        return None, (
            f"the vocabulary of the prepared texts has the SHA-256 {there}; the network learned "
            f"with that of {trained}"
        )
    return batches, ""


def _recipe(manifest: Manifest, export: Path) -> Recipe | None:
    settings = (manifest.training or {}).get("recipe")
    if not isinstance(settings, dict):
        return None
    model = settings.get("model")
    if isinstance(model, dict):
        # The export has the vectors already, and their file may be gone.
        gone = ("glove", "glove_export")
        model = {key: value for key, value in model.items() if key not in gone}
    try:
        return from_settings({**settings, "model": model}, f"the recipe in {export}")
    except RecipeError:
        return None


def _subject(
    export: Path,
    manifest: Manifest,
    task: str | None,
    examples: Batches | None,
    model: keras.Model | None,
) -> Subject:
    result = (manifest.training or {}).get("result")
    result = result if isinstance(result, dict) else {}
    recipe = result.get("recipe") if isinstance(result.get("recipe"), str) else None
    architecture = manifest.architecture
    return Subject(
        export=str(export),
        manifest_sha256=file_digest(export / MANIFEST),
        task=task,
        network=architecture.name,
        arguments=getattr(architecture, "arguments", None),
        regime=manifest.regime,
        recipe=recipe,
        title=_title(manifest, export, recipe),
        dataset=examples and _dataset(examples, result.get("dataset")),
        parameters=None if model is None else parameter_counts(model),
        bnkeras=__version__,
    )


def _dataset(examples: Batches, trained: Any) -> dict[str, Any]:
    """Return which data were used, and whether they are those of the training."""
    source = {key: examples.source.get(key) for key in ("name", "source", "sha256")}
    known = trained.get("sha256") if isinstance(trained, dict) else None
    return {**source, "as_trained": None if known is None else known == source["sha256"]}


def _title(manifest: Manifest, export: Path, name: str | None) -> str:
    """Return the title of the shipped recipe, if the network is as it says, else its name."""
    recipe = _recipe(manifest, export)
    if recipe is not None and name is not None:
        try:
            shipped = load(name)
        except RecipeError:
            shipped = None
        if shipped is not None and shipped.model == recipe.model and shipped.about.title:
            return shipped.about.title
    return name or manifest.architecture.name


def _stored_scales(export: Path, manifest: Manifest) -> tuple[NormScales, ...]:
    """Return γ and β by the names of variables, of a network that cannot be built."""
    rows = {row.path: values for row, values in stored_values(export, manifest)}
    return scales_by_path((row.path, rows[row.path]) for row in manifest.of("stored"))
