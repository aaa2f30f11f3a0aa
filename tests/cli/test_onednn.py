"""The word about TensorFlow's faster kernels."""

import os
import subprocess
import sys

import pytest

import bnkeras.recipe
from bnkeras.cli import onednn


@pytest.mark.parametrize(
    ("recipe", "is_left_off", "said"),
    [
        ("resnet14_bnonly", True, True),
        ("resnet14_bnonly", False, False),
        ("vgg16_bnonly", True, True),
        ("mlp_bnonly", True, False),
        ("tweets_lstm_bnonly", True, False),
    ],
)
def test_it_is_for_convolutions_where_they_are_left_off(monkeypatch, recipe, is_left_off, said):
    monkeypatch.setattr(onednn, "_is_left_off", lambda: is_left_off)
    hint = onednn.hint(bnkeras.recipe.load(recipe))
    assert (hint is not None and "TF_ENABLE_ONEDNN_OPTS=1" in hint) is said


@pytest.mark.parametrize("decided", ["0", "1"])
def test_what_was_decided_is_not_advised(decided):
    code = "from bnkeras.cli import onednn; print(onednn._is_left_off())"
    environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": decided}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
