"""Write golden.json: the logits of the papers' networks, computed by PyTorch.

    PYTHONPATH=. python tests/models/pytorch/make_golden.py

It takes PyTorch and NumPy, no Keras: the networks stand here once more, after the
descriptions in the papers and with PyTorch's own functions. Weights come from
`bnkeras.seeding.reference` by the paths that Keras' variables have, so that the test can
draw the same ones. Made with PyTorch 2.15 on a CPU, in float64.
"""

import json
from pathlib import Path

import torch
from torch.nn import functional

from bnkeras.seeding import reference

SEED = 11
# By the last part of a path. Nothing is 0 or 1, so that nothing can be left out unseen.
LAWS = {
    "kernel": "he_normal",
    "recurrent_kernel": "he_normal",
    "bias": "normal(0.2)",
    "embeddings": "normal(1)",
    "gamma": "uniform(0.5, 1.5)",
    "beta": "normal(0.3)",
    "moving_mean": "normal(0.3)",
    "moving_variance": "uniform(0.5, 2)",
}
TWEETS = [
    [7, 3, 1, 44, 12, 5, 9, 30, 2],
    [5, 8, 0, 0, 0, 0, 0, 0, 0],
    [49, 1, 1, 20, 6, 0, 0, 0, 0],
    [13, 0, 0, 0, 0, 0, 0, 0, 0],
    [2, 40, 41, 42, 43, 44, 45, 46, 0],
]


def resnet(depth, **arguments):
    """Describe a case: the arguments of the builder and the shape of a batch."""
    return "resnet_cifar", {"depth": depth, "classes": 5, **arguments}


def imagenet(depth):
    """Describe an ImageNet ResNet for images of any size."""
    return "resnet_imagenet", {"depth": depth, "classes": 5}


def vgg(depth, size=32):
    """Describe a VGG network."""
    return "vgg_cifar", {"depth": depth, "classes": 5, "input_shape": [size, size, 3]}


CASES = [
    (*resnet(14), [4, 32, 32, 3]),
    (*resnet(14, width=2), [4, 32, 32, 3]),
    (*resnet(20, width=0.5, input_shape=[33, 33, 3]), [4, 33, 33, 3]),
    (*resnet(14, norm="instance"), [4, 32, 32, 3]),
    (*resnet(14, norm="group"), [4, 32, 32, 3]),
    (*resnet(14, norm="layer"), [4, 32, 32, 3]),
    (*imagenet(18), [4, 64, 64, 3]),
    (*imagenet(18), [4, 65, 65, 3]),
    (*imagenet(50), [4, 64, 64, 3]),
    (*imagenet(50), [4, 65, 65, 3]),
    (*vgg(11), [4, 32, 32, 3]),
    (*vgg(11, 35), [4, 35, 35, 3]),
    (*vgg(16), [4, 32, 32, 3]),
    ("mlp", {"classes": 5}, [8, 32, 32, 3]),
    ("tweet_lstm", {"vocabulary_size": 50, "classes": 3}, TWEETS),
    (*resnet(110), [4, 32, 32, 3]),
    (*resnet(14, width=8), [4, 32, 32, 3]),
    (*imagenet(34), [4, 64, 64, 3]),
    (*imagenet(101), [4, 64, 64, 3]),
    (*imagenet(200), [4, 64, 64, 3]),
    (*vgg(13), [4, 32, 32, 3]),
    (*vgg(19), [4, 32, 32, 3]),
]


class Layers:
    """PyTorch's functions, with weights by their path."""

    def __init__(self, training, norm="batch"):
        self.training = training
        self.kind = norm

    def draw(self, path, *shape):
        """Draw the weights of that path in Keras' layout, channels out last."""
        law = LAWS[path.rpartition("/")[2]]
        return torch.tensor(reference.values(law, SEED, path, shape)).double()

    def norm(self, x, name):
        """Normalize x [batch, channels, ...]."""
        channels = x.shape[1]
        gamma, beta = self.draw(f"{name}/gamma", channels), self.draw(f"{name}/beta", channels)
        if self.kind == "batch":
            mean = self.draw(f"{name}/moving_mean", channels)
            variance = self.draw(f"{name}/moving_variance", channels)
            return functional.batch_norm(x, mean, variance, gamma, beta, self.training, eps=1e-5)
        groups = {"instance": channels, "group": min(32, channels // 2), "layer": 1}[self.kind]
        return functional.group_norm(x, groups, gamma, beta, eps=1e-5)

    def conv(self, x, filters, kernel, stride, name, bias=False):
        """Convolve x [batch, channels, height, width]."""
        weight = self.draw(f"{name}/kernel", kernel, kernel, x.shape[1], filters)
        offset = self.draw(f"{name}/bias", filters) if bias else None
        weight = weight.permute(3, 2, 0, 1)
        return functional.conv2d(x, weight, offset, stride=stride, padding=kernel // 2)

    def linear(self, x, units, name):
        """Multiply x [batch, channels] and add a bias."""
        kernel = self.draw(f"{name}/kernel", x.shape[1], units)
        return functional.linear(x, kernel.T, self.draw(f"{name}/bias", units))


def _shortcut(layers, x, channels, stride, name):
    if stride == 1 and x.shape[1] == channels:
        return x
    x = layers.conv(x, channels, 1, stride, f"{name}_shortcut_conv")
    return layers.norm(x, f"{name}_shortcut_bn")


def _basic_block(layers, x, channels, stride, name):
    y = layers.conv(x, channels, 3, stride, f"{name}_conv1")
    y = functional.relu(layers.norm(y, f"{name}_bn1"))
    y = layers.norm(layers.conv(y, channels, 3, 1, f"{name}_conv2"), f"{name}_bn2")
    return functional.relu(y + _shortcut(layers, x, channels, stride, name))


def _bottleneck(layers, x, channels, stride, name):
    y = layers.conv(x, channels, 1, 1, f"{name}_conv1")
    y = functional.relu(layers.norm(y, f"{name}_bn1"))
    y = layers.conv(y, channels, 3, stride, f"{name}_conv2")
    y = functional.relu(layers.norm(y, f"{name}_bn2"))
    y = layers.norm(layers.conv(y, 4 * channels, 1, 1, f"{name}_conv3"), f"{name}_bn3")
    return functional.relu(y + _shortcut(layers, x, 4 * channels, stride, name))


def _groups(layers, x, block, counts, channels):
    for group, count in enumerate(counts):
        for index in range(count):
            stride = 2 if group > 0 and index == 0 else 1
            x = block(layers, x, channels << group, stride, f"group{group + 1}_block{index}")
    return x


def resnet_cifar(layers, x, depth, classes, width=1, **_):
    """Compute the logits of a CIFAR ResNet."""
    channels = int(16 * width)
    x = functional.relu(layers.norm(layers.conv(x, channels, 3, 1, "stem_conv"), "stem_bn"))
    x = _groups(layers, x, _basic_block, [(depth - 2) // 6] * 3, channels)
    x = functional.avg_pool2d(x, x.shape[3]).flatten(1)
    return layers.linear(x, classes, "output")


def resnet_imagenet(layers, x, depth, classes):
    """Compute the logits of an ImageNet ResNet."""
    counts = {
        18: (2, 2, 2, 2),
        34: (3, 4, 6, 3),
        50: (3, 4, 6, 3),
        101: (3, 4, 23, 3),
        200: (3, 24, 36, 3),
    }
    x = functional.relu(layers.norm(layers.conv(x, 64, 7, 2, "stem_conv"), "stem_bn"))
    x = functional.max_pool2d(x, 3, stride=2, padding=1)
    x = _groups(layers, x, _bottleneck if depth >= 50 else _basic_block, counts[depth], 64)
    x = functional.adaptive_avg_pool2d(x, 1).flatten(1)
    return layers.linear(x, classes, "output")


def vgg_cifar(layers, x, depth, classes, **_):
    """Compute the logits of a VGG network."""
    plan = {
        11: "64 M 128 M 256 256 M 512 512 M 512 512",
        13: "64 64 M 128 128 M 256 256 M 512 512 M 512 512",
        16: "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512",
        19: "64 64 M 128 128 M 256 256 256 256 M 512 512 512 512 M 512 512 512 512",
    }
    for group, sizes in enumerate(plan[depth].split(" M "), start=1):
        x = x if group == 1 else functional.max_pool2d(x, 2, stride=2)
        for index, channels in enumerate(map(int, sizes.split()), start=1):
            x = layers.conv(x, channels, 3, 1, f"group{group}_conv{index}", bias=True)
            x = functional.relu(layers.norm(x, f"group{group}_bn{index}"))
    return layers.linear(functional.avg_pool2d(x, 2).flatten(1), classes, "output")


def mlp(layers, x, classes):
    """Compute the logits of the perceptron."""
    # A flat image of Keras has its channels last.
    x = x.permute(0, 2, 3, 1).flatten(1)
    for index, units in enumerate((1024, 512, 256), start=1):
        x = layers.linear(x, units, f"hidden{index}_dense")
        x = functional.relu(layers.norm(x, f"hidden{index}_bn"))
    return layers.linear(x, classes, "output")


def tweet_lstm(layers, x, vocabulary_size, classes):
    """Compute the logits of the tweet network, of ids x [batch, length]."""
    table = layers.draw("embedding/embeddings", vocabulary_size, 200)
    table[0] = 0
    lengths = (x != 0).sum(1)
    x = functional.embedding(x, table, padding_idx=0)
    x = functional.relu(layers.norm(x.transpose(1, 2), "embedding_bn").transpose(1, 2))
    lstm = torch.nn.LSTM(200, 100, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        # Input, forget, cell, output: the gates have one order in PyTorch and Keras.
        lstm.weight_ih_l0.copy_(layers.draw("lstm/lstm_cell/kernel", 200, 400).T)
        lstm.weight_hh_l0.copy_(layers.draw("lstm/lstm_cell/recurrent_kernel", 100, 400).T)
        lstm.bias_ih_l0.copy_(layers.draw("lstm/lstm_cell/bias", 400))
        lstm.bias_hh_l0.zero_()
    x = lstm(x)[0][torch.arange(len(x)), lengths - 1]
    x = functional.relu(layers.norm(x, "lstm_bn"))
    return layers.norm(layers.linear(x, classes, "output"), "output_bn")


def golden(network, arguments, inputs):
    """Return one entry of golden.json."""
    if network == "tweet_lstm":
        x = torch.tensor(inputs)
    else:
        x = torch.tensor(reference.values("normal(1)", SEED, "inputs", inputs))
        x = x.double().permute(0, 3, 1, 2)
    entry = {"network": network, "arguments": arguments, "inputs": inputs}
    arguments = dict(arguments)
    norm = arguments.pop("norm", "batch")
    for mode in ("training", "inference"):
        logits = globals()[network](Layers(mode == "training", norm), x, **arguments)
        entry[mode] = [[float(f"{value:.7g}") for value in row] for row in logits.tolist()]
    return entry


def main():
    """Write the file."""
    with torch.no_grad():
        entries = [golden(*case) for case in CASES]
    lines = ",\n".join(json.dumps(entry) for entry in entries)
    text = f'{{"seed": {SEED}, "laws": {json.dumps(LAWS)}, "cases": [\n{lines}\n]}}\n'
    Path(__file__).with_name("golden.json").write_text(text)


if __name__ == "__main__":
    main()
