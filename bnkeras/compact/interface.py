"""How a network is called: its inputs and outputs by name."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from textwrap import shorten
from typing import Any

import keras

from bnkeras.compact.manifest.records import TensorRecord
from bnkeras.errors import ExportError
from bnkeras.models.variables import layers_of

# Names that Keras gives, which differ from one process to the next.
_AUTOMATIC = re.compile(r"(input_layer|keras_tensor|input)(_\d+)?")


class Interface:
    """The inputs of a network by name, whatever structure it takes them in.

    An input is called as its `keras.Input` is; where that has no name of its own, `image`
    for four axes, `tokens` for integers and else `inputs`. An output is called as the
    layer that it is of, and `outputs`, or `output_0` and so on, where that has none.

    Args:
        model: a built network.
        classifier: whether its output are logits, whose softmax is an output too.

    Raises:
        ExportError: the inputs are not known, or not dense tensors.
    """

    def __init__(self, model: keras.Model, classifier: bool):
        self._model = model
        self._classifier = classifier
        self._structure = _structure(model)
        leaves = keras.tree.flatten(self._structure)
        if any(leaf.sparse or leaf.ragged for leaf in leaves):
            raise ExportError(f"The inputs of an export are dense; {model.name!r} takes others.")
        names = _distinct([_input_name(leaf) for leaf in leaves], "input")
        self.inputs = tuple(
            TensorRecord(name=name, dtype=leaf.dtype, shape=tuple(leaf.shape))
            for name, leaf in zip(names, leaves, strict=True)
        )

    def check(self, given: Any) -> None:
        """Raise ExportError if `given`, the tensors of a front, are not what the network takes."""
        flat = keras.tree.flatten(given)
        if len(flat) != len(self.inputs) or not all(map(_fits, self.inputs, flat)):
            gives = ", ".join(f"{tensor.dtype.name} {tuple(tensor.shape)}" for tensor in flat)
            takes = ", ".join(f"{record.dtype} {record.shape}" for record in self.inputs)
            raise ExportError(f"The front gives {gives}; {self._model.name!r} takes {takes}.")

    def named(self, given: Any) -> dict[str, Any]:
        """Return `given`, which the network itself takes, by name and in the recorded types."""
        flat = keras.tree.flatten(given)
        return {
            record.name: keras.ops.cast(tensor, record.dtype)
            for record, tensor in zip(self.inputs, flat, strict=True)
        }

    def call(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Return the outputs by name for inputs by name."""
        flat = [inputs[record.name] for record in self.inputs]
        inputs = keras.tree.pack_sequence_as(self._structure, flat)
        with _without_cudnn(self._model):
            outputs = self._model(inputs, training=False)
        if self._classifier:
            return {"logits": outputs, "probabilities": keras.ops.softmax(outputs)}
        flat = keras.tree.flatten(outputs)
        if isinstance(outputs, dict) and len(flat) == len(outputs):
            names, flat = map(list, zip(*outputs.items(), strict=True))
        else:
            names = _output_names(self._model, len(flat))
        return dict(zip(_distinct(names, "output"), flat, strict=True))


@contextmanager
def _without_cudnn(model: keras.Model) -> Iterator[None]:
    """Let recurrent layers use what every device has: on a GPU they trace what only GPUs have."""
    before = [(layer, layer.use_cudnn) for layer in layers_of(model) if hasattr(layer, "use_cudnn")]
    try:
        for layer, _ in before:
            layer.use_cudnn = False
        yield
    finally:
        for layer, value in before:
            layer.use_cudnn = value


def _structure(model: keras.Model) -> Any:
    """Return the symbolic inputs of `model`, in the structure that it takes."""
    declared = _declared(model)
    if declared is not None:
        return declared
    # What was built by a call knows no more than the shape: of one tensor, without its type.
    shape = (model.get_build_config() or {}).get("input_shape")
    if not shape or not all(size is None or isinstance(size, int) for size in shape):
        raise _unknown(model, "Keras has the shape of no single tensor")
    # Nothing else traces: there, the model is of an export that was checked when it was written.
    if keras.backend.backend() == "tensorflow":
        _check_floats(model, (None, *shape[1:]))
    return keras.KerasTensor((None, *shape[1:]), "float32", name="keras_tensor")


def _declared(model: keras.Model) -> Any:
    """Return the symbolic inputs that `model` was made or called with; None without such."""
    try:
        if not isinstance(model, keras.Sequential):
            return model.input
        # Without calls a Sequential has no `input`.
        (inputs,) = model.inputs
    except (AttributeError, ValueError):
        return None
    # Where the list does not begin with an Input, Keras makes one up. It is of floats, and has
    # the batch of the first call or the shape of the model that the list begins with.
    made_up = inputs.shape[0] is not None or isinstance(model.layers[0], keras.Model)
    return None if made_up and inputs.dtype.startswith(("float", "bfloat")) else inputs


def _check_floats(model: keras.Model, shape: tuple[int | None, ...]) -> None:
    """Raise ExportError unless `model` computes with float32 of this shape as they are."""
    import tensorflow as tf

    def call(inputs):
        with keras.StatelessScope():
            return model(inputs, training=False)

    try:
        traced = tf.function(call, autograph=False).get_concrete_function(tf.TensorSpec(shape))
    except Exception as error:  # the code of a model can raise anything
        reason = f"it cannot be called on float32 {shape} ({shorten(str(error), 300)})"
        raise _unknown(model, reason) from error
    if _becomes_integers(traced.inputs[0]):
        raise _unknown(model, "it takes integers, and Keras does not keep their type")


def _becomes_integers(tensor: Any) -> bool:
    """Whether a traced tensor is cast to integers before anything else, as an Embedding does."""
    return any(
        cast.dtype.is_integer or _becomes_integers(cast)
        for operation in tensor.consumers()
        if operation.type == "Cast"
        for cast in operation.outputs
    )


def _unknown(model: keras.Model, reason: str) -> ExportError:
    return ExportError(
        f"The inputs of {model.name!r} are not known: {reason}. Call it on a batch of one float "
        f"tensor, begin a Sequential with its keras.Input, or make it a functional model: "
        f"keras.Model(inputs, model(inputs)) with inputs = keras.Input(shape, dtype=...)."
    )


def _input_name(leaf: keras.KerasTensor) -> str:
    if not _AUTOMATIC.fullmatch(leaf.name):
        return leaf.name
    if len(leaf.shape) == 4:
        return "image"
    return "tokens" if leaf.dtype.startswith(("int", "uint")) else "inputs"


def _output_names(model: keras.Model, count: int) -> list[str]:
    """Return the names of the layers whose outputs are the model's, where they have names."""
    tensors = getattr(model, "outputs", None) or ()
    layers = [tensor._keras_history.operation for tensor in tensors]
    made_up = [
        re.sub(r"_\d+$", "", layer.name).replace("_", "") == type(layer).__name__.lower()
        for layer in layers
    ]
    if len(layers) != count or any(made_up):
        return ["outputs"] * count
    return [layer.name for layer in layers]


def _distinct(names: list[str], stem: str) -> list[str]:
    """Return names that a signature can have; where two would be the same, `stem_0` and so on."""
    plain = [re.sub(r"\W", "_", str(name), flags=re.ASCII) for name in names]
    if len(set(plain)) < len(plain):
        return [f"{stem}_{index}" for index in range(len(plain))]
    return plain


def _fits(record: TensorRecord, tensor: Any) -> bool:
    """Whether a network takes `tensor` as the input of `record`; Keras casts integers."""
    integers = tensor.dtype.is_integer and record.dtype.startswith(("int", "uint"))
    return (integers or tensor.dtype.name == record.dtype) and tensor.shape.is_compatible_with(
        record.shape
    )
