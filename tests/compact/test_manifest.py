"""Reading manifests, honest and forged ones."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import bnkeras
from bnkeras.compact.manifest import MANIFEST, read_manifest
from bnkeras.errors import ExportError, InputError

ROOT = Path(__file__).resolve().parents[2]


def test_it_says_what_was_saved(small, tmp_path):
    names = [f"digit {i}" for i in range(10)]
    export = bnkeras.save_compact(
        small(seed=np.int64(5), width=0.5, classes=np.int32(12)),
        tmp_path / "export",
        class_names=names,
        preprocessing={"scale": "channel", "mean": (0.1,), "std": np.float32([0.5])},
        training={"recipe": {"seed": 5}, "result": {"test_accuracy": 0.5, "loss": float("nan")}},
    )
    manifest = read_manifest(export)
    assert manifest.format_version == 3
    assert manifest.seed == 5
    assert manifest.generator.model_dump() == {"name": "philox4x32-10/quantile16", "version": 1}
    assert manifest.architecture.name == "resnet_cifar"
    assert manifest.architecture.arguments == {
        "depth": 8,
        "width": 0.5,
        "classes": 12,
        "input_shape": (8, 8, 1),
        "seed": 5,
        "features": "he_normal",
        "gamma": "uniform(0, 1)",
        "beta": "constant(0)",
        "norm": "batch",
        "dtype": "float32",
    }
    assert manifest.regime == "bnonly"
    image = {"name": "image", "dtype": "float32", "shape": (None, 8, 8, 1)}
    assert [record.model_dump() for record in manifest.inputs] == [image]
    logits = {"name": "logits", "dtype": "float32", "shape": (None, 12)}
    assert [record.model_dump() for record in manifest.outputs] == [
        logits,
        {**logits, "name": "probabilities"},
    ]
    assert manifest.front is None
    assert manifest.external is None
    assert manifest.class_names == tuple(names)
    assert manifest.preprocessing == {"scale": "channel", "mean": [0.1], "std": [0.5]}
    assert manifest.training["result"] == {"test_accuracy": 0.5, "loss": None}
    assert set(manifest.versions) == {"bnkeras", "keras", "numpy", "tensorflow"}
    files = {file for file in export.rglob("*") if file.is_file()} - {export / MANIFEST}
    assert {export / name for name in manifest.files} == files


def test_it_is_json_that_others_can_read(pristine):
    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    content = json.loads((pristine / MANIFEST).read_bytes(), parse_constant=refuse)
    assert set(content) == {"sha256", "manifest"}
    assert (pristine / MANIFEST).read_bytes().isascii()


def test_reading_is_light():
    code = "import sys, bnkeras.compact.manifest, bnkeras.cli.compact; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"tensorflow", "keras", "numpy", "bnkeras.compact.reader"}
    assert not heavy & set(run.stdout.split())


def test_the_documented_numpy_lines_read_the_stored_values(export, tmp_path):
    page = (ROOT / "docs" / "export_format.md").read_text()
    (code,) = (part.split("```")[0] for part in page.split("```python\n")[1:] if "np." in part)
    assert len(code.strip().splitlines()) <= 12
    names = {"export": export}
    exec(code, names)
    model = bnkeras.load_compact(export)
    stored = {row.path: row for row in read_manifest(export).of("stored")}
    assert set(names["values"]) == set(stored)
    for variable in model.variables:
        if variable.path in stored:
            np.testing.assert_array_equal(names["values"][variable.path], variable.numpy())


def test_the_documented_example_is_of_this_format(pristine):
    page = (ROOT / "docs" / "export_format.md").read_text()
    example = json.loads(page.split("```json\n")[1].split("```")[0])
    content = json.loads((pristine / MANIFEST).read_bytes())
    assert example.keys() == content.keys()
    assert example["manifest"].keys() == content["manifest"].keys()
    for row in example["manifest"]["variables"]:
        assert [type(cell) for cell in row[:4]] == [str, list, str, str]
        assert len(row) == 6
    for name in content["manifest"]:
        assert f"`{name}`" in page, f"the field {name} is not explained"


def test_no_export(tmp_path):
    with pytest.raises(InputError, match="nowhere does not exist"):
        read_manifest(tmp_path / "nowhere")
    with pytest.raises(InputError, match=f"{tmp_path.name} is no compact export"):
        bnkeras.load_compact(tmp_path)
    with pytest.raises(InputError, match=r"test_manifest\.py is no compact export"):
        bnkeras.verify_compact(__file__)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b'"text"',
        b"{}",
        b'{"sha256":"","manifest":[]}',
        b'{"sha256":"","manifest":{"format_version":1}}',
        b'{"sha256":' + b"[" * 200_000,
        b'{"sha256":"","manifest":{"format_version":1,"a":' + b"9" * 10_000 + b"}}",
    ],
    ids=lambda content: content[:20].decode(errors="replace"),
)
def test_it_is_no_manifest(export, content):
    (export / MANIFEST).write_bytes(content)
    with pytest.raises(ExportError, match=r"bnkeras\.json is damaged"):
        read_manifest(export)


def _set(*keys, value):
    def change(manifest):
        for key in keys[:-1]:
            manifest = manifest[key]
        manifest[keys[-1]] = value

    return change


def _drop(key):
    return lambda manifest: manifest.pop(key)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_set("unknown", value=1), "unknown: Extra inputs are not permitted"),
        (_set("generator", "unknown", value=1), "generator: unknown: Extra inputs"),
        (_drop("class_names"), "class_names: Field required"),
        (_drop("variables"), "variables: Field required"),
        (_set("seed", value="5"), "not in the form that bnkeras writes"),
        (_set("seed", value=2**64), "seed: Input should be less than 18446744073709551616"),
        (_set("seed", value=6), "the argument of the network is another one"),
        (_set("files", "saved_model.pb", "bytes", value="7"), "not in the form that bnkeras"),
        (_set("files", value={}), "saved_model.pb is not among them"),
        (_set("stored", "file", value="saved_model.pb.txt"), "saved_model.pb.txt is not among"),
        (_set("stored", "offset", value=-1), "stored: offset: Input should be greater than"),
        (_set("variables", 0, value=["a", [1]]), "variables: 0: "),
        (_set("variables", 0, 1, value=[-1]), "greater than or equal to 0"),
        (_set("variables", 0, 1, value=[10**400]), "less than or equal to 2147483648"),
        (_set("variables", 0, 1, value=[1] * 9), "at most 8 items"),
        (
            _set("variables", 0, 2, value="float64"),
            "Input should be 'float16', 'float32', 'int32' or 'int64'",
        ),
        (_set("variables", 0, 3, value="else"), "Input should be 'seeded', 'stored' or 'external'"),
        (_set("variables", 0, 3, value="external"), "external: None with 1 external variables"),
        (_drop("external"), "external: Field required"),
        (_drop("inputs"), "inputs: Field required"),
        (_drop("probe"), "probe: Field required"),
        (_set("projections", value=[1.0]), "projections: 1 of 9 seeded variables"),
        (_set("projections", 0, value="1"), "not in the form that bnkeras writes"),
        (_set("probe", "vocabulary", value=0), "greater than or equal to 1"),
        (_set("inputs", 0, "more", value=1), "inputs: 0: more: Extra inputs are not permitted"),
        (_set("variables", 0, 3, value="seeded"), "stem_conv/kernel is seeded with law None"),
        (_set("variables", 0, 4, value="he_normal"), "stem_conv/kernel is stored with law he_norm"),
        (_set("variables", 0, 0, value="stem_bn/gamma"), "a path occurs twice"),
        (_set("architecture", "arguments", "dtype", value={"class_name": "Lambda"}), "dtype"),
        (_set("architecture", "arguments", "hidden", value=[[1]]), "hidden"),
        (_set("training", value={"loss": float("nan")}), "float values are not JSON"),
        (_set("training", value=[]), "training: Input should be a valid dictionary"),
    ],
)
def test_a_forged_manifest_is_refused(export, forge, change, message):
    forge(export, change)
    with pytest.raises(ExportError) as caught:
        bnkeras.load_compact(export)
    assert f"{export / MANIFEST} is damaged: " in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize("version", [0, 4, "1", None, [1]])
def test_another_format_version_says_what_to_install(export, forge, version):
    forge(export, _set("format_version", value=version))
    with pytest.raises(ExportError, match="Install the version of bnkeras that wrote it") as caught:
        read_manifest(export)
    assert f"has format version {version!r}" in str(caught.value)


def test_white_space_is_a_change(export):
    file = export / MANIFEST
    file.write_bytes(file.read_bytes().replace(b"\n", b" ", 1))
    with pytest.raises(ExportError, match="not in the form that bnkeras writes"):
        read_manifest(export)


def test_more_or_less_of_the_outer_object_is_refused(export):
    file = export / MANIFEST
    file.write_bytes(file.read_bytes().replace(b'{"sha256"', b'{"more":1,"sha256"', 1))
    with pytest.raises(ExportError, match="not in the form that bnkeras writes"):
        read_manifest(export)
