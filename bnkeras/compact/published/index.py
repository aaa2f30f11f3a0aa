"""The index of the trained networks that come with the checkout; finding one by its name."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, Strict, ValidationError

from bnkeras.compact.digests import file_digest
from bnkeras.compact.manifest.records import MANIFEST
from bnkeras.errors import ExportError, InputError, did_you_mean
from bnkeras.settings import toml
from bnkeras.settings import types as t
from bnkeras.settings.checking import Form, translate
from bnkeras.settings.faults import Fault, report
from bnkeras.settings.section import Section
from bnkeras.settings.tables import Tables

# Beside the folder of the package in a checkout, which an editable install points to. A wheel
# has none.
FOLDER = Path(__file__).resolve().parents[3] / "saved_models"
INDEX = "index.toml"
PROBES = "probes"

NAME_RULE = "lower-case letters, digits and underscores, a letter first"
_NAME = re.compile(r"[a-z][a-z0-9_]*")

Commit = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
Commits = Annotated[
    tuple[Commit, ...], Strict(False), t.Rule("a list of commits, each of 40 hexadecimal digits")
]
Sha256 = Annotated[
    str, Field(pattern=r"^[0-9a-f]{64}$"), t.Rule("a SHA-256 of 64 hexadecimal digits")
]


class Network(Section):
    """`[name]`: a trained network."""

    recipe: t.Text = Field(description="the shipped recipe that it is of")
    set: t.Texts = Field((), description="settings as after --set")
    seed: t.Seed = Field(description="the root seed")
    regime: t.Text = Field(description="which variables trained")
    trained: t.Count = Field(description="how many parameters those are")
    parameters: t.Count = Field(description="how many there are")
    dataset: t.Text = Field(description="what it was trained on")
    source: t.Text = Field(description="where that came from: the name of a file or a package")
    accuracy: t.Accuracy = Field(description="test accuracy, %")
    examples: t.Count = Field(description="how many test examples there are")
    right: t.Amount = Field(description="right answers to the examples of its probe")
    probe: t.Text = Field(description="the file of these examples, without .npz")
    bytes: t.Count = Field(description="all files of the export")
    commits: Commits = Field(
        description="commits of this repository that trained it, none where it was not recorded"
    )
    command: t.Text = Field(description="what trains it again")
    digest: Sha256 = Field(description=f"SHA-256 of its file {MANIFEST.as_posix()}")

    def to_toml(self, name: str) -> str:
        """Return the table of the index under `name`."""
        lines = [f"{key} = {toml.literal(value)}" for key, value in self.model_dump().items()]
        return "\n".join([f"[{name}]", *lines]) + "\n"


def read_index() -> dict[str, Network]:
    """Return the trained networks of the checkout by name, in the order of the index.

    Raises:
        InputError: there is no checkout, or the index has faults: all are in the message.
    """
    file = FOLDER / INDEX
    if not file.is_file():
        raise InputError(_no_checkout())
    networks, faults = check(toml.read(file, "index", InputError))
    if faults:
        raise InputError(report("index", str(file), faults))
    return networks


def find_named(name: str) -> Path:
    """Return the directory of a trained network.

    Raises:
        InputError: there is no checkout, or no network of that name in its index.
        ExportError: its manifest is missing, or is not the one in the index.
    """
    if not (FOLDER / INDEX).is_file():
        raise InputError(f"There is no directory {name!r}. {_no_checkout()}")
    networks = read_index()
    if name not in networks:
        raise InputError(
            f"There is no directory {name!r}, and no trained network of that name."
            f"{did_you_mean(name, networks)} The trained networks are {', '.join(networks)}; any "
            f"other export is given by its path."
        )
    manifest = FOLDER / name / MANIFEST
    remedy = f"Put back what the repository has: git -C {FOLDER} checkout -- ."
    if not manifest.is_file():
        raise ExportError(f"{FOLDER / INDEX} has {name!r}, and {manifest} is missing. {remedy}")
    if (digest := file_digest(manifest)) != networks[name].digest:
        raise ExportError(
            f"{manifest} is not that of the network {name!r} in {FOLDER / INDEX}: its SHA-256 is "
            f"{digest}; in the index it is {networks[name].digest}. {remedy}"
        )
    return FOLDER / name


def check(tables: Mapping[str, Any]) -> tuple[dict[str, Network], list[Fault]]:
    """Return the networks that the tables of an index describe, and all that is wrong with them."""
    networks: dict[str, Network] = {}
    faults: list[Fault] = []
    for name, values in tables.items():
        if not is_name(name):
            faults.append(Fault(name, f"must be a name of {NAME_RULE}, and not {PROBES}"))
        if not isinstance(values, dict):
            faults.append(Fault(name, f"must be a table; received {toml.literal(values)}"))
            continue
        of_network = Tables()
        of_network.merge(values, "")
        try:
            networks[name] = Network.model_validate(values)
        except ValidationError as error:
            found = translate(error, of_network, Form(Network, f"[{name}]"))
            faults += [replace(fault, key=f"{name}.{fault.key}") for fault in found]
    return networks, faults


def is_name(text: str) -> bool:
    """Whether a network of the index can be called so."""
    return _NAME.fullmatch(text) is not None and text != PROBES


def _no_checkout() -> str:
    return (
        f"Trained networks with names come with the checkout of bnkeras, in its saved_models, and "
        f"an installed package has none: there is no {FOLDER / INDEX}. Install the checkout "
        f"(pip install -e), or give the path of an export."
    )
