"""The server of `docs/tutorial.md` answers the request of that page."""

import json
import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import bnkeras
from bnkeras.pipelines import DATASETS, ImageFront

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tutorial.md"
DIGITS = DATASETS["digits"]


@pytest.fixture
def export(tmp_path):
    model = bnkeras.build("resnet_cifar", depth=8, input_shape=DIGITS.image_shape, seed=3)
    front = ImageFront(DIGITS, DIGITS.image_shape)
    return bnkeras.save_compact(
        model, tmp_path / "export", front=front, class_names=DIGITS.class_names
    )


@pytest.fixture
def address(export, tmp_path):
    """The address of the page's own server, which is ready."""
    (program,) = re.findall(r"^cat > serve.py <<'END'\n(.*?)^END$", PAGE.read_text(), re.M | re.S)
    with socket.create_server(("localhost", 0)) as free:
        port = str(free.getsockname()[1])
    assert program.count("8501") == 1
    (tmp_path / "serve.py").write_text(program.replace("8501", port))
    with subprocess.Popen(
        [sys.executable, "serve.py", export],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdout.readline() == "ready\n"
        yield f"http://localhost:{port}/v1/models/digits:predict"
        server.kill()


def ask(address, instances):
    body = json.dumps({"instances": instances}).encode()
    with urllib.request.urlopen(address, body) as answer:
        return json.load(answer)["predictions"]


@pytest.mark.exhaustive
def test_it_answers_as_the_export_does(address, export):
    images = np.random.default_rng(0).integers(0, 256, (3, *DIGITS.image_shape), np.uint8)
    given = ask(address, images.tolist())
    served = tf.saved_model.load(str(export)).signatures["serving_default"]
    wanted = served(image=tf.constant(images))
    assert [row["labels"].encode() for row in given] == wanted["labels"].numpy().tolist()
    for name in ("logits", "probabilities"):
        np.testing.assert_allclose([row[name] for row in given], wanted[name], rtol=1e-5)
    with pytest.raises(urllib.error.HTTPError, match="400"):
        ask(address, [[1, 2]])
