"""`bnkeras data`: prepare a dataset, and show what is prepared."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bnkeras import pipelines
from bnkeras.cli.console import err, print_json, print_line, print_pair
from bnkeras.cli.options import DataDir, Json

app = typer.Typer(
    name="data",
    help="Datasets: prepare one, and show which are prepared.",
    no_args_is_help=True,
)


# How many of the records left out are listed for people; --json lists all.
_LISTED = 10

_NAMES = [*pipelines.DATASETS, *(f"{family}/NAME" for family in pipelines.FAMILIES)]


def _complete(incomplete: str) -> list[str]:
    names = [*pipelines.DATASETS, *(f"{family}/" for family in pipelines.FAMILIES)]
    return [name for name in names if name.startswith(incomplete)]


@app.command()
def prepare(
    dataset: Annotated[
        str,
        typer.Argument(
            metavar="DATASET",
            help=f"One of {', '.join(_NAMES)}: a name of your choice for images of your own "
            "in class folders, or the name of an image classification dataset of TensorFlow "
            "Datasets.",
            autocompletion=_complete,
        ),
    ],
    source: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="What to prepare it from, see below; without it, cifar10 and tfds/NAME are "
            "downloaded.",
        ),
    ] = None,
    skip_corrupt: Annotated[
        bool,
        typer.Option(
            "--skip-corrupt",
            help="Leave out images that cannot be decoded and rows that cannot be read, and "
            "name them. Without it, the first one is an error.",
        ),
    ] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Write a dataset as TFRecords, once, for all later runs.

    A rerun writes nothing when there is nothing to do, and begins again what was
    interrupted. It reads the source, whose SHA-256 tells whether it has changed.

    Sources of cifar10: the original cifar-10-python.tar.gz or cifar-10-binary.tar.gz, or
    class folders: a folder or tar of train/CLASS/ and test/CLASS/ with .jpg or .png files.

    Sources of imagenet: a folder with the official ILSVRC2012_img_train.tar and
    ILSVRC2012_img_val.tar; class folders train/nXXXXXXXX/ and val/nXXXXXXXX/, which may
    be a subset; TFDS' directory imagenet2012/5.1.0, which is used where it lies.

    Sources of tweets: Sentiment140's trainingandtestdata.zip; a folder of train.csv and
    test.csv (or .csv.gz), or one CSV file, in its format; TFDS' sentiment140.

    Sources of folder/NAME: class folders train/CLASS/ and test/CLASS/ or val/CLASS/; without
    the latter, or with CLASS/ alone, a fifth of each class is the test split.

    Sources of tfds/NAME: the data directory of TensorFlow Datasets, if it is prepared there.

    Examples:

        bnkeras data prepare cifar10

        bnkeras data prepare cifar10 --source cifar-10-python.tar.gz --data-dir /data

        bnkeras data prepare imagenet --source ilsvrc2012/

        bnkeras data prepare tweets --source trainingandtestdata.zip

        bnkeras data prepare folder/flowers --source flower_photos.tgz --skip-corrupt

        bnkeras data prepare tfds/mnist
    """
    from bnkeras.cli.quiet import start_tensorflow

    start = time.perf_counter()
    pipelines.get_spec(dataset)  # a mistyped name need not wait for TensorFlow
    start_tensorflow()
    try:
        with _progress() as report:
            prepared = pipelines.prepare(dataset, source, data_dir, report, skip_corrupt)
    except KeyboardInterrupt:
        err.print("Stopped. The same command begins again.")
        raise typer.Exit(130) from None
    seconds = time.perf_counter() - start
    if as_json:
        print_json({**_row(prepared), "seconds": round(seconds, 1)})
        return
    _print_summary(prepared)
    print_pair("time", f"{seconds:.1f} s")


@app.command()
def info(
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Show the prepared datasets.

    Examples:

        bnkeras data info

        bnkeras data info --data-dir /data --json
    """
    root = pipelines.data_directory(data_dir)
    found = pipelines.list_prepared(data_dir=root)
    if as_json:
        print_json([_row(one) for one in found])
        return
    print_line(f"{'Prepared' if found else 'Nothing is prepared'} in {root}")
    for one in found:
        print_line("")
        if isinstance(one, pipelines.Prepared):
            _print_summary(one)
        else:
            print_line(one.message)


def _print_summary(prepared: pipelines.Prepared) -> None:
    counts = ", ".join(f"{count:,} {split}" for split, count in _counts(prepared).items())
    print_pair(prepared.spec.name, prepared.spec.title)
    print_pair("source", f"{prepared.source} ({prepared.kind})")
    print_pair("fingerprint", prepared.fingerprint)
    print_pair("texts" if prepared.spec.kind == "texts" else "images", counts)
    if shape := prepared.spec.image_shape:
        print_pair("image size", "×".join(map(str, shape)))
    print_pair("classes", f"{len(prepared.spec.class_names):,}")
    print_pair("size", f"{prepared.bytes / 1e6:,.1f} MB")
    print_pair("path", prepared.path)
    for note in prepared.notes:
        print_pair("note", note)
    if skipped := prepared.skipped:
        print_pair("left out", f"{len(skipped):,} corrupt:")
        for name in skipped[:_LISTED]:
            print_line(f"  {name}")
        if skipped[_LISTED:]:
            print_line(f"  and {len(skipped) - _LISTED:,} more; --json lists all")


def _row(one: pipelines.Prepared | pipelines.Damaged) -> dict[str, Any]:
    ready = isinstance(one, pipelines.Prepared)
    return {
        "dataset": one.spec.name,
        "fingerprint": one.path.parent.name,
        "source": one.source if ready else None,
        "kind": one.spec.kind,
        "image_shape": one.spec.image_shape,
        "classes": len(one.spec.class_names),
        "counts": _counts(one) if ready else None,
        "bytes": one.bytes if ready else None,
        "path": str(one.path),
        "notes": list(one.notes) if ready else None,
        "skipped": list(one.skipped) if ready else None,
        "problem": None if ready else one.message,
    }


def _counts(prepared: pipelines.Prepared) -> dict[str, int]:
    return {split: prepared.counts[split] for split in prepared.spec.splits}


@contextmanager
def _progress() -> Iterator[Callable[[int, int | None, str], None]]:
    """Show a bar on the terminal that is gone when the work is done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, TimeElapsedColumn(), console=err, transient=True, disable=not err.is_terminal
    ) as bar:
        task = bar.add_task("starting", total=None)

        def report(done: int, total: int | None, what: str) -> None:
            bar.update(task, completed=done, total=total, description=what)

        yield report
