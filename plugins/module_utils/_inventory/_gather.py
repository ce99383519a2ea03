# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: ask the readers in their order of precedence and make one inventory of what they saw.

Imports stand in functions: a machine without an AMD card does not pay for its readers.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable, Sequence
from typing import Any, Callable

from .._host import DEFAULT_TIMEOUT, Host
from ._facts import complete
from ._inventory import Inventory
from ._source import Source

# What does not change while a job runs, so that cached facts stay valid; the others come on request.
DEFAULT_SUBSETS = ("devices", "driver", "software", "kernel", "topology")
SUBSETS = (*DEFAULT_SUBSETS, "runtime", "processes")
SOURCES = ("pci", "kernel", "packages", "dkms", "nvidia_driver", "nvidia_proc", "nvml", "nvidia_smi", "kfd", "amdgpu", "amd_smi",
           "rocminfo", "rocm", "rocm_state", "rocm_access", "rocm_users", "vendor_lists", "containers", "logs", "holders", "room",
           "workloads")

Reader = Callable[[Source, Inventory], dict[str, Any]]


def wanted_subsets(asked: Iterable[str]) -> frozenset[str]:
    """The default subsets and those asked for; "all" is every one, "!name" leaves one out. ValueError names the valid ones."""
    names = list(asked)
    unknown = [name for name in names if name.lstrip("!") not in (*SUBSETS, "all")]
    if unknown:
        raise ValueError(f"unknown subset {unknown[0]!r}; valid are: all, {', '.join(SUBSETS)}, and each with ! to leave it out")
    wanted = set(SUBSETS if "all" in names else DEFAULT_SUBSETS)
    wanted |= {name for name in names if name in SUBSETS}
    return frozenset(wanted - {name[1:] for name in names if name.startswith("!")} | {"devices"})


class _Survey:
    """One look at one machine."""

    def __init__(self, host: Host, wanted: frozenset[str], timeout: float, sources: Iterable[str], users: Sequence[str] | None) -> None:
        self.known = Inventory()
        self.wanted, self.users = wanted, users
        self._host, self._timeout, self._sources = host, timeout, frozenset(sources)

    def ask(self, name: str, read: Reader) -> None:
        """Add what one reader sees. A fault of a reader costs its own view, not the survey."""
        if name in SOURCES and name not in self._sources:
            return
        source = Source(self._host, name, self.known.problems, self._timeout, self.wanted, self.users)
        try:
            self.known.add(name, read(source, self.known))
        except Exception as error:  # whatever a machine shows: the look goes on, and says what went wrong
            source.problem("unreadable", f"{type(error).__name__}: {error} (please report it with: check_gpu.pyz record FILE)")

    def has(self, vendor: str) -> bool:
        return any(device["vendor"] == vendor for device in self.known.devices)


def gather(host: Host, subsets: Iterable[str] = (), timeout: float = DEFAULT_TIMEOUT, sources: Sequence[str] = SOURCES,
           deep: bool = False, change: bool = False, users: Sequence[str] | None = None) -> Inventory:
    """The inventory of a machine. `timeout` is each source's own deadline in seconds; `deep` adds what only checks read, `change`
    what only a plan and its verification do. `users`, not None, adds what those of ROCm do: what these users see, or we do where none
    is named."""
    from . import pci

    unknown = [name for name in sources if name not in SOURCES]
    if unknown:
        raise ValueError(f"unknown source {unknown[0]!r}; valid are: {', '.join(SOURCES)}")
    wanted = wanted_subsets(subsets) | (frozenset(("deep", *SUBSETS)) if deep else frozenset())
    wanted |= frozenset(("change", "processes")) if change else frozenset()
    survey = _Survey(host, wanted, timeout, sources, users)
    survey.ask("pci", pci.read)
    nvidia, amd = survey.has("nvidia") or _nvidia_hint(host), survey.has("amd") or _amd_hint(host)
    if (nvidia or amd) and not change:  # a plan rarely needs it, see dkms.py
        host.prefetch(("dkms", "status"))
    _ask_about_the_node(survey)
    if nvidia:
        _ask_about_nvidia(survey)
    if amd:
        _ask_about_amd(survey)
    if change and users is not None:
        _ask_for_a_change_of_rocm(survey, amd)
    if not all(device.get("name") for device in survey.known.devices):
        from . import vendor_lists

        survey.ask("vendor_lists", vendor_lists.read)
    _ask_what_was_started(survey, nvidia or amd)
    if "software" in wanted:
        from . import containers

        survey.ask("containers", containers.read)
    if deep:
        _ask_deeper(survey, nvidia or amd)
    if change:
        _ask_for_a_change(survey, holders_known=deep)
    if not survey.known.devices:
        survey.ask("pci", pci.read_nothing)
    survey.ask("memory", _read_memory)
    complete(survey.known)
    survey.known.make_presentable()
    return survey.known


def begin(host: Host) -> None:
    """Start the slowest program of a `gather` that follows, so that it works while the caller still imports what comes after. Only
    where it will be asked: the module is loaded, and NVML cannot be asked without it."""
    if _there(host, "/sys/module", "nvidia") and importlib.util.find_spec("pynvml") is None:
        host.prefetch(("nvidia-smi", "-q", "-x"))


def _ask_about_the_node(survey: _Survey) -> None:
    if survey.wanted & {"kernel", "driver"}:
        from . import kernel

        survey.ask("kernel", kernel.read)
    if survey.wanted & {"driver", "software"}:
        from . import packages

        survey.ask("packages", packages.read)


def _ask_deeper(survey: _Survey, gpu: bool) -> None:
    """What only a check reads."""
    from . import logs

    survey.ask("logs", logs.read)
    if gpu:
        from . import holders

        survey.ask("holders", holders.read)


def _ask_for_a_change(survey: _Survey, holders_known: bool) -> None:
    """What stands in the way of a change, and what an earlier one left."""
    from . import holders, room, workloads

    if not holders_known:
        survey.ask("holders", holders.read)
    survey.ask("room", room.read)
    survey.ask("workloads", workloads.read)


def _ask_for_a_change_of_rocm(survey: _Survey, amd: bool) -> None:
    from . import rocm_access, rocm_state, rocm_users

    survey.ask("rocm_state", rocm_state.read)
    if amd:
        survey.ask("rocm_access", rocm_access.read)
        survey.ask("rocm_users", rocm_users.read)


def _read_memory(source: Source, known: Inventory) -> dict[str, Any]:
    """The node's memory, where a GPU shares it with the processor and the driver tells no size."""
    if not any((device.get("memory") or {}).get("kind") == "unified" or device.get("apu") for device in known.devices):
        return {}
    match = re.search(r"^MemTotal:\s+(\d+) kB", source.text("/proc/meminfo") or "", re.MULTILINE)
    return {"health": {"memory_total_mib": int(match[1]) // 1024}} if match else {}


def _nvidia_hint(host: Host) -> bool:
    """NVIDIA software without a device on PCI: WSL has none, and a card may have fallen off the bus."""
    return _there(host, "/sys/module", "nvidia") or _there(host, "/proc/driver", "nvidia") or _there(host, "/usr/lib/wsl", "lib")


def _amd_hint(host: Host) -> bool:
    return _there(host, "/sys/class", "kfd") or _there(host, "/opt", "rocm")


def _there(host: Host, folder: str, name: str) -> bool:
    from .._host import HostError

    try:
        return name in host.list(folder)
    except HostError:
        return False


def _ask_what_was_started(survey: _Survey, gpu: bool) -> None:
    """What slow programs say that have worked meanwhile: modinfo unpacks modules, `dkms status` is a long shell script."""
    if survey.wanted & {"kernel", "driver"}:
        from . import kernel

        survey.ask("kernel", kernel.read_modules)
    if gpu and survey.wanted & {"driver", "software"}:
        from . import dkms

        survey.ask("dkms", dkms.read)


def _ask_about_nvidia(survey: _Survey) -> None:
    from . import nvidia_driver, nvidia_proc, nvidia_smi, nvml

    readers: list[Any] = [nvidia_driver, nvml, nvidia_proc, nvidia_smi]
    for reader in readers:
        survey.ask(reader.__name__.rpartition(".")[2], reader.read)


def _ask_about_amd(survey: _Survey) -> None:
    from . import amd_smi, amdgpu, kfd, rocm, rocminfo

    readers: list[Any] = [kfd, amdgpu, amd_smi, rocminfo, rocm]
    for reader in readers:
        survey.ask(reader.__name__.rpartition(".")[2], reader.read)
