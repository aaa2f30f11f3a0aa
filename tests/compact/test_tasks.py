"""Several tasks over one seed."""

import os
import shutil

import numpy as np
import pytest

import bnkeras
from bnkeras.compact.manifest import read_manifest, read_whole_manifest
from bnkeras.errors import ExportError, InputError

IMAGES = np.random.default_rng(0).normal(size=(3, 8, 8, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def models(small):
    return {"digits": small(seed=5, values=1), "letters": small(seed=5, values=2)}


@pytest.fixture(scope="module")
def saved(models, tmp_path_factory):
    return bnkeras.save_compact(
        models,
        tmp_path_factory.mktemp("tasks") / "export",
        class_names={"digits": [str(i) for i in range(10)]},
        training={"letters": {"result": {"test_accuracy": 0.5}}},
    )


@pytest.fixture
def many(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "many")


def _served(path, task):
    import tensorflow as tf

    return tf.saved_model.load(str(path)).signatures[task](image=IMAGES)["logits"].numpy()


def _size(path):
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def test_each_task_has_a_signature_with_its_own_values(saved, models, logits):
    import tensorflow as tf

    signatures = tf.saved_model.load(str(saved)).signatures
    assert set(signatures) == {"serving_default", "digits", "letters"}
    wanted = {task: logits(model, IMAGES) for task, model in models.items()}
    wanted["serving_default"] = wanted["digits"]
    assert not np.array_equal(wanted["digits"], wanted["letters"])
    for task, values in wanted.items():
        np.testing.assert_array_equal(signatures[task](image=IMAGES)["logits"], values)


def test_the_loader_of_tensorflow_1_serves_them(saved, models, logits):
    import tensorflow as tf

    given = {}
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        graph = tf.compat.v1.saved_model.load(session, ["serve"], str(saved))
        for task in models:
            signature = graph.signature_def[task]
            given[task] = session.run(
                signature.outputs["logits"].name, {signature.inputs["image"].name: IMAGES}
            )
    for task, model in models.items():
        np.testing.assert_array_equal(given[task], logits(model, IMAGES))


def test_saved_again_by_plain_tensorflow(saved, models, logits, tmp_path):
    import tensorflow as tf

    loaded = tf.saved_model.load(str(saved))
    tf.saved_model.save(loaded, str(tmp_path / "again"), signatures=loaded.signatures)
    for task, model in models.items():
        np.testing.assert_array_equal(_served(tmp_path / "again", task), logits(model, IMAGES))
    assert _size(tmp_path / "again") < 1.7 * _size(saved)


def test_each_task_loads_as_a_model(saved, models):
    for task, model in models.items():
        loaded = bnkeras.load_compact(saved, task=task)
        assert bnkeras.regime_of(loaded) == "bnonly"
        for before, after in zip(model.variables, loaded.variables, strict=True):
            np.testing.assert_array_equal(after.numpy(), before.numpy())
    assert read_manifest(saved, "digits").class_names == tuple("0123456789")
    assert read_manifest(saved, "letters").training == {"result": {"test_accuracy": 0.5}}


def test_the_random_weights_are_there_once(saved):
    import tensorflow as tf

    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        graph = tf.compat.v1.saved_model.load(session, ["serve"], str(saved)).graph_def
    kernels = {
        node.attr["shared_name"].s
        for function in graph.library.function
        for node in function.node_def
        if node.op == "VarHandleOp" and len(node.attr["shape"].shape.dim) == 4
    }
    assert len(kernels) == 8


def test_verify_checks_all_or_one(saved):
    assert bnkeras.verify_compact(saved)["variables"] == 2 * 47
    checked = bnkeras.verify_compact(saved, task="letters")
    assert (checked["variables"], checked["largest_difference"]) == (47, 0.0)


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (None, "Say which: the export has the tasks digits, letters"),
        ("leters", "No task 'leters': the export has the tasks digits, letters. Did you mean"),
    ],
)
def test_a_task_has_to_be_named(saved, task, message):
    with pytest.raises(InputError, match=message):
        bnkeras.load_compact(saved, task=task)


def test_an_export_of_one_network_has_no_tasks(pristine, small):
    with pytest.raises(InputError, match="has no tasks; received the task 'digits'"):
        bnkeras.load_compact(pristine, task="digits")
    with pytest.raises(ExportError, match="is an export of one network, without tasks"):
        bnkeras.add_task(pristine, "more", small(seed=5))


def test_a_new_task_leaves_all_other_files(many, models, small, logits):
    added = small(seed=5, values=3)
    before = {file: (file.stat().st_ino, file.read_bytes()) for file in many.rglob("*.bin")}
    further = many / "assets.extra" / "tf_serving_warmup_requests"
    further.write_bytes(b"requests")
    size = _size(many)
    assert bnkeras.add_task(many, "signs", added, class_names=["a", "b"]) == many
    for file, (inode, content) in before.items():
        assert file.read_bytes() == content
        assert file.stat().st_ino == inode, "the file was written again"
    assert further.read_bytes() == b"requests"
    for task, model in {**models, "signs": added}.items():
        np.testing.assert_array_equal(_served(many, task), logits(model, IMAGES))
        loaded = bnkeras.load_compact(many, task=task)
        np.testing.assert_array_equal(logits(loaded, IMAGES), logits(model, IMAGES))
    assert read_manifest(many, "digits").class_names == tuple("0123456789")
    assert len(read_whole_manifest(many).networks) == 1
    own = read_manifest(many, "signs").of("stored")
    assert _size(many) - size < sum(row.bytes for row in own) + 5_500


def test_tasks_may_have_other_heads(many, models, trained, logits):
    """Another number of classes, and an output layer that was trained."""
    heads = {
        "pairs": trained(depth=8, input_shape=(8, 8, 1), seed=5, classes=2, values=4),
        "taught": trained(depth=8, input_shape=(8, 8, 1), seed=5, regime="bnoutput", values=5),
    }
    for task, model in heads.items():
        bnkeras.add_task(many, task, model)
    assert len(read_whole_manifest(many).networks) == 3
    for task, model in {**models, **heads}.items():
        np.testing.assert_array_equal(_served(many, task), logits(model, IMAGES))
    assert bnkeras.regime_of(bnkeras.load_compact(many, task="taught")) == "bnoutput"
    assert bnkeras.verify_compact(many)["largest_difference"] == 0.0


def test_a_task_is_replaced_only_when_asked_to(many, models, small, logits):
    newer = small(seed=5, values=6)
    with pytest.raises(ExportError, match=r"has a task .digits. already\. Choose another name, or"):
        bnkeras.add_task(many, "digits", newer)
    bnkeras.add_task(many, "digits", newer, replace=True)
    np.testing.assert_array_equal(_served(many, "digits"), logits(newer, IMAGES))
    np.testing.assert_array_equal(_served(many, "letters"), logits(models["letters"], IMAGES))
    # The first task is the default one.
    assert read_whole_manifest(many).names == ["digits", "letters"]
    np.testing.assert_array_equal(_served(many, "serving_default"), logits(newer, IMAGES))


def test_a_network_that_no_task_has_any_more_goes(many, models, trained, logits):
    pairs = trained(depth=8, input_shape=(8, 8, 1), seed=5, classes=2, values=4)
    bnkeras.add_task(many, "pairs", pairs)
    bnkeras.add_task(many, "digits", pairs, replace=True)
    bnkeras.add_task(many, "letters", pairs, replace=True)
    assert len(read_whole_manifest(many).networks) == 1
    np.testing.assert_array_equal(_served(many, "letters"), logits(pairs, IMAGES))
    assert bnkeras.verify_compact(many)["largest_difference"] == 0.0


def test_two_who_add_at_a_time_lose_nothing(many, small, tmp_path, monkeypatch):
    from bnkeras.compact.tasks import task

    theirs = bnkeras.add_task(shutil.copytree(many, tmp_path / "theirs"), "theirs", small(seed=5))
    mine = small(seed=5, values=4)
    save = task.save_module

    def meanwhile(*arguments):
        save(*arguments)
        shutil.rmtree(many)
        shutil.copytree(theirs, many)

    monkeypatch.setattr(task, "save_module", meanwhile)
    with pytest.raises(ExportError, match="changed by somebody else while the task 'mine' was"):
        bnkeras.add_task(many, "mine", mine)
    monkeypatch.undo()
    assert read_whole_manifest(many).names == ["digits", "letters", "theirs"]
    bnkeras.add_task(many, "mine", mine)
    assert read_whole_manifest(many).names == ["digits", "letters", "theirs", "mine"]


@pytest.mark.parametrize(
    "name", ["", "1", "a b", "é", "serving_default", "my_network", "../x", "a" * 65, None]
)
def test_a_name_that_no_signature_has(many, models, name):
    with pytest.raises(InputError, match="A task is called by a letter, then up to 63"):
        bnkeras.add_task(many, name, models["digits"])


def test_another_seed_is_refused(many, models, small, tmp_path):
    other = small(seed=6)
    message = "Tasks of one export are over one seed"
    with pytest.raises(ExportError, match=message):
        bnkeras.add_task(many, "other", other)
    with pytest.raises(ExportError, match=message):
        bnkeras.save_compact({"one": models["digits"], "other": other}, tmp_path / "export")
    assert [path.name for path in tmp_path.iterdir()] == ["many"]


def test_what_is_said_of_tasks_is_said_by_task(models, tmp_path):
    with pytest.raises(ExportError, match="class_names is a dictionary by task, of digits, lett"):
        bnkeras.save_compact(models, tmp_path / "export", class_names=["a", "b"])
    with pytest.raises(ExportError, match="received an empty dictionary"):
        bnkeras.save_compact({}, tmp_path / "export")


def test_a_failure_leaves_the_export(many, models, small, monkeypatch):
    before = {file: file.read_bytes() for file in many.rglob("*") if file.is_file()}

    def fail(*arguments, **keywords):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "link", fail)  # a file system without links is none
    monkeypatch.setattr("bnkeras.compact.tasks.task.save_module", fail)
    with pytest.raises(ExportError, match="No space left on device"):
        bnkeras.add_task(many, "signs", small(seed=5, values=3))
    assert {file: file.read_bytes() for file in many.rglob("*") if file.is_file()} == before
    assert [path.name for path in many.parent.iterdir()] == ["many"]


def test_without_links_copies_will_do(many, models, small, monkeypatch, logits):
    def fail(*arguments):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", fail)
    bnkeras.add_task(many, "signs", small(seed=5, values=3))
    np.testing.assert_array_equal(_served(many, "letters"), logits(models["letters"], IMAGES))


def test_changed_values_are_named_and_not_served(many):
    import tensorflow as tf

    manifest = read_manifest(many, "letters")
    file = many / manifest.stored.file
    content = bytearray(file.read_bytes())
    row = manifest.stored_rows[1]
    content[manifest.stored_rows[0].bytes + 2] ^= 8
    file.write_bytes(content)
    with pytest.raises(ExportError, match=f"and the values of '{row.path}' changed"):
        bnkeras.load_compact(many, task="digits")
    with pytest.raises(tf.errors.InvalidArgumentError, match="The values of a task have changed"):
        tf.saved_model.load(str(many))


def test_fronts_are_given_again(models, small, tmp_path, logits):
    import tensorflow as tf

    class Bytes(tf.Module):
        spec = tf.TensorSpec([None, 8, 8, 1], tf.uint8, "image")

        def __call__(self, images):
            return tf.cast(images, tf.float32) / 16

    path = bnkeras.save_compact(
        models,
        tmp_path / "export",
        front={"letters": Bytes()},
        class_names={"letters": list("abcdefghij")},
    )
    with pytest.raises(ExportError, match=r"fronts, by task: of letters\. Received none"):
        bnkeras.add_task(path, "signs", small(seed=5, values=3))
    bnkeras.add_task(path, "signs", small(seed=5, values=3), fronts={"letters": Bytes()})
    raw = np.random.default_rng(1).integers(0, 17, (4, 8, 8, 1)).astype(np.uint8)
    signatures = tf.saved_model.load(str(path)).signatures
    assert set(signatures) == {"serving_default", "digits", "letters", "letters_network", "signs"}
    given = signatures["letters"](image=raw)
    wanted = logits(models["letters"], raw.astype(np.float32) / 16)
    np.testing.assert_array_equal(given["logits"], wanted)
    labels = ["abcdefghij"[best].encode() for best in wanted.argmax(axis=1)]
    assert given["labels"].numpy().tolist() == labels
    names = [record.name for record in read_manifest(path, "letters").outputs]
    assert names == ["logits", "probabilities", "labels"]


def test_a_front_of_several_tasks_is_in_the_graph_once(models, tmp_path):
    import tensorflow as tf

    class Wide(tf.Module):
        spec = tf.TensorSpec([None, 8, 8, 1], tf.uint8, "image")

        def __call__(self, images):
            # Not what an optimizer would share: 4 KB of the graph.
            return tf.cast(images, tf.float32) + tf.constant(np.arange(1000) / 7e5, tf.float32)[500]

    def size(name, one, other):
        fronts = {"digits": one, "letters": other}
        return _size(bnkeras.save_compact(models, tmp_path / name, front=fronts))

    one, other = Wide(), Wide()
    assert size("apart", one, other) - size("shared", one, one) > 4000


def test_in_half_the_bytes(models, small, tmp_path):
    path = bnkeras.save_compact(models, tmp_path / "export", storage="float16")
    bnkeras.add_task(path, "signs", small(seed=5, values=3))
    manifest = read_whole_manifest(path)
    assert len(manifest.networks) == 1
    stored = manifest.task("signs").of("stored")
    assert manifest.files[manifest.tasks[2].file].bytes == sum(row.bytes for row in stored)
    assert {row.dtype for row in stored} == {"float16", "float32"}
    assert bnkeras.verify_compact(path)["largest_difference"] == 0.0


def test_they_share_external_weights(trained, tmp_path):
    networks = {}
    for task in ("first", "second"):
        model = trained("tweet_lstm", vocabulary_size=40, embedding=8, units=6, seed=2)
        table = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)
        model.get_layer("embedding").embeddings.assign(table)
        networks[task] = model
    gamma = networks["second"].trainable_variables[0]
    gamma.assign(gamma + 1)
    path = bnkeras.save_compact(networks, tmp_path / "export", external=["embedding/*"])
    assert bnkeras.verify_compact(path)["largest_difference"] == 0.0
    bnkeras.add_task(path, "third", networks["second"])
    assert bnkeras.verify_compact(path)["largest_difference"] == 0.0
    embeddings = networks["second"].get_layer("embedding").embeddings
    embeddings.assign(embeddings + 1)
    with pytest.raises(ExportError, match="external weights of the new task are not those of"):
        bnkeras.add_task(path, "fourth", networks["second"])


@pytest.mark.parametrize("storage", ["float32", "float16"])
def test_models_of_another_origin(tmp_path, storage):
    """Two tasks are built of one configuration; the network has no variable to store."""
    import keras

    inputs = keras.Input((32,), name="x")
    model = keras.Model(inputs, keras.layers.Dense(32, use_bias=False, name="dense")(inputs))
    bnkeras.reseed(model, 3)
    path = bnkeras.save_compact({"one": model, "two": model}, tmp_path / "e", storage=storage)
    assert bnkeras.verify_compact(path)["largest_difference"] == 0.0
    with pytest.raises(InputError, match=r"A model is filled with one task; .* has one, two"):
        bnkeras.verify_compact(path, into=model)
    assert bnkeras.verify_compact(path, task="two", into=model)["largest_difference"] == 0.0


def test_external_weights_stay_frozen_after_a_selection_by_hand(tmp_path):
    import keras

    def model(classes):
        inputs = keras.Input((16,), name="x")
        hidden = keras.layers.Dense(8, name="back", kernel_initializer="ones")(inputs)
        outputs = keras.layers.Dense(classes, name="head")(hidden)
        rules = [("head/kernel", "train"), ("*", "freeze")]
        return bnkeras.set_regime(keras.Model(inputs, outputs, name="model"), rules)

    path = bnkeras.save_compact({"two": model(2)}, tmp_path / "e", external=["back/kernel"])
    loaded = bnkeras.load_compact(path, task="two")
    trains = [variable.path for variable in loaded.trainable_variables]
    assert trains == ["back/bias", "head/kernel", "head/bias"]
    bnkeras.add_task(path, "three", model(3))
    assert bnkeras.verify_compact(path)["largest_difference"] == 0.0


def test_names_that_some_file_systems_do_not_tell_apart(many, models, tmp_path):
    with pytest.raises(InputError, match=r"differ in more than capitals, .*; received Digits, d"):
        bnkeras.add_task(many, "Digits", models["digits"])
    with pytest.raises(InputError, match="differ in more than capitals"):
        bnkeras.save_compact({"a": models["digits"], "A": models["letters"]}, tmp_path / "new")


def _second(**values):
    return lambda manifest: manifest["tasks"][1].update(values)


def _one_more_network(manifest):
    manifest["networks"].append(manifest["networks"][0])


def _longer_file(manifest):
    manifest["files"]["assets/task_letters.bin"]["bytes"] += 4


def _many_tasks(manifest):
    one = manifest["tasks"][0]
    for number in range(5000):
        task = {**one, "name": f"t{number}", "file": f"assets/task_t{number}.bin"}
        manifest["tasks"].append(task)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_second(file="assets/task_digits.bin"), "letters has the file 'assets/task_digits.bin'"),
        (_second(file="saved_model.pb"), "letters has the file 'saved_model.pb'"),
        (_second(name="digits"), "a name occurs twice"),
        (_second(name="DIGITS"), "a name occurs twice"),
        (_second(name="my_network"), "no task is called 'my_network'"),
        (_second(network=1), "they are not those of the tasks"),
        (_second(network=-1), "greater than or equal to 0"),
        (_second(digests="AAAA"), "letters has not 38 digests"),
        (_second(digests="?"), "tasks: "),
        (_one_more_network, "they are not those of the tasks"),
        (_longer_file, "assets/task_letters.bin has other bytes than letters"),
        (_many_tasks, "at most 4096 items"),
        (lambda manifest: manifest.update(seed=-1), "seed: Input should be greater than"),
        (lambda manifest: manifest.update(tasks=[]), "at least 1 item"),
    ],
)
def test_a_forged_manifest_is_refused(many, forge, change, message):
    forge(many, change)
    with pytest.raises(ExportError) as caught:
        bnkeras.load_compact(many, task="letters")
    assert "is damaged: " in str(caught.value)
    assert message in str(caught.value)
