"""Writing an export of several tasks over one seed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from bnkeras.compact.manifest.tasks import NetworkRecord, check_task_names
from bnkeras.compact.preparing import Description, Prepared, prepare
from bnkeras.compact.replacing import check_target, replacing
from bnkeras.compact.saving import external_weights, scratch_in
from bnkeras.compact.tasks.task import (
    network_number,
    new_task,
    other_seed,
    write_graph,
    write_manifest,
)
from bnkeras.errors import ExportError


def save_tasks(
    models: Mapping[str, keras.Model],
    path: str | Path,
    descriptions: Mapping[str, Mapping[str, Any] | None],
    *,
    copy_external: bool,
    external_origin: str | None,
    options: Mapping[str, Any],
) -> Path:
    """Write several models as tasks of one export; arguments as of `save_compact`.

    Args:
        models: the networks, by task.
        path: directory to write.
        descriptions: for `front` and so on a dictionary by task, or None.
        copy_external: whether external values go into the export.
        external_origin: what these are.
        options: those of `prepare`.

    Raises:
        ExportError: something cannot be written, or the networks share no seed.
    """
    if not models:
        raise ExportError("An export has one task or more; received an empty dictionary.")
    described_by_task = _by_task(models, descriptions)
    networks = {}
    check_task_names(list(models))
    for name, model in models.items():
        networks[name] = prepare(model, described_by_task[name], **options)
    records: list[NetworkRecord] = []
    numbers = {name: network_number(network, records) for name, network in networks.items()}
    _check_one_seed(networks)
    target = Path(path).resolve()
    check_target(target)
    with replacing(target) as partial:
        with scratch_in(partial) as scratch:
            tasks = [
                new_task(name, numbers[name], network, scratch)
                for name, network in networks.items()
            ]
            sources = next(iter(networks.values())).sources
            kept, frozen = external_weights(
                sources, target, scratch, copy_external, external_origin
            )
            write_graph(tasks, records, frozen, partial)
        write_manifest(tasks, records, kept, partial)
    return Path(path)


def _by_task(
    models: Mapping[str, keras.Model], descriptions: Mapping[str, Mapping[str, Any] | None]
) -> dict[str, Description]:
    """Return what is said of each task."""
    for what, by_task in descriptions.items():
        if by_task is not None and not (
            isinstance(by_task, Mapping) and by_task.keys() <= models.keys()
        ):
            raise ExportError(
                f"With several models, {what} is a dictionary by task, of "
                f"{', '.join(map(str, models))}; received {by_task!r}."
            )
    return {
        name: Description(**{what: (by or {}).get(name) for what, by in descriptions.items()})
        for name in models
    }


def _check_one_seed(networks: Mapping[str, Prepared]) -> None:
    (first, network), *others = networks.items()
    for name, other in others:
        if other.seed != network.seed:
            raise other_seed(f"The task {first!r} is of the seed {network.seed}", name, other.seed)
        mine, its = ([r for r in n.rows if r.provenance == "external"] for n in (network, other))
        if mine != its:
            raise ExportError(
                f"Tasks of one export share their external weights, and those of {name!r} are not "
                f"those of {first!r}."
            )
