"""`bnkeras compact slim`: an export without the channels whose |γ| is small."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bnkeras.cli.console import out, print_json, print_pair, print_rows
from bnkeras.cli.fronts import remade_front
from bnkeras.cli.options import DataDir, Export, External, Json, Task
from bnkeras.errors import BnkerasError, ExportError, InputError

if TYPE_CHECKING:
    import tensorflow as tf

    from bnkeras.compact.manifest.network import Manifest
    from bnkeras.compact.slim.slimming import SlimReport
    from bnkeras.training.batches import Batches
    from bnkeras.training.evaluating import Evaluation


def slim(
    path: Export,
    target: Annotated[Path, typer.Option("--out", metavar="PATH", help="The export to write.")],
    threshold: Annotated[
        float, typer.Option(metavar="γ", help="Channels with |γ| below it can go.")
    ] = 0.01,
    data_dir: DataDir = None,
    external: External = None,
    task: Task = None,
    measured: Annotated[
        bool, typer.Option("--test/--no-test", help="Measure the test accuracy before and after.")
    ] = True,
    fronted: Annotated[
        bool, typer.Option("--front/--no-front", help="Keep taking raw data, where PATH does.")
    ] = True,
    norms: Annotated[bool, typer.Option("--norms", help="Show each norm.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace an export that is there already.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write an export of a network without the channels whose |γ| is below a threshold.

    They are taken for constant. They go where they come from a convolution or a dense layer
    and lead to such layers alone: inside of a residual block, not where blocks are added.
    What they add to the layers behind is kept, at padded borders, too. The accuracy before
    and after is measured on the test split of the dataset that the export was trained on,
    where that is prepared.

    Examples:

        bnkeras compact slim saved_models/mine --out saved_models/mine_slim

        bnkeras compact slim runs/resnet14_bnonly/export --threshold 0.05 --out slim --norms
    """
    from bnkeras.cli.quiet import start_tensorflow

    if target.exists() and not force:
        raise InputError(f"{target} exists. Choose another --out, or replace it with --force.")
    start_tensorflow()
    from bnkeras.compact.backend import check_backend

    check_backend()
    from bnkeras.compact.manifest import read_manifest
    from bnkeras.compact.preparing import options_of
    from bnkeras.compact.probe import largest_change
    from bnkeras.compact.published import located
    from bnkeras.compact.reader import load_compact
    from bnkeras.compact.slim.slimming import slim as slimmed
    from bnkeras.compact.writer import save_compact

    path = located(path)
    manifest = read_manifest(path, task)
    full = load_compact(path, external or (), task=task)
    small, report = slimmed(full, threshold)
    if not report.plan:
        raise ExportError(
            f"No channel of {path} that can go has |γ| below {threshold:g}. Nothing was written; "
            f"choose a larger --threshold."
        )
    front = _front(manifest, path) if fronted else None
    batches, why = _batches(manifest, path, data_dir) if measured else (None, "--no-test")
    tested = None
    if batches is not None:
        from bnkeras.training.evaluating import evaluate_test

        tested = evaluate_test([full, small], batches)
    options = {
        **options_of(manifest.variables),
        "front": front,
        "copy_external": manifest.external_inside is not None,
        "external_origin": manifest.external and manifest.external.origin,
        "class_names": manifest.class_names,
        "preprocessing": manifest.preprocessing,
    }
    # PATH may be of another format, whose size says nothing of what slimming saves.
    with tempfile.TemporaryDirectory() as folder:
        again = save_compact(full, Path(folder, "full"), training=manifest.training, **options)
        full_bytes = _bytes(again)
    training = _training(manifest, report, tested)
    save_compact(small, target, training=training, **options)
    facts = {
        "path": str(path),
        "out": str(target),
        "threshold": threshold,
        "channels": sum(norm.channels for norm in report.norms),
        "removed": sum(norm.removed for norm in report.norms),
        "merged": sum(norm.merged for norm in report.norms),
        "before": {**vars(report.before), "bytes": full_bytes},
        "after": {**vars(report.after), "bytes": _bytes(target)},
        "test": _tested(tested, batches),
        "test_missing": None if tested else why,
        "largest_change": largest_change(full, small),
        "norms": [norm._asdict() for norm in report.norms],
    }
    if as_json:
        print_json(facts)
        return
    for key, value in _lines(facts):
        print_pair(key, value)
    if norms:
        out.print()
        print_rows(facts["norms"])


def _batches(
    manifest: "Manifest", path: Path, data_dir: Path | None
) -> tuple["Batches | None", str]:
    """Return the data that a run trained the export on; None and why, where there are none."""
    settings = (manifest.training or {}).get("recipe")
    if not isinstance(settings, dict):
        return None, "the export names no recipe"
    from bnkeras.recipe import from_settings
    from bnkeras.training.run_directory import RunDirectory
    from bnkeras.training.setup import open_batches

    try:
        recipe = from_settings(settings, f"the recipe in {path}")
        return open_batches(recipe, RunDirectory(path.parent), data_dir), ""
    except BnkerasError as error:
        return None, " ".join(str(error).split())


def _front(manifest: "Manifest", path: Path) -> "tf.Module | None":
    """Return what makes inputs of raw data, as the export has it; it is no part of a network."""
    front = remade_front(manifest, path)
    if front is None and manifest.front is not None:
        raise InputError(
            "The export takes raw data by a front that is in its graph alone, and of which its "
            "preprocessing record says nothing that bnkeras knows. With --no-front the slim export "
            "takes the network's inputs."
        )
    return front


def _training(
    manifest: "Manifest", report: "SlimReport", tested: "Evaluation | None"
) -> dict[str, Any]:
    """Return what the slim export says of its training: figures of the full network are not its."""
    training = dict(manifest.training or {})
    result = training.get("result")
    result = dict(result) if isinstance(result, dict) else {}
    of_full = result.get("test_accuracy")
    kept = {key: value for key, value in result.items() if not key.startswith("test_")}
    slimming = {"threshold": report.threshold, "full_test_accuracy": of_full}
    if tested is not None:
        before, after = (right / tested.examples for right in tested.right)
        kept["test_accuracy"] = after
        slimming["full_test_accuracy"] = before
    return {**training, "result": {**kept, "slim": slimming}}


def _tested(tested: "Evaluation | None", batches: "Batches | None") -> dict[str, Any] | None:
    if tested is None:
        return None
    before, after = tested.right
    return {
        "dataset": batches.source["name"],
        "examples": tested.examples,
        "before": before / tested.examples,
        "after": after / tested.examples,
        "same_answers": tested.agree[1],
    }


def _bytes(export: Path) -> int:
    return sum(file.stat().st_size for file in export.rglob("*") if file.is_file())


def _lines(facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    before, after, test = facts["before"], facts["after"], facts["test"]
    yield "wrote", facts["out"]
    merged = f", {facts['merged']} merged" if facts["merged"] else ""
    yield "channels", f"{facts['removed']:,} of {facts['channels']:,} removed{merged}"
    for key, name in (("parameters", "parameters"), ("batchnorm", "γ and β")):
        yield name, _change(before[key], after[key])
    if before["multiply_adds"] is not None:
        yield "products", f"{_change(before['multiply_adds'], after['multiply_adds'])} an example"
    yield "bytes", _change(before["bytes"], after["bytes"])
    yield "outputs", f"change by at most {facts['largest_change']:.2g} of the largest, on noise"
    if test is None:
        yield "accuracy", f"not measured: {facts['test_missing']}"
    else:
        yield (
            "accuracy",
            f"{test['before']:.2%} -> {test['after']:.2%} of {test['examples']:,} test examples of "
            f"{test['dataset']}, {test['same_answers']:,} answers the same",
        )


def _change(before: int, after: int) -> str:
    return f"{before:,} -> {after:,} ({after / before - 1:+.1%})"
