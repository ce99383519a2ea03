# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: what a live host may run in a child and be told as JSON. Imports wait for the call, in the child."""

from __future__ import annotations

from typing import Any

from .._host import LiveHost, Probe


def _nvml(argument: Any) -> Any:
    from ._nvml_probe import probe_nvml

    return probe_nvml(argument)


def _device_access(argument: Any) -> Any:
    from .rocm import probe_device_access

    return probe_device_access(argument)


def _gpu_holders(argument: Any) -> Any:
    from .holders import probe_gpu_holders

    return probe_gpu_holders(argument)


def _package_lock(argument: Any) -> Any:
    from ._locks_probe import probe_package_lock

    return probe_package_lock(argument)


def _accounts(argument: Any) -> Any:
    from ._accounts_probe import probe_accounts

    return probe_accounts(argument)


PROBES: dict[str, Probe] = {"nvml": _nvml, "device_access": _device_access, "gpu_holders": _gpu_holders,
                            "package_lock": _package_lock, "accounts": _accounts}
# What a probe cannot do without: to look for it takes less than to make a child that finds it missing.
NEEDS = {"nvml": "pynvml"}


def live(root: str = "/") -> LiveHost:
    """This machine, or the file system below root, with all probes."""
    return LiveHost(root, PROBES, NEEDS)
