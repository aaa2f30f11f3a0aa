"""PyTorch as a peer: the same networks in its own modules, trained by its own SGD.

Settings are combinations of `channels_last`, `compile` and `default`, joined by `+`. The
precision bfloat16 is that of `torch.autocast`. What is frozen needs no gradient. For random-k
the kernel in effect is the frozen one with the values that train put in.
"""

import warnings
from collections.abc import Callable, Iterator

import numpy as np
import torch
from networks import NETWORKS, VOCABULARY
from serve import Prepared, Refused, Variant, fastest, serve, timed
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrize

warnings.filterwarnings("ignore")
# Compiled variants are told apart by the network that they close over.
torch._dynamo.config.recompile_limit = 100


def norm(channels: int) -> nn.BatchNorm2d:
    """Return a BatchNorm of images."""
    return nn.BatchNorm2d(channels, eps=1e-5, momentum=0.1)


class Block(nn.Module):
    """A residual block: convolutions of (channels, kernel, stride), and the shortcut."""

    def __init__(self, before: int, convolutions: list[tuple[int, int, int]]):
        super().__init__()
        layers, channels, total = [], before, 1
        for after, kernel, stride in convolutions:
            layers += [
                nn.Conv2d(channels, after, kernel, stride, kernel // 2, bias=False),
                norm(after),
                nn.ReLU(inplace=True),
            ]
            channels, total = after, total * stride
        self.path = nn.Sequential(*layers[:-1])
        self.shortcut = nn.Identity()
        if total > 1 or channels != before:
            self.shortcut = nn.Sequential(
                nn.Conv2d(before, channels, 1, total, bias=False), norm(channels)
            )

    def forward(self, x):
        """Add."""
        return functional.relu(self.path(x) + self.shortcut(x), inplace=True)


def groups(stem: int, counts: tuple[int, ...], bottleneck: bool) -> Iterator[nn.Module]:
    """Yield the blocks of a ResNet, after a stem of `stem` channels."""
    before = stem
    for group, count in enumerate(counts):
        channels = stem << group
        for index in range(count):
            stride = 2 if group and index == 0 else 1
            if bottleneck:
                parts = [(channels, 1, 1), (channels, 3, stride), (4 * channels, 1, 1)]
            else:
                parts = [(channels, 3, stride), (channels, 3, 1)]
            yield Block(before, parts)
            before = parts[-1][0]


def resnet_cifar(depth: int, width: int = 1) -> nn.Module:
    """Return a ResNet of three groups of basic blocks."""
    stem = 16 * width
    return nn.Sequential(
        nn.Conv2d(3, stem, 3, 1, 1, bias=False),
        norm(stem),
        nn.ReLU(inplace=True),
        *groups(stem, ((depth - 2) // 6,) * 3, bottleneck=False),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4 * stem, 10),
    )


def resnet50() -> nn.Module:
    """Return the ImageNet ResNet of bottlenecks."""
    return nn.Sequential(
        nn.Conv2d(3, 64, 7, 2, 3, bias=False),
        norm(64),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2, 1),
        *groups(64, (3, 4, 6, 3), bottleneck=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(2048, 1000),
    )


def vgg16() -> nn.Module:
    """Return the CIFAR VGG of 13 convolutions and one dense layer."""
    layers, before = [], 3
    for group, (channels, count) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))):
        layers += [nn.MaxPool2d(2)] if group else []
        for _ in range(count):
            layers += [nn.Conv2d(before, channels, 3, 1, 1), norm(channels), nn.ReLU(inplace=True)]
            before = channels
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))


def mlp() -> nn.Module:
    """Return the perceptron."""
    layers, before = [nn.Flatten()], 3072
    for units in (1024, 512, 256):
        layers += [nn.Linear(before, units), nn.BatchNorm1d(units), nn.ReLU(inplace=True)]
        before = units
    return nn.Sequential(*layers, nn.Linear(before, 10))


class TweetLSTM(nn.Module):
    """The tweet network: BatchNorm behind embedding, LSTM and output."""

    def __init__(self, embedding: int = 200, units: int = 100):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, embedding, padding_idx=0)
        self.embedding_bn = nn.BatchNorm1d(embedding)
        self.lstm = nn.LSTM(embedding, units, batch_first=True)
        # Two biases add to one; the second of PyTorch stays 0, as cuDNN's does in Keras.
        self.lstm.bias_hh_l0.requires_grad_(False).zero_()
        self.lstm_bn = nn.BatchNorm1d(units)
        self.output = nn.Linear(units, 2)
        self.output_bn = nn.BatchNorm1d(2)

    def forward(self, ids):
        """Return logits of ids [batch, words]."""
        last = (ids != 0).sum(1).clamp(min=1) - 1
        x = self.embedding(ids)
        # BatchNorm of [positions, channels] takes half the time of [batch, channels, words].
        x = functional.relu(self.embedding_bn(x.flatten(0, 1))).view(x.shape)
        # Kernels in effect, where these are put together anew.
        self.lstm._flat_weights = [
            getattr(self.lstm, name) for name in self.lstm._flat_weights_names
        ]
        x = self.lstm(x)[0][torch.arange(len(ids)), last]
        return self.output_bn(self.output(functional.relu(self.lstm_bn(x))).float())


BUILDERS = {
    "resnet14": lambda: resnet_cifar(14),
    "resnet110": lambda: resnet_cifar(110),
    "wrn14x4": lambda: resnet_cifar(14, 4),
    "vgg16": vgg16,
    "mlp": mlp,
    "tweets_lstm": TweetLSTM,
    "resnet50": resnet50,
}
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
# Units of output layers.
CLASSES = {network.classes for network in NETWORKS.values()}


class RandomValues(nn.Module):
    """A parametrization: `count` values in each of the first `rows` rows train."""

    def __init__(self, kernel: torch.Tensor, count: int, rows: int):
        super().__init__()
        values = kernel[0].numel()
        columns = torch.stack([torch.randperm(values)[:count] for _ in range(rows)])
        self.register_buffer("places", (columns + torch.arange(rows)[:, None] * values).flatten())
        self.values = nn.Parameter(kernel.detach().flatten()[self.places].clone())

    def forward(self, kernel):
        """Return the kernel in effect."""
        return kernel.flatten().index_copy(0, self.places, self.values).view(kernel.shape)


def set_regime(network: nn.Module, regime: str) -> None:
    """Freeze all but what `regime` trains."""
    if regime == "all":
        return
    network.requires_grad_(False)
    for module in list(network.modules()):
        if regime == "bnonly":
            module.requires_grad_(isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d))
        elif isinstance(module, nn.LSTM):
            # As many as two of all kernels of a unit: one of each, for the input gate.
            for name in ("weight_ih_l0", "weight_hh_l0"):
                randomize(module, name, 1, module.hidden_size)
        elif isinstance(module, nn.Conv2d | nn.Linear) and module.weight.shape[0] not in CLASSES:
            randomize(module, "weight", 2, len(module.weight))


def randomize(module: nn.Module, name: str, count: int, rows: int) -> None:
    """Let some values of a kernel train in place of its own."""
    values = RandomValues(getattr(module, name), count, rows)
    parametrize.register_parametrization(module, name, values)


def batch(name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return one batch."""
    network, random = NETWORKS[name], np.random.default_rng(0)
    labels = torch.tensor(random.integers(0, network.classes, network.batch))
    if network.examples == "texts":
        return torch.tensor(random.integers(2, VOCABULARY, (network.batch, *network.shape))), labels
    height, width, channels = network.shape
    images = random.normal(size=(network.batch, channels, height, width)).astype(np.float32)
    return torch.tensor(images), labels


def prepare(variant: Variant) -> Prepared:
    """Return a network with its steps."""
    settings = variant.setting.split("+")
    torch.manual_seed(0)
    network = BUILDERS[variant.network]().train()
    set_regime(network, variant.regime)
    x, y = batch(variant.network)
    if "channels_last" in settings:
        if x.ndim != 4 or variant.network == "mlp":
            raise Refused("there are no images to lay out")
        network, x = (part.to(memory_format=torch.channels_last) for part in (network, x))
    about = {
        "parameters": sum(one.numel() for one in parameters_of(network)),
        "trainable": sum(one.numel() for one in network.parameters() if one.requires_grad),
        "multiply_adds": multiply_adds(network, x[:2]) // 2,
    }
    step = training_step(network, x, y, variant.precision == "bfloat16", "compile" in settings)
    return Prepared(about, lambda steps: timed(step, steps))


def training_step(network: nn.Module, x, y, bfloat16: bool, compiled: bool) -> Callable[[], None]:
    """Return a function that trains on one batch, and adds up loss and right answers."""
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=0.01, momentum=0.9, weight_decay=1e-4, fused=True)
    totals = [torch.zeros(()), torch.zeros((), dtype=torch.long)]

    def forward(x, y):
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            logits = network(x).float()
        return functional.cross_entropy(logits, y), (logits.detach().argmax(1) == y).sum()

    if compiled:
        forward = torch.compile(forward)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss, right = forward(x, y)
        loss.backward()
        optimizer.step()
        totals[0] += loss.detach()
        totals[1] += right

    return step


def multiply_adds(network: nn.Module, x) -> int:
    """Return the products of a forward pass."""
    found = []

    def count(module, inputs, output):
        if isinstance(module, nn.LSTM):
            kernels = module.weight_ih_l0.numel() + module.weight_hh_l0.numel()
            found.append(output[0].shape[0] * output[0].shape[1] * kernels)
        else:
            found.append(output.numel() * module.weight[0].numel())

    kinds = (nn.Conv2d, nn.Linear, nn.LSTM)
    hooks = [m.register_forward_hook(count) for m in network.modules() if isinstance(m, kinds)]
    with torch.no_grad():
        network(x)
    for hook in hooks:
        hook.remove()
    return sum(found)


def parameters_of(network: nn.Module) -> Iterator[torch.Tensor]:
    """Yield the parameters, but for those that train in place of others and the idle bias."""
    for name, parameter in network.named_parameters():
        if not name.endswith((".0.values", "bias_hh_l0")):
            yield parameter


def product(sizes: list[int], precision: str) -> dict[str, float]:
    """Time a product of matrices [m, k] and [k, n]."""
    m, k, n = sizes
    dtype = DTYPES[precision]
    a, b = (torch.randn(shape).to(dtype) for shape in ((m, k), (k, n)))
    out = torch.empty((m, n), dtype=dtype)
    return {"seconds": fastest(lambda: torch.mm(a, b, out=out))}


def convolution(sizes: list[int], precision: str) -> dict[str, float]:
    """Time a convolution of images, with the sizes of `step_floors.Convolution`."""
    batch, side, window, before, after, stride, padding = sizes
    shapes = ((batch, before, side, side), (after, before, window, window))
    images, kernel = (
        torch.randn(shape).to(DTYPES[precision], memory_format=torch.channels_last)
        for shape in shapes
    )
    with torch.no_grad():
        return {
            "seconds": fastest(
                lambda: functional.conv2d(images, kernel, stride=stride, padding=padding)
            )
        }


if __name__ == "__main__":
    serve(
        prepare,
        product=product,
        convolution=convolution,
        version=lambda _: {"version": torch.__version__},
    )
