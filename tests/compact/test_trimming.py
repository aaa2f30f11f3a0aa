"""A trimmed SavedModel is smaller, and computes the same bits."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from bnkeras.compact.graph.trimming import trim

_CALLS = {"PartitionedCall", "StatefulPartitionedCall", "If", "While"}
_EMPTY = ("_collective_manager_ids", "_read_only_resource_inputs")


class Everything(tf.Module):
    """A table from a file, a variable, a loop, a branch, and resources inside functions."""

    def __init__(self, words):
        super().__init__()
        initializer = tf.lookup.TextFileInitializer(
            words, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, -1
        )
        self.table = tf.lookup.StaticHashTable(initializer, -1)
        random = np.random.default_rng(0)
        self.weights = tf.Variable(random.normal(size=(4, 3)).astype(np.float32))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text")])
    def ids(self, text):
        ids = self.table.lookup(text)
        with tf.compat.v1.colocate_with(ids):
            doubled = tf.identity(ids) * 2
        return {"ids": ids, "doubled": doubled}

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, "image")])
    def scores(self, image):
        def step(i, x):
            return i + 1, tf.tanh(tf.matmul(x, self.weights @ tf.transpose(self.weights)))

        _, x = tf.while_loop(lambda i, _: i < 3, step, [0, image])
        x = tf.cond(tf.reduce_sum(x) > 0, lambda: x * 3.0, lambda: x - 1.0)
        unnamed = [tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=[]) for _ in range(2)]
        for value, handle in enumerate(unnamed):
            tf.raw_ops.AssignVariableOp(resource=handle, value=float(value))
        one, two = (tf.raw_ops.ReadVariableOp(resource=h, dtype=tf.float32) for h in unnamed)
        return {"scores": tf.matmul(x, self.weights) + 10.0 * one + two}

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, "image")])
    def smooth(self, image):
        # Its gradient is saved with it, and names a tensor of this function.
        return tf.nn.silu(tf.matmul(image, self.weights))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("everything")
    (folder / "words.txt").write_text("red\ngreen\nblue")
    module = Everything(str(folder / "words.txt"))
    tf.saved_model.save(module, str(folder / "saved"), {"ids": module.ids, "scores": module.scores})
    return folder / "saved"


@pytest.fixture(scope="module")
def trimmed(saved):
    folder = saved.with_name("trimmed")
    shutil.copytree(saved, folder)
    trim(folder)
    return folder


def _graph(folder):
    (graph,) = SavedModel.FromString((folder / "saved_model.pb").read_bytes()).meta_graphs
    return graph


def _functions(folder):
    return {f.signature.name: f for f in _graph(folder).graph_def.library.function}


def _inputs():
    image = np.random.default_rng(1).normal(size=(5, 4)).astype(np.float32)
    return {"ids": {"text": np.array([b"blue", b"black", b"red"])}, "scores": {"image": image}}


def _outputs(folder):
    loaded = tf.saved_model.load(str(folder))
    return {
        name: {
            key: value.numpy()
            for key, value in loaded.signatures[name](
                **{key: tf.constant(value) for key, value in inputs.items()}
            ).items()
        }
        for name, inputs in _inputs().items()
    }


def _outputs_in_a_session(folder):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        graph = tf.compat.v1.saved_model.load(session, ["serve"], str(folder))
        outputs = {}
        for name, inputs in _inputs().items():
            signature = graph.signature_def[name]
            fetches = {key: info.name for key, info in signature.outputs.items()}
            feed = {signature.inputs[key].name: value for key, value in inputs.items()}
            outputs[name] = session.run(fetches, feed)
    return outputs


def _assert_same(given, wanted):
    assert given["ids"]["ids"].tolist() == [2, -1, 0]
    for name, outputs in wanted.items():
        assert set(given[name]) == set(outputs)
        for key, values in outputs.items():
            assert given[name][key].tobytes() == values.tobytes()


def test_same_bits(saved, trimmed):
    wanted = _outputs(saved)
    assert wanted["scores"]["scores"].std() > 0
    _assert_same(_outputs(trimmed), wanted)
    _assert_same(_outputs_in_a_session(trimmed), wanted)


def test_smaller(saved, trimmed):
    before, after = (len((folder / "saved_model.pb").read_bytes()) for folder in (saved, trimmed))
    assert after < 0.75 * before


def test_saved_again(saved, trimmed, tmp_path):
    loaded = tf.saved_model.load(str(trimmed))
    tf.saved_model.save(loaded, str(tmp_path / "again"), signatures=loaded.signatures)
    _assert_same(_outputs(tmp_path / "again"), _outputs(saved))
    before, again = (_graph(folder).ByteSize() for folder in (saved, tmp_path / "again"))
    assert again < 1.2 * before


def test_gradients_come_along(saved, trimmed):
    image = tf.constant(_inputs()["scores"]["image"])
    gradients = []
    for folder in (saved, trimmed):
        loaded = tf.saved_model.load(str(folder))
        with tf.GradientTape() as tape:
            tape.watch(image)
            outputs = loaded.smooth(image)
        gradients.append(tape.gradient(outputs, image).numpy())
    assert np.abs(gradients[0]).max() > 0
    np.testing.assert_allclose(*gradients, rtol=1e-6)


def test_signatures_keep_names_and_shapes(saved, trimmed):
    one, two = (tf.saved_model.load(str(folder)).signatures for folder in (saved, trimmed))
    assert set(one) == set(two) == {"ids", "scores"}
    for name in one:
        assert one[name].structured_input_signature == two[name].structured_input_signature
        assert one[name].structured_outputs == two[name].structured_outputs
    assert two["scores"].structured_outputs["scores"].shape == [None, 3]


def test_what_stays(saved, trimmed):
    before, after = _graph(saved), _graph(trimmed)
    for graph in (before, after):
        graph.meta_info_def.ClearField("stripped_op_list")
        graph.graph_def.library.ClearField("function")
        for node in graph.graph_def.node:
            for name in (*_EMPTY, "_output_shapes"):
                node.attr.pop(name, None)
    assert before == after
    one, two = _functions(saved), _functions(trimmed)
    assert list(one) == list(two)
    for name, function in one.items():
        assert function.signature.input_arg == two[name].signature.input_arg
        assert function.signature.output_arg == two[name].signature.output_arg
        assert [n.op for n in function.node_def] == [n.op for n in two[name].node_def]


def test_names(trimmed):
    unnamed = set()
    for function in _functions(trimmed).values():
        names = [node.name for node in function.node_def]
        taken = {argument.name for argument in function.signature.input_arg}
        assert len(set(names)) == len(names)
        assert not taken & set(names)
        for node in function.node_def:
            if node.op == "VarHandleOp" and not node.attr["shared_name"].s:
                unnamed.add(node.name)
            else:
                assert len(node.name) <= 3 or "smooth" in function.signature.name
    # The names of the nodes are those of the resources.
    assert unnamed == {"VarHandleOp", "VarHandleOp_1"}


def test_shapes_stay_where_loaders_do_not_infer_them(saved, trimmed):
    def shaped(folder):
        graph = _graph(folder).graph_def
        nodes = [*graph.node, *(node for f in graph.library.function for node in f.node_def)]
        return {n.op.removeprefix("Stateless") for n in nodes if "_output_shapes" in n.attr}

    assert {"MatMul", "If", "While", "StatefulPartitionedCall"} <= shaped(saved)
    assert {"If", "While", "StatefulPartitionedCall"} <= shaped(trimmed) <= _CALLS


def test_places_follow_the_names(saved, trimmed):
    def placed(folder):
        for function in _functions(folder).values():
            ops = {node.name: node.op for node in function.node_def}
            for node in function.node_def:
                for place in node.attr["_class"].list.s if "_class" in node.attr else ():
                    yield node.op, ops[place.decode().removeprefix("loc:@")]

    assert list(placed(saved))
    assert list(placed(trimmed)) == list(placed(saved))


def test_fingerprint(saved, trimmed):
    read = tf.saved_model.experimental.read_fingerprint
    before, after = read(str(saved)), read(str(trimmed))
    assert before.saved_model_checksum != after.saved_model_checksum
    assert before.checkpoint_hash == after.checkpoint_hash


def test_the_same_bytes_each_time(saved, trimmed, tmp_path):
    shutil.copytree(saved, tmp_path / "other")
    for _ in range(2):  # the second time there is nothing left to trim
        trim(tmp_path / "other")
        other = (tmp_path / "other" / "saved_model.pb").read_bytes()
        assert other == (trimmed / "saved_model.pb").read_bytes()
    names = sorted(path.name for path in (tmp_path / "other").iterdir())
    assert names == sorted(path.name for path in saved.iterdir())


def test_the_list_of_operations_stays_where_defaults_were_not_left_out(saved, tmp_path):
    folder = Path(shutil.copytree(saved, tmp_path / "saved"))
    whole = SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    whole.meta_graphs[0].meta_info_def.stripped_default_attrs = False
    (folder / "saved_model.pb").write_bytes(whole.SerializeToString())
    trim(folder)
    kept = _graph(folder).meta_info_def.stripped_op_list
    assert kept == whole.meta_graphs[0].meta_info_def.stripped_op_list
    _assert_same(_outputs(folder), _outputs(saved))


def test_without_a_graph_nothing_happens(tmp_path):
    (tmp_path / "saved_model.pbtxt").write_text("saved_model_schema_version: 1")
    trim(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["saved_model.pbtxt"]


def test_saved_model_of_tensorflow_1(tmp_path):
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None])
        v1.saved_model.simple_save(session, str(tmp_path / "old"), {"x": x}, {"y": x + 1})
    before = (tmp_path / "old" / "saved_model.pb").stat().st_size
    trim(tmp_path / "old")
    assert (tmp_path / "old" / "saved_model.pb").stat().st_size <= before
    loaded = tf.saved_model.load(str(tmp_path / "old"))
    (y,) = loaded.signatures["serving_default"](tf.constant([1.5, 2.5])).values()
    assert y.numpy().tolist() == [2.5, 3.5]
