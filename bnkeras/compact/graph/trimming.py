"""Making the graph of a SavedModel smaller without changing what it computes."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from tensorflow.core.framework.function_pb2 import FunctionDef
from tensorflow.core.framework.node_def_pb2 import NodeDef
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow.python.framework import op_def_registry
from tensorflow.python.saved_model.fingerprinting_utils import write_fingerprint

_FIRST = "abcdefghijklmnopqrstuvwxyz"
_REST = _FIRST + "0123456789"

# What an operation finds its resource by. Without one it goes by the name of its node.
_NAMES_OF_RESOURCES = ("shared_name", "var_name")

# Where these lists are empty they say what their absence says.
_LISTS = ("_collective_manager_ids", "_read_only_resource_inputs")


def trim(folder: Path) -> None:
    """Rewrite the SavedModel in `folder` smaller; it computes the same.

    - Nodes inside functions get short names, but for those whose resource is called as the
      node is, and those that gradients know. TensorFlow's optimizer can go by names where it
      orders sums, and change last bits with that.
    - Outputs lose their shapes, which loaders infer, but for those of calls of functions,
      which they do not: so those of signatures stay known, and only what was set by hand
      inside a function is forgotten.
    - The lists that TensorFlow attaches to calls go where they are empty.
    - The list of the operations in use goes where attributes of default value were left
      out, as `tf.saved_model.save` does: to leave them out is all that loaders read it for.

    Names of functions, arguments, outputs and of the nodes outside of functions stay as
    they are, as do signatures, objects and variables. What changes are the names of nodes
    in profiles and in the errors of TensorFlow. The fingerprint is written anew.

    Saved again by TensorFlow, the SavedModel has its shapes and its list again.

    Args:
        folder: a SavedModel. One without `saved_model.pb`, as those of more than 2 GB
            or in text are, stays as it is, and so does one that is trimmed already.

    Example:
        >>> tf.saved_model.save(module, "saved_models/mine")
        >>> trim(Path("saved_models/mine"))
    """
    file = folder / "saved_model.pb"
    if not file.is_file():
        return
    whole = file.read_bytes()
    saved = SavedModel.FromString(whole)
    for graph in saved.meta_graphs:
        _trim_graph(graph)
    trimmed = saved.SerializeToString(deterministic=True)
    if len(trimmed) < len(whole):
        file.write_bytes(trimmed)
        if (folder / "fingerprint.pb").exists():
            write_fingerprint(str(folder))


def _trim_graph(graph: MetaGraphDef) -> None:
    functions = graph.graph_def.library.function
    known = _captured(graph)
    for function in functions:
        _shorten_names(function, known[function.signature.name])
    for nodes in (graph.graph_def.node, *(function.node_def for function in functions)):
        for node in nodes:
            _drop_attributes(node)
    if graph.meta_info_def.stripped_default_attrs:
        graph.meta_info_def.ClearField("stripped_op_list")


def _captured(graph: MetaGraphDef) -> dict[str, set[str]]:
    """Return the nodes that gradients refer to by name, by their function.

    A function with a gradient of its own, such as that of `tf.nn.silu`, is saved with it.
    """
    nodes = defaultdict(set)
    for item in graph.object_graph_def.nodes:
        if item.HasField("captured_tensor"):
            tensor = item.captured_tensor
            nodes[tensor.concrete_function].add(tensor.name.partition(":")[0])
    return nodes


def _shorten_names(function: FunctionDef, known: set[str]) -> None:
    """Give the nodes of `function` short names but those `known` elsewhere."""
    kept = known | {argument.name for argument in function.signature.input_arg}
    kept |= {node.name for node in function.node_def if not _is_renamable(node)}
    fresh = (name for name in _names() if name not in kept)
    short = {node.name: next(fresh) for node in function.node_def if node.name not in kept}
    for node in function.node_def:
        node.name = short.get(node.name, node.name)
        node.input[:] = [_renamed(reference, short) for reference in node.input]
        if "_class" in node.attr:
            places = node.attr["_class"].list.s
            places[:] = [_renamed_place(place, short) for place in places]
    # A copy: a map of a protobuf cannot be changed while it is read.
    for result, reference in dict(function.ret).items():
        function.ret[result] = _renamed(reference, short)
    _shorten_ends(function, short)


def _shorten_ends(function: FunctionDef, short: dict[str, str]) -> None:
    """Rename the nodes that `function` waits for; where it can be, their labels are the names."""
    ends = {label: short.get(name, name) for label, name in function.control_ret.items()}
    function.control_ret.clear()
    if len(set(ends.values())) < len(ends):
        function.control_ret.update(ends)
        return
    labels = function.signature.control_output
    labels[:] = [ends[label] for label in labels]
    function.control_ret.update({name: name for name in ends.values()})


def _is_renamable(node: NodeDef) -> bool:
    """Whether nothing but its own function knows `node` by its name."""
    operation = op_def_registry.get(node.op)
    return operation is not None and all(
        attribute.name not in _NAMES_OF_RESOURCES or _text(node, attribute.name)
        for attribute in operation.attr
    )


def _text(node: NodeDef, name: str) -> bytes:
    return node.attr[name].s if name in node.attr else b""


def _names() -> Iterator[str]:
    """Yield a, b, …, z, aa, ba, …: names of nodes, the shortest first."""
    for number in count():
        rest, first = divmod(number, len(_FIRST))
        name = _FIRST[first]
        while rest:
            rest, digit = divmod(rest - 1, len(_REST))
            name += _REST[digit]
        yield name


def _renamed(reference: str, short: dict[str, str]) -> str:
    """Return an input, `node:output:0` or `^node`, with the new name of its node."""
    control = "^" if reference.startswith("^") else ""
    name, colon, output = reference.removeprefix("^").partition(":")
    return f"{control}{short.get(name, name)}{colon}{output}"


def _renamed_place(place: bytes, short: dict[str, str]) -> bytes:
    """Return `loc:@node`, what a node is placed beside, with the new name."""
    prefix, at, name = place.decode().partition("@")
    return f"{prefix}{at}{short.get(name, name)}".encode()


def _drop_attributes(node: NodeDef) -> None:
    if "_output_shapes" in node.attr and _are_inferred(node):
        del node.attr["_output_shapes"]
    for name in _LISTS:
        if name in node.attr and not node.attr[name].list.ByteSize():
            del node.attr[name]


def _are_inferred(node: NodeDef) -> bool:
    """Whether a loader that is not told the shapes of the outputs of `node` knows as much."""
    if all(shape.unknown_rank for shape in node.attr["_output_shapes"].list.shape):
        return True
    calls = any(value.HasField("func") or value.list.func for value in node.attr.values())
    return not calls and op_def_registry.get(node.op) is not None
