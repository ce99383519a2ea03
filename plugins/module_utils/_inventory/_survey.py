# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: ask readers in their order of precedence and make one inventory of what they saw.

Whoever calls names the groups of readers (`_ask_*.py`), so that what is sent to a node has only those that it asks. Imports stand in
functions: a machine without an AMD card does not pay for its readers.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable, Sequence
from typing import Any, Callable

from .._host import DEFAULT_TIMEOUT, Host
from ._facts import complete
from ._inventory import Inventory
from ._own import NVIDIA, Own
from ._source import Source

# What does not change while a job runs, so that cached facts stay valid; the others come on request.
DEFAULT_SUBSETS = ("devices", "driver", "software", "kernel", "topology")
SUBSETS = (*DEFAULT_SUBSETS, "runtime", "processes")
SOURCES = ("pci", "kernel", "packages", "dkms", "nvidia_driver", "nvidia_proc", "nvml", "nvidia_smi", "kfd", "amdgpu", "amd_smi",
           "rocminfo", "rocm", "vendor_lists", "containers", "logs", "holders")
ALL_SOURCES = (*SOURCES, "kept", "room", "workloads", "rocm_state", "rocm_access", "rocm_users")  # with those of changes

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


class Survey:
    """One look at one machine."""

    def __init__(self, host: Host, wanted: frozenset[str], timeout: float, sources: Iterable[str], users: Sequence[str] | None,
                 own: Own) -> None:
        self.known = Inventory()
        self.wanted, self.users, self.own = wanted, users, own
        self.present: frozenset[str] = frozenset()  # vendors whose cards or software are there, once PCI was asked
        self._host, self._timeout, self._sources = host, timeout, frozenset(sources)
        self._asked: set[tuple[str, Reader]] = set()

    def ask(self, name: str, read: Reader) -> None:
        """Add what one reader sees. A fault of a reader costs its own view, not the survey."""
        if (name in ALL_SOURCES and name not in self._sources) or (name, read) in self._asked:
            return
        self._asked.add((name, read))
        source = Source(self._host, name, self.known.problems, self._timeout, self.wanted, self.users, self.own)
        try:
            self.known.add(name, read(source, self.known))
        except Exception as error:  # whatever a machine shows: the look goes on, and says what went wrong
            source.problem("unreadable", f"{type(error).__name__}: {error} (please report it with: check_gpu.pyz record FILE)")

    def find_vendors(self) -> None:
        """Fill in `present`."""
        hints = {"nvidia": _nvidia_hint, "amd": _amd_hint}
        cards = {device["vendor"] for device in self.known.devices}
        self.present = frozenset(vendor for vendor, hint in hints.items() if vendor in cards or hint(self._host))


Ask = Callable[[Survey], None]


def survey(host: Host, first: Sequence[Ask], then: Sequence[Ask], wanted: frozenset[str], timeout: float = DEFAULT_TIMEOUT,
           sources: Sequence[str] = ALL_SOURCES, users: Sequence[str] | None = None, own: Own = NVIDIA) -> Inventory:
    """The inventory of a machine: PCI, kernels and packages, and what the groups see. `first` are asked while slow programs work that
    tell of kernel modules, `then` after them. wanted: subsets, and words of groups. `timeout` is each source's own deadline in seconds.
    own: whose record and files the group for a change looks for. ValueError for an unknown source."""
    from . import pci

    unknown = [name for name in sources if name not in ALL_SOURCES]
    if unknown:
        raise ValueError(f"unknown source {unknown[0]!r}; valid are: {', '.join(SOURCES)}")
    found = Survey(host, wanted, timeout, sources, users, own)
    found.ask("pci", pci.read)
    found.find_vendors()
    if found.present and "change" not in wanted:  # a plan rarely needs it, see dkms.py
        host.prefetch(("dkms", "status"))
    _ask_about_the_node(found)
    for ask in first:
        ask(found)
    _ask_what_was_started(found)
    for ask in then:
        ask(found)
    if not found.known.devices:
        found.ask("pci", pci.read_nothing)
    found.ask("memory", _read_memory)
    complete(found.known)
    found.known.make_presentable()
    return found.known


def begin(host: Host) -> None:
    """Start the slowest program of a `survey` that follows, so that it works while the caller still imports what comes after. Only
    where it will be asked: the module is loaded, and NVML cannot be asked without it."""
    if _there(host, "/sys/module", "nvidia") and importlib.util.find_spec("pynvml") is None:
        host.prefetch(("nvidia-smi", "-q", "-x"))


def _ask_about_the_node(survey: Survey) -> None:
    if survey.wanted & {"kernel", "driver"}:
        from . import kernel

        survey.ask("kernel", kernel.read)
    if survey.wanted & {"driver", "software"}:
        from . import packages

        survey.ask("packages", packages.read)


def _ask_what_was_started(survey: Survey) -> None:
    """What slow programs say that have worked meanwhile: modinfo unpacks modules, `dkms status` is a long shell script."""
    if survey.wanted & {"kernel", "driver"}:
        from . import kernel

        survey.ask("kernel", kernel.read_modules)
    if survey.present and survey.wanted & {"driver", "software"}:
        from . import dkms

        survey.ask("dkms", dkms.read)


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
