"""`bnkeras quickstart`: the whole idea on handwritten digits, in about a minute."""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from bnkeras.cli.console import err, human_bytes, out, print_rows
from bnkeras.cli.options import DataDir

if TYPE_CHECKING:
    import numpy as np

    from bnkeras.training import RunResult

_MODEL = "digits_resnet14"
_REGIMES = {
    "bnonly": "γ and β of BatchNorm",
    "output": "the output layer",
    "all": "everything",
}

# Runs where bnkeras cannot be imported: the export needs TensorFlow alone.
_FRESH_PROCESS = """
import sys
sys.modules["bnkeras"] = None
import numpy as np, tensorflow as tf
export, images, answers = sys.argv[1:]
served = tf.saved_model.load(export).signatures["serving_default"]
given = served(image=tf.constant(np.load(images)))
np.savez(answers, logits=given["logits"].numpy(), labels=given["labels"].numpy().astype("S"))
"""


def quickstart(
    directory: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Where the runs and the plot go.")
    ] = Path("runs", "quickstart"),
    data_dir: DataDir = None,
) -> None:
    """Train a small network three ways on handwritten digits, export it and load it again.

    Needs no download. Whatever is finished already is not repeated.

    Examples:

        bnkeras quickstart

        bnkeras quickstart --out first-look
    """
    from bnkeras.cli.quiet import start_tensorflow

    out.print(
        "[bold]Can a network learn while its weights stay random?[/]\n"
        "Three times the same ResNet-14, with the same random weights from seed 0, learns\n"
        "1,437 handwritten digits. What differs is only which parameters train.\n",
        highlight=False,
    )
    start_tensorflow()
    from bnkeras.reporting import check_matplotlib

    check_matplotlib()
    try:
        results = _train_all(directory, data_dir)
    except KeyboardInterrupt:
        err.print("Stopped. The same command goes on from there.")
        raise typer.Exit(130) from None
    print_rows([_row(regime, result) for regime, result in results.items()])
    out.print(
        f"\nTraining took {sum(r.figures['seconds'] for r in results.values()):.0f} s. "
        "Frozen weights cost an export nothing: it holds the\n"
        "seed they come from, and the values that training changed.\n",
        highlight=False,
    )
    _reload(results["bnonly"], data_dir)
    _plot(results, directory)
    _print_next(results["bnonly"])


def _train_all(directory: Path, data_dir: Path | None) -> "dict[str, RunResult]":
    from bnkeras.cli.training import train
    from bnkeras.recipe import load

    return {
        regime: train(load(f"{_MODEL}_{regime}"), directory / regime, data_dir, print_epochs=False)
        for regime in _REGIMES
    }


def _row(regime: str, result: "RunResult") -> dict[str, Any]:
    figures = result.figures
    counts = figures["parameters"]
    return {
        "trained": _REGIMES[regime],
        "parameters": counts["trainable"],
        "share": f"{counts['trainable'] / counts['total']:.1%}",
        "test accuracy": f"{figures['test_accuracy']:.1%}",
        "export": human_bytes(figures["export_bytes"]),
    }


def _reload(result: "RunResult", data_dir: Path | None) -> None:
    """Compare the logits of the export in a fresh process with those of the network here."""
    import numpy as np

    import bnkeras
    from bnkeras.compact.verify import keras_logits
    from bnkeras.errors import ExportError

    images, inputs, names = _test_images(result, data_dir)
    here = keras_logits(bnkeras.load_compact(result.export), inputs)
    with err.status("loading the export in a fresh process"):
        there, labels = _answers_in_fresh_process(result, images)
    if not np.array_equal(here, there):
        raise ExportError(
            f"The logits of {result.export} in a fresh process differ from those of the network "
            f"here by up to {np.abs(here - there).max():.3g}."
        )
    out.print(
        f"Loaded {escape(str(result.export))} in a fresh process, by TensorFlow\n"
        f"alone, without bnkeras: raw pixels in, labels out. {np.mean(labels == names):.1%} of the "
        f"{len(images)} test\nimages are right, and all logits [bold]identical bit for bit[/] to "
        "those of the\nnetwork here.\n",
        highlight=False,
        soft_wrap=True,
    )


def _test_images(
    result: "RunResult", data_dir: Path | None
) -> "tuple[np.ndarray, np.ndarray, np.ndarray]":
    """Return the test images as they are, the same as inputs, and the names of their classes."""
    import numpy as np

    from bnkeras.pipelines import find, load_split
    from bnkeras.recipe import load
    from bnkeras.training.run_directory import RunDirectory
    from bnkeras.training.setup import open_batches

    recipe = load(f"{_MODEL}_bnonly")
    split = load_split(find(recipe.data.dataset, data_dir), "test")
    batches = open_batches(recipe, RunDirectory(result.directory), data_dir).test
    inputs, _, weights = (np.concatenate(part) for part in zip(*batches, strict=True))
    names = np.array(split.class_names)[split.labels]
    return split.images, inputs[weights > 0], names


def _answers_in_fresh_process(
    result: "RunResult", images: "np.ndarray"
) -> "tuple[np.ndarray, np.ndarray]":
    """Return the logits and the labels that the export gives for raw images."""
    import numpy as np

    from bnkeras.errors import ExportError

    with tempfile.TemporaryDirectory() as folder:
        inputs, outputs = Path(folder, "images.npy"), Path(folder, "answers.npz")
        np.save(inputs, images)
        process = subprocess.run(
            [sys.executable, "-c", _FRESH_PROCESS, result.export, inputs, outputs],
            capture_output=True,
            text=True,
        )
        if process.returncode:
            raise ExportError(
                f"The export did not load in a fresh process:\n{process.stderr[-500:]}"
            )
        with np.load(outputs) as answers:
            return answers["logits"], answers["labels"].astype(str)


def _plot(results: "dict[str, RunResult]", directory: Path) -> None:
    """Write the histograms of γ: as drawn from the seed, and after training."""
    import bnkeras
    from bnkeras.analysis.scales import gammas, plot_gammas
    from bnkeras.models import build
    from bnkeras.recipe import load

    recipe = load(f"{_MODEL}_bnonly")
    untrained = build(recipe.model.network, seed=recipe.seed, **recipe.model.build_arguments())
    scales = {"at the start, U[0, 1]": gammas(untrained)}
    for regime, title in (("bnonly", "γ and β trained"), ("all", "everything trained")):
        scales[title] = gammas(bnkeras.load_compact(results[regime].export))
    path = plot_gammas(scales, directory / "gamma.png")
    out.print(f"What training did to γ: {escape(str(path))}", highlight=False, soft_wrap=True)


def _print_next(result: "RunResult") -> None:
    out.print(
        f"""
[bold]Next[/]
  bnkeras compact inspect {escape(str(result.export))}
  bnkeras recipe list
  bnkeras data prepare cifar10
  bnkeras recipe run resnet14_bnonly""",
        highlight=False,
        soft_wrap=True,
    )
