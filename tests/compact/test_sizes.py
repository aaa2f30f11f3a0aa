"""The promised sizes, on the disk."""

import numpy as np
import pytest

import bnkeras


def _bytes(export):
    return sum(file.stat().st_size for file in export.rglob("*") if file.is_file())


def test_resnet14(trained, tmp_path):
    export = bnkeras.save_compact(trained(depth=14, seed=1), tmp_path / "export")
    assert _bytes(export) <= 60_000


def test_resnet14_random2(trained, tmp_path):
    model = trained(depth=14, seed=1, regime="random2")
    assert _bytes(bnkeras.save_compact(model, tmp_path / "export")) <= 85_000


def test_tweet_lstm_of_thirty_thousand_words(trained, tmp_path):
    model = trained("tweet_lstm", vocabulary_size=30_000, seed=1)
    assert _bytes(bnkeras.save_compact(model, tmp_path / "export")) <= 60_000


@pytest.mark.exhaustive
def test_resnet200(trained, tmp_path):
    model = trained("resnet_imagenet", depth=200, seed=1)
    assert _bytes(bnkeras.save_compact(model, tmp_path / "export")) <= 2_000_000


@pytest.mark.exhaustive
def test_resnet866(trained, logits, in_fresh_process, tmp_path):
    model = trained(depth=866, seed=1)
    case = tmp_path / "resnet866"
    case.mkdir()
    export = bnkeras.save_compact(model, case / "export")
    print(f"ResNet-866: {_bytes(export):,} bytes")
    assert _bytes(export) <= 2_000_000
    images = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype(np.float32)
    np.savez(case / "inputs_2.npz", image=images)
    wanted = logits(model, images)
    assert np.isfinite(wanted).all()
    for script in ("tensorflow_2.py", "tensorflow_1.py", "keras_again.py"):
        in_fresh_process(script, tmp_path)
    for way in ("tensorflow_2", "tensorflow_1", "keras", "resaved"):
        given = np.load(case / f"{way}_2.npz")["logits"]
        np.testing.assert_array_equal(given.view(np.uint32), wanted.view(np.uint32))
