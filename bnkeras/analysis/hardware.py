"""What devices and links can do: datasheets, and the shares of them that programs reach."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, log2

from bnkeras.errors import InputError, did_you_mean


@dataclass(frozen=True)
class Link:
    """What carries values between devices or machines.

    Args:
        title: what it is.
        bandwidth: bytes/s that leave a device, or a machine by all its ports, in one direction.
        latency: seconds from one member of a ring to the next, however short the message.
        share: share of the bandwidth that a collective reaches.
    """

    title: str
    bandwidth: float
    latency: float
    share: float = 0.8

    def seconds(self, values: float, members: int) -> float:
        """Return how long `members` take to sum `values` bytes, by a ring or a tree.

        In a ring each sends and receives 2 (n − 1)/n of the bytes, in as many messages one
        after another as it takes to go around twice; a tree has few, of all bytes. For little
        NCCL takes the tree.

            ring: t = 2 (n − 1)/n · bytes / bandwidth + 2 (n − 1) · latency
            tree: t = 2 ⌈log₂ n⌉ · (bytes / bandwidth + latency)

        Source: Patarasuk and Yuan 2009; Sanders, Speck, Träff 2009.

        >>> Link("", bandwidth=1e9, latency=1e-3, share=1.0).seconds(4e6, 2)
        0.006
        """
        whole = values / (self.share * self.bandwidth)
        turns = 2 * (members - 1)
        ring = turns / members * whole + turns * self.latency
        tree = 2 * ceil(log2(members)) * (whole + self.latency)
        return min(ring, tree)


@dataclass(frozen=True)
class Rate:
    """A peak of a datasheet, and what programs reach of it.

    Attributes:
        peak: operations or bytes a second.
        share: of the peak that is reached, at most 1.
    """

    peak: float
    share: float

    @property
    def reached(self) -> float:
        """What is reached."""
        return self.share * self.peak


@dataclass(frozen=True)
class Hardware:
    """A device, and the machine that it stands in.

    Args:
        title: what it is.
        operations: floating-point operations a second in matrix products, by Keras' dtype
            policy; convolutions reach the share.
        bandwidth: bytes/s from and to its memory; element-wise kernels reach the share.
        memory: bytes.
        launch: seconds that a kernel takes at least.
        devices: in one machine.
        inside: the link between the devices of a machine.
        network: the link between NVIDIA's own machines, a name in `LINKS`.
    """

    title: str
    operations: Mapping[str, Rate]
    bandwidth: Rate
    memory: float
    launch: float
    devices: int
    inside: Link
    network: str


# Bandwidths are those of a machine's ports together. A TCP message between two machines of
# a data centre takes some 25 µs, one over InfiniBand or RoCE with RDMA some 5 µs.
LINKS = {
    "infiniband-3200": Link("8 ports of 400 Gbit/s InfiniBand", 400e9, 5e-6),
    "infiniband-1600": Link("8 ports of 200 Gbit/s InfiniBand", 200e9, 5e-6),
    "infiniband-400": Link("4 ports of 100 Gbit/s InfiniBand", 50e9, 5e-6),
    "ethernet-100": Link("100 Gbit/s Ethernet, TCP", 12.5e9, 25e-6),
    "ethernet-25": Link("25 Gbit/s Ethernet, TCP", 3.125e9, 25e-6),
    "ethernet-10": Link("10 Gbit/s Ethernet, TCP", 1.25e9, 25e-6),
}

# Peaks are of NVIDIA's datasheets, without sparsity: H100 (SXM5), H200 (SXM), A100 (SXM4, 80 GB;
# its 40 GB form has 1,555 GB/s), V100 (SXM2, 32 GB; bfloat16 is none of its types: float16). The
# networks are those of the DGX of each: H100, A100, DGX-1. TensorFlow multiplies float32 as TF32
# where the device has it. NVLink's figure of a datasheet counts both directions.
# The shares are assumptions: docs/scaling.md has what they were compared with.
HARDWARE = {
    "h100": Hardware(
        title="NVIDIA H100 SXM",
        operations={"mixed_bfloat16": Rate(989e12, 0.5), "float32": Rate(495e12, 0.5)},
        bandwidth=Rate(3.35e12, 0.8),
        memory=80e9,
        launch=5e-6,
        devices=8,
        inside=Link("NVLink 4", 450e9, 2e-6),
        network="infiniband-3200",
    ),
    "h200": Hardware(
        title="NVIDIA H200 SXM",
        operations={"mixed_bfloat16": Rate(989e12, 0.5), "float32": Rate(495e12, 0.5)},
        bandwidth=Rate(4.8e12, 0.8),
        memory=141e9,
        launch=5e-6,
        devices=8,
        inside=Link("NVLink 4", 450e9, 2e-6),
        network="infiniband-3200",
    ),
    "a100": Hardware(
        title="NVIDIA A100 SXM 80 GB",
        operations={"mixed_bfloat16": Rate(312e12, 0.5), "float32": Rate(156e12, 0.5)},
        bandwidth=Rate(2.039e12, 0.8),
        memory=80e9,
        launch=5e-6,
        devices=8,
        inside=Link("NVLink 3", 300e9, 2e-6),
        network="infiniband-1600",
    ),
    "v100": Hardware(
        title="NVIDIA V100 SXM2 32 GB",
        operations={"mixed_bfloat16": Rate(125e12, 0.5), "float32": Rate(15.7e12, 0.85)},
        bandwidth=Rate(0.9e12, 0.8),
        memory=32e9,
        launch=5e-6,
        devices=8,
        inside=Link("NVLink 2", 150e9, 2e-6),
        network="infiniband-400",
    ),
}


def find_hardware(name: str) -> Hardware:
    """Return the device called `name` in `HARDWARE`.

    Raises:
        InputError: there is none; the message names the choices.
    """
    return _find("hardware", name, HARDWARE)


def find_link(name: str) -> Link:
    """Return the network between machines that is called `name` in `LINKS`.

    Raises:
        InputError: there is none; the message names the choices.
    """
    return _find("link", name, LINKS)


def _find(what: str, name: str, choices: Mapping):
    if name not in choices:
        raise InputError(
            f"No {what} {name!r}: choose one of {', '.join(choices)}.{did_you_mean(name, choices)}"
        )
    return choices[name]
