"""From merged values to a validated document, or to everything that is wrong with them."""

from collections.abc import Iterator
from itertools import chain
from typing import Any, Literal, NamedTuple, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from bnkeras.errors import RegimeError, did_you_mean
from bnkeras.pipelines import DATASETS
from bnkeras.recipe._data import DATA, DEFAULT_IMAGE_SIZE, unused_settings
from bnkeras.recipe._draft import Draft
from bnkeras.recipe._faults import Fault, suggest
from bnkeras.recipe._networks import NETWORKS, Mlp, TweetLstm
from bnkeras.recipe._overrides import read_value
from bnkeras.recipe._schema import Document, keys
from bnkeras.recipe._section import Section
from bnkeras.recipe._toml import literal
from bnkeras.recipe._types import GIVEN, Rule, one_of
from bnkeras.regimes import REGIMES
from bnkeras.regimes.sizes import trainable


def validate(draft: Draft) -> tuple[Document | None, list[Fault]]:
    """Return the document, or None and all faults of the values."""
    faults: dict[str, Fault] = {}
    document = None
    try:
        document = Document.model_validate(draft.values)
    except ValidationError as error:
        for details in error.errors():
            fault = _translate(details, draft)
            faults.setdefault(fault.key, fault)
    # On the merged values, so that a fault elsewhere does not hide these.
    for fault in _across(draft):
        faults.setdefault(fault.key, fault)
    if document is not None and not faults:
        faults = {fault.key: fault for fault in _check_regime(document, draft)}
    return (None if faults else document), list(faults.values())


class _Place(NamedTuple):
    path: tuple[str, ...]
    field: FieldInfo | None
    section: type[Section] | None


def _translate(details: Any, draft: Draft) -> Fault:
    """Put one error of pydantic's into a sentence of ours."""
    location, kind = details["loc"], details["type"]
    place = _locate(location)
    path, field = place.path, place.field
    if kind.startswith("union_tag"):  # of the networks; every dataset has a tag
        path, field = (*path, "network"), None
    if kind == "extra_forbidden":
        return _unknown(place, draft)
    key, value, origin = ".".join(path), draft.get(path), draft.origin(path)
    if kind == "value_error":
        return Fault(key, str(details["ctx"]["error"]), origin)
    rule, choices = _rule(field) if field else (one_of(NETWORKS), list(NETWORKS))
    if value is None:
        return Fault(key, f"is missing; it must be {rule}")
    hint = ""
    if choices:
        hint = did_you_mean(str(value), choices)
    elif isinstance(value, str) and isinstance(read_value(value), int | float | list):
        hint = f" Write {value} without quotes."
    received = "a table" if isinstance(value, dict) else literal(value)
    return Fault(key, f"must be {rule}; received {received}{'.' if hint else ''}{hint}", origin)


def _locate(location: tuple[int | str, ...]) -> _Place:
    """Follow pydantic's location to the dotted key, its field and the section it lies in."""
    path: list[str] = []
    field: FieldInfo | None = None
    section: type[Section] | None = Document
    steps = iter(location)
    for step in steps:
        if not isinstance(step, str) or step == "[key]":
            break
        path.append(step)
        fields = {info.alias or name: info for name, info in section.model_fields.items()}
        field = fields.get(step)
        if field is None:
            break
        if step in ("model", "data") and section is Document:
            # Pydantic puts the tag of the union between, which is no key.
            tag = next(steps, "")
            inner: Any = (NETWORKS if step == "model" else DATA).get(tag)
        elif get_origin(field.annotation) is dict:
            inner = get_args(field.annotation)[1]
            if (key := next(steps, None)) is not None:
                path.append(key)
                field = FieldInfo.from_annotation(inner)
        else:
            inner = field.annotation
        if not (isinstance(inner, type) and issubclass(inner, Section)):
            break
        section = inner
    return _Place(tuple(path), field, section)


def _rule(field: FieldInfo) -> tuple[str, list[str]]:
    """Return what a field's value must be, and the choices where there are any."""
    if get_origin(field.annotation) is dict:
        return "a table", []
    # In `Text | None` the metadata belong to a member of the union.
    members = [getattr(member, "__metadata__", ()) for member in get_args(field.annotation)]
    for metadata in chain(field.metadata, *members):
        if isinstance(metadata, Rule):
            return metadata.text, []
    if get_origin(field.annotation) is Literal:
        choices = list(get_args(field.annotation))
        return one_of(choices), choices
    return "a table", []


def _unknown(place: _Place, draft: Draft) -> Fault:
    siblings = [info.alias or name for name, info in place.section.model_fields.items()]
    inside = ".".join(place.path[:-1])
    if not inside:
        siblings.insert(0, "extends")  # taken out when the files were put together
    path, value = place.path, draft.get(place.path)
    while isinstance(value, dict) and len(value) == 1:
        # `--set trian.epochs=2`: the whole key is what the user wrote.
        path, value = path + tuple(value), next(iter(value.values()))
    known = [f"{inside}.{name}" if inside else name for name in siblings]
    network = draft.get(("model", "network"))
    settings = keys(network if isinstance(network, str) else None)
    hint = suggest(".".join(path), [*known, *settings])
    received = "" if isinstance(value, dict) else f"; received {literal(value)}"
    table = f"[{inside}]" if inside else "A recipe"
    remedy = hint or f" {table} has {', '.join(siblings)}."
    return Fault(".".join(path), f"is not a setting{received}.{remedy}", draft.origin(path))


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
