"""Where a run took place: versions, hardware and the state of the code."""

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PACKAGES = ("bnkeras", "keras", "tensorflow", "numpy", "tensorflow-datasets")


def environment() -> dict[str, Any]:
    """Describe this process: `versions`, `hardware` and `git`, JSON-ready."""
    return {"versions": versions(), "hardware": _hardware(), "git": _git()}


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that decide a result."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _hardware() -> dict[str, Any]:
    import tensorflow as tf

    return {
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "devices": [
            f"{device.device_type}: {_device_name(device)}"
            for device in tf.config.list_physical_devices()
        ],
    }


def _device_name(device) -> str:
    import tensorflow as tf

    details = tf.config.experimental.get_device_details(device)
    return details.get("device_name", device.name)


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _git(file: Path = Path(__file__)) -> dict[str, Any] | None:
    """Return commit and cleanliness of the checkout that `file` belongs to, if it is one."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(file.parent), *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        # Site-packages of an environment that lies in a checkout of something else.
        git("ls-files", "--error-unmatch", file.name)
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.CalledProcessError):
        return None


def command_line() -> str:
    """Return the command that started this process, without the folder of its program."""
    return " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
