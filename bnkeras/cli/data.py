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


def _complete(incomplete: str) -> list[str]:
    return [name for name in pipelines.DATASETS if name.startswith(incomplete)]


@app.command()
def prepare(
    dataset: Annotated[
        str,
        typer.Argument(
            metavar="DATASET",
            help=f"One of {', '.join(pipelines.DATASETS)}.",
            autocompletion=_complete,
        ),
    ],
    source: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="What to prepare it from; without it, cifar10 is downloaded. The original "
            "`cifar-10-python.tar.gz` or `cifar-10-binary.tar.gz`, or a folder or tar of "
            "`train/CLASS/*.jpg` and `test/CLASS/*.jpg` (or `.png`).",
        ),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Write a dataset as TFRecords, once, for all later runs.

    A rerun returns at once when there is nothing to do, and completes what was
    interrupted.

    Examples:

        bnkeras data prepare cifar10

        bnkeras data prepare cifar10 --source cifar-10-python.tar.gz

        bnkeras data prepare cifar10 --source photos/ --data-dir /data

        bnkeras data prepare digits
    """
    from bnkeras.cli.quiet import start_tensorflow

    start = time.perf_counter()
    pipelines.get_spec(dataset)  # a mistyped name need not wait for TensorFlow
    start_tensorflow()
    try:
        with _progress() as report:
            prepared = pipelines.prepare(dataset, source, data_dir, report)
    except KeyboardInterrupt:
        err.print("Stopped. The same command begins again.")
        raise typer.Exit(130) from None
    _print_summary(prepared)
    print_pair("time", f"{time.perf_counter() - start:.1f} s")


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
    found = [one for name in pipelines.DATASETS for one in pipelines.list_prepared(name, root)]
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
    print_pair("images", counts)
    print_pair("size", f"{prepared.bytes / 1e6:,.1f} MB")
    print_pair("path", prepared.path)


def _row(one: pipelines.Prepared | pipelines.Damaged) -> dict[str, Any]:
    ready = isinstance(one, pipelines.Prepared)
    return {
        "dataset": one.spec.name,
        "fingerprint": one.path.parent.name,
        "source": one.source if ready else None,
        "counts": _counts(one) if ready else None,
        "bytes": one.bytes if ready else None,
        "path": str(one.path),
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
