"""Adding a finished run to the trained networks of the checkout."""

import re
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bnkeras.compact.digests import file_digest
from bnkeras.compact.manifest import read_manifest
from bnkeras.compact.manifest.network import Manifest
from bnkeras.compact.manifest.records import ASSETS, MANIFEST
from bnkeras.compact.published import index
from bnkeras.compact.published.index import Network
from bnkeras.compact.published.probe import EXAMPLES, Probe, write_probe
from bnkeras.errors import DataError, ExportError, InputError, RunDirectoryError
from bnkeras.files import write_text
from bnkeras.pipelines import Prepared, find, front_of, load_split, load_texts
from bnkeras.recipe import WITHOUT_EFFECT, Recipe, load
from bnkeras.settings.faults import report
from bnkeras.settings.toml import literal
from bnkeras.training.run_directory import RunDirectory

if TYPE_CHECKING:
    import tensorflow as tf

MOST_BYTES = 1_000_000
MOST_BYTES_IN_ALL = 5_000_000
README = "README.md"

_TABLE = re.compile(r"(?:^\|.*\n)+", re.MULTILINE)


def publish(run: str | Path, name: str, data_dir: str | Path | None = None) -> Network:
    """Add the export of a finished run to `saved_models/`, under a name to load it by.

    The export is copied and verified, what it gives for the first 64 test examples is kept
    as its probe, and the index and the table of the README get a line.

    Args:
        run: the run directory.
        name: lower-case letters, digits and underscores; no network of the index has it.
        data_dir: where the dataset of the run lies prepared; None for the default.

    Returns:
        What the index says of it.

    Raises:
        InputError: the name is taken or no name, or this is no checkout.
        RunDirectoryError: the run is not finished, or was not trained at a commit.
        ExportError: the export is too large, or does not verify.
        DataError: the dataset is not prepared, or is one of photographs.

    Example:
        >>> publish("runs/resnet56_bnonly", "resnet56_bnonly").accuracy
        62.31
    """
    networks = index.read_index()
    _check_name(name, networks)
    directory = RunDirectory(Path(run))
    result = directory.result()
    if result is None:
        raise RunDirectoryError(
            f"{run} is no finished run: there is no result.json in it. Train it to its end with "
            f"bnkeras recipe run, and give its directory."
        )
    size = folder_bytes(directory.export)
    _check_size(directory.export, size)
    commits = _commits(directory)
    manifest = read_manifest(directory.export)
    recipe = load(directory.path / "recipe.toml")
    settings = _changed(recipe, result["recipe"])
    dataset = result["dataset"]
    prepared = find(dataset["name"], data_dir, dataset["sha256"][:16])
    inputs, labels = _examples(prepared)
    said = {
        "recipe": result["recipe"],
        "set": settings,
        "seed": recipe.seed,
        "regime": manifest.regime,
        "trained": result["parameters"]["trainable"],
        "parameters": result["parameters"]["total"],
        "dataset": dataset["name"],
        "source": dataset["source"],
        "accuracy": round(100 * result["test_accuracy"], 2),
        "examples": prepared.counts["test"],
        "probe": f"{dataset['name']}-{dataset['sha256'][:8]}",
        "bytes": size,
        "commits": commits,
        "command": command(result["recipe"], settings, recipe.seed),
        "digest": file_digest(directory.export / MANIFEST),
    }
    return _add(name, directory.export, manifest, said, inputs, labels)


def command(recipe: str, settings: tuple[str, ...], seed: int) -> str:
    """Return the line that trains a network of the index again.

    >>> command("resnet14_bnonly", ("train.milestones=[10, 15]",), 0)
    "bnkeras recipe run resnet14_bnonly --set 'train.milestones=[10, 15]' --seed 0"
    """
    changes = [part for setting in settings for part in ("--set", setting)]
    return shlex.join(["bnkeras", "recipe", "run", recipe, *changes, "--seed", str(seed)])


def folder_bytes(folder: Path) -> int:
    """Return the bytes of all files in `folder`."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def table(networks: Mapping[str, Network]) -> str:
    """Return the networks of the index as a table of Markdown."""
    rows = [
        ("name", "trained", "dataset", "test accuracy", "bytes", "trained by"),
        ("---",) * 6,
        *(
            (
                f"`{name}`",
                f"`{one.regime}`: {one.trained:,} of {one.parameters:,}",
                f"{one.dataset} ({one.source})",
                f"{one.accuracy:.2f}% of {one.examples:,}",
                f"{one.bytes:,}",
                f"`{one.command}`",
            )
            for name, one in networks.items()
        ),
    ]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def network_inputs(export: Path, manifest: Manifest, inputs: np.ndarray) -> "tf.Tensor":
    """Return what the network itself takes of the raw `inputs` of a probe.

    Raises:
        DataError: how it is made is in the graph alone.
    """
    import tensorflow as tf

    from bnkeras.pipelines import TextFront

    if manifest.front is not None:
        takes = manifest.front
        spec = tf.TensorSpec(takes.shape, takes.dtype, takes.name)
    elif inputs.dtype.kind == "S":
        spec = TextFront.spec
    else:
        spec = tf.TensorSpec([None, *inputs.shape[1:]], tf.uint8, "image")
    front = front_of(manifest.preprocessing, spec, export / ASSETS)
    if front is None:
        raise DataError(
            f"{export} says nothing that bnkeras knows of how raw data become its inputs; its "
            f"preprocessing record is {manifest.preprocessing!r}."
        )
    return front(tf.constant(inputs))


def _check_name(name: str, networks: Mapping[str, Network]) -> None:
    if not index.is_name(name):
        raise InputError(
            f"The name of a trained network is of {index.NAME_RULE}, and not {index.PROBES}; "
            f"received {name!r}."
        )
    if name in networks or (index.FOLDER / name).exists():
        raise InputError(
            f"{index.FOLDER} has {name!r}. A published network stays what it is: choose another "
            f"name; there are {', '.join(networks)}."
        )


def _check_size(export: Path, size: int) -> None:
    if size > MOST_BYTES:
        raise ExportError(
            f"{export} has {size:,} bytes; the repository takes networks of at most {MOST_BYTES:,}."
        )
    if (all_bytes := folder_bytes(index.FOLDER) + size) > MOST_BYTES_IN_ALL:
        raise ExportError(
            f"With the {size:,} bytes of {export}, {index.FOLDER} would have {all_bytes:,}; it has "
            f"at most {MOST_BYTES_IN_ALL:,}."
        )


def _commits(directory: RunDirectory) -> tuple[str, ...]:
    """Return the commits that the run was started at, in order."""
    states = [start.get("git") for start in directory.starts()]
    if not states or not all(state and not state["dirty"] for state in states):
        raise RunDirectoryError(
            f"A published network names the commit that trained it, and {directory.path} was "
            f"trained by files that are no commit. Train it from a clean checkout."
        )
    return tuple(dict.fromkeys(state["commit"] for state in states))


def _changed(recipe: Recipe, name: str) -> tuple[str, ...]:
    """Return what was set otherwise than in the shipped recipe `name`, as after --set."""
    settings = tuple(
        f"{key}={literal(own)}"
        for key, (own, _) in recipe.differences(load(name)).items()
        if key not in (*WITHOUT_EFFECT, "seed") and own is not None
    )
    left = load(name, settings, recipe.seed).differences(recipe)
    if missing := [key for key in left if key not in WITHOUT_EFFECT]:
        raise InputError(
            f"The settings of a published network are those of a shipped recipe and changes by "
            f"--set. This run has no {', '.join(missing)}, which {name} has."
        )
    return settings


def _examples(prepared: Prepared) -> tuple[np.ndarray, np.ndarray]:
    """Return the first test examples, raw, and their labels."""
    part = f"test[:{EXAMPLES}]"
    if prepared.spec.kind == "pixels":
        split = load_split(prepared, part)
        return split.images, split.labels
    if prepared.spec.kind == "texts":
        texts = load_texts(prepared, part)
        return np.array(texts.texts.tolist()), texts.labels
    raise DataError(
        f"The probe of a published network is of small images or of texts; {prepared.spec.name} "
        f"has {prepared.spec.kind}, which would take megabytes."
    )


def _add(
    name: str,
    export: Path,
    manifest: Manifest,
    said: dict[str, Any],
    inputs: np.ndarray,
    labels: np.ndarray,
) -> Network:
    """Copy the export, write its probe, and then what names it: the index, and the README."""
    partial = index.FOLDER / f".{name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        shutil.copytree(export, partial)
        probe = _probe(partial, manifest, inputs, labels)
        said["right"] = probe.right(probe.logits)
        networks, faults = index.check({name: said})
        if faults:
            raise InputError(report("entry of the index", name, faults))
        write_probe(name, said["probe"], probe)
        partial.rename(index.FOLDER / name)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    file = index.FOLDER / index.INDEX
    write_text(file, f"{file.read_text('utf-8')}\n{networks[name].to_toml(name)}")
    readme = index.FOLDER / README
    new = table(index.read_index())
    write_text(readme, _TABLE.sub(lambda _: new, readme.read_text("utf-8"), count=1))
    return networks[name]


def _probe(export: Path, manifest: Manifest, inputs: np.ndarray, labels: np.ndarray) -> Probe:
    """Return what the graph gives for the examples; the Keras network has to give the same."""
    import tensorflow as tf

    from bnkeras.compact.reader import load_compact
    from bnkeras.compact.verify import keras_logits, verify_compact

    verify_compact(export)
    own = network_inputs(export, manifest, inputs)
    signature = tf.saved_model.load(str(export)).signatures["serving_default"]
    (takes,) = signature.structured_input_signature[1]
    given = own if manifest.front is None else tf.constant(inputs)
    probe = Probe(inputs, labels, signature(**{takes: given})["logits"].numpy())
    probe.check(keras_logits(load_compact(export), own), probe.right(probe.logits))
    return probe
