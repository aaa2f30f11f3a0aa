"""From merged values to a validated document, or to everything that is wrong with them."""

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from bnkeras.errors import RegimeError
from bnkeras.pipelines import DATASETS
from bnkeras.recipe._data import DATA, DEFAULT_IMAGE_SIZE, unused_settings
from bnkeras.recipe._draft import Draft
from bnkeras.recipe._networks import NETWORKS, Mlp, TweetLstm
from bnkeras.recipe._schema import Document, keys
from bnkeras.recipe._types import GIVEN
from bnkeras.regimes import REGIMES
from bnkeras.regimes.sizes import trainable
from bnkeras.settings.checking import Choice, Form, translate
from bnkeras.settings.faults import Fault
from bnkeras.settings.toml import literal
from bnkeras.settings.types import one_of

_FORM = Form(
    Document,
    "A recipe",
    {"model": Choice("network", NETWORKS), "data": Choice("dataset", DATA)},
    read_before=("extends",),
)


def validate(draft: Draft) -> tuple[Document | None, list[Fault]]:
    """Return the document, or None and all faults of the values."""
    faults: dict[str, Fault] = {}
    document = None
    try:
        document = Document.model_validate(draft.values)
    except ValidationError as error:
        network = draft.get(("model", "network"))
        others = keys(network if isinstance(network, str) else None)
        faults = {fault.key: fault for fault in translate(error, draft, _FORM, others)}
    # On the merged values, so that a fault elsewhere does not hide these.
    for fault in _across(draft):
        faults.setdefault(fault.key, fault)
    if document is not None and not faults:
        faults = {fault.key: fault for fault in _check_regime(document, draft)}
    return (None if faults else document), list(faults.values())


def _across(draft: Draft) -> list[Fault]:
    """Check the rules between settings, as far as these are of the right type."""
    faults = []

    def fault(key: str, sentence: str) -> None:
        faults.append(Fault(key, sentence, draft.origin(tuple(key.split(".")))))

    held_out = draft.get(("data", "validation"), 0)
    given = draft.get(("data", "dataset")) == GIVEN  # with validation data of its own
    if draft.get(("train", "keep")) == "best" and held_out == 0 and not given:
        fault(
            "train.keep",
            'must be "last" without validation examples, for "best" is the lowest validation loss; '
            'received "best" with data.validation = 0. Set data.validation to 10, say.',
        )
    warmup = draft.get(("train", "warmup_epochs"), 0)
    if draft.get(("train", "schedule")) == "one_cycle" and type(warmup) is int and warmup > 0:
        fault(
            "train.warmup_epochs",
            'must be 0 with train.schedule = "one_cycle", which rises by itself for 30% of all '
            f"steps; received {warmup}. Set it to 0, or train.schedule to "
            '"cosine", which has a warm-up.',
        )
    regime = draft.get(("model", "regime"))
    excludes = draft.get(("excludes",))
    if isinstance(excludes, dict) and isinstance(regime, str) and regime in excludes:
        others = [f'"{name}"' for name in REGIMES if name not in excludes]
        fault(
            "model.regime",
            f"must be one of {', '.join(others)}; received {literal(regime)}, "
            f"but {excludes[regime]}",
        )
    network, dataset = draft.get(("model", "network")), draft.get(("data", "dataset"))
    if isinstance(network, str) and isinstance(dataset, str):
        _check_fit(draft, network, dataset, fault)
    return faults


def _check_regime(document: Document, draft: Draft) -> Iterator[Fault]:
    """Yield the faults of a regime or norm that the network cannot have."""
    model = document.model
    arguments = model.build_arguments()
    if isinstance(model, TweetLstm):
        arguments["vocabulary_size"] = 2  # which the texts decide, and no regime depends on
    try:
        trainable(model.network, model.regime, **arguments)
    except RegimeError as error:
        yield Fault("model.regime", str(error), draft.origin(("model", "regime")))
    if model.norm == "instance" and isinstance(model, Mlp | TweetLstm):
        yield Fault(
            "model.norm",
            f'must be "batch", "group" or "layer" in {model.network}, whose units lack positions '
            f'to take a mean over; received "instance"',
            draft.origin(("model", "norm")),
        )


def _check_fit(draft: Draft, network: str, dataset: str, fault: Any) -> None:
    """The network takes the dataset's examples and tells its classes apart."""
    if network not in NETWORKS or dataset not in DATASETS:
        return
    spec, fields = DATASETS[dataset], NETWORKS[network].model_fields
    shown = literal(dataset)
    if (network == "tweet_lstm") != (spec.kind == "texts"):
        choices = [name for name in NETWORKS if (name == "tweet_lstm") == (spec.kind == "texts")]
        fault(
            "model.network",
            f"must be {one_of(choices)}, as data.dataset is {shown}; received {literal(network)}",
        )
        return
    needed: dict[str, Any] = {"classes": len(spec.class_names)}
    if spec.kind == "jpegs":
        size = draft.get(("data", "image_size"), DEFAULT_IMAGE_SIZE)
        needed["input_shape"] = [size, size, 3]
    elif spec.kind == "pixels":
        needed["input_shape"] = list(spec.image_shape)
    for key, need in needed.items():
        if key not in fields:
            continue
        value = draft.get(("model", key), fields[key].default)
        value = list(value) if isinstance(value, tuple) else value
        if type(value) is type(need) and value != need:
            fault(
                f"model.{key}",
                f"must be {literal(need)}, as data.dataset is {shown}; received {literal(value)}",
            )
    for key, why in unused_settings(spec.kind, "input_shape" in fields).items():
        if value := draft.get(("data", key)):
            fault(f"data.{key}", f"{why}, as those of {shown} are not; received {literal(value)}")
