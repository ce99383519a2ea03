# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: whether a chosen driver fits the kernels, the compiler, Secure Boot and the software of a node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .._check._node import Node, at, join, same_version, version_key
from .._knowledge import delivery, nvidia
from . import _kernel_fit, _preflight_software
from ._branches import newer_than_table
from ._kernel_fit import matters
from ._node_state import changed_names, coming_kernels, family, headers_come, kernels_to_boot, key_enrolled, secure
from ._refuse import refuse
from .order import Order
from .steps import Chosen, Refusal


def check(node: Node, order: Order, chosen: Chosen, closure: Any, today: str | None) -> Iterator[Refusal]:
    """All of it, what stops first."""
    yield from _kernel_fit.refusals(node, chosen, _kernel_fit.misfits(node, chosen, closure.changes))
    if chosen.build == "dkms":
        yield from _headers(node, chosen, closure)
        yield from _compiler(node, closure)
        yield from _secure_boot(node, chosen)
    yield from _next_boot(node, chosen, closure)
    yield from _branch(node, chosen, today)
    yield from _preflight_software.check(node, chosen)


def _headers(node: Node, chosen: Chosen, closure: Any) -> Iterator[Refusal]:
    for entry in kernels_to_boot(node):
        release = str(entry.get("release"))
        if entry.get("headers") is False and not headers_come(closure.changes, release):
            package = f"linux-headers-{release}" if family(node) == "debian" else f"kernel-devel-{release}"
            severity = None if matters(node, entry) else "warning"
            yield refuse(node, "ND-NO-HEADERS", f"kernel {release}", severity=severity, kernel=release, package=package)


def _next_boot(node: Node, chosen: Chosen, closure: Any) -> Iterator[Refusal]:
    """Kernels that the next boot may start and that this transaction leaves without a module."""
    changes = closure.changes
    for release in coming_kernels(node, changes):  # the newest one is what boots next
        if not (headers_come(changes, release) if chosen.build == "dkms" else _prebuilt_comes(changes, release)):
            yield refuse(node, "ND-NEXT-BOOT", f"kernel {release}", kernel=release, version=chosen.version)
    for entry in kernels_to_boot(node) if chosen.build == "prebuilt" and changes else ():
        release, module = str(entry.get("release")), at(entry, "modules.nvidia") or {}
        has = module and (module.get("version") is None or same_version(module["version"], chosen.version))
        if matters(node, entry) and not has and not _prebuilt_comes(changes, release):
            yield refuse(node, "ND-NEXT-BOOT", f"kernel {release}", kernel=release, version=chosen.version)


def _prebuilt_comes(changes: Any, release: str) -> bool:
    """By the release in the name; packages of rpm fit kernels by their symbols."""
    return any(("nvidia" in name and name.endswith(f"-{release}")) or "kmod" in name or "-kmp-" in name for name in changed_names(changes))


def _compiler(node: Node, closure: Any) -> Iterator[Refusal]:
    """Modules are built by the compiler that the kernel was built by."""
    kernel = str(node.get("kernel.compiler") or "")
    if not kernel or kernel.startswith("clang"):
        return
    wanted = version_key(kernel)[0]
    installed: dict[str, Any] = node.get("packages.installed") or {}
    versions = {name: at(row, "version") for name, row in installed.items()}
    versions.update({str(change.name): change.after for change in closure.changes if change.action != "remove"})
    majors = {major for major in (_gcc(str(name), version) for name, version in versions.items()) if major is not None}
    if majors and wanted not in majors:
        found = join(f"gcc {major}" for major in sorted(majors))
        yield refuse(
            node,
            "ND-COMPILER",
            "compiler",
            kernel=node.get("kernel.release"),
            wanted=wanted,
            found=found,
            package=f"gcc-{wanted}",
            use=({"extra_packages": f"gcc-{wanted}"},) if family(node) == "debian" else (),
        )


def _gcc(package: str, version: Any) -> int | None:
    """The major version of the compiler that a package is, or follows."""
    stem, _dash, number = package.partition("-")
    if stem != "gcc":
        return None
    if number:
        return int(number) if number.isascii() and number.isdecimal() else None
    key = version_key(str(version or "").rpartition(":")[2])
    return key[0] if key else None


def _secure_boot(node: Node, chosen: Chosen) -> Iterator[Refusal]:
    if secure(node) and not key_enrolled(node):
        ubuntu = "ubuntu" in (node.get("system.distribution"), *(node.get("system.distribution_like") or ()))
        certificate = "/var/lib/shim-signed/mok/MOK.der" if ubuntu else "/var/lib/dkms/mok.pub"
        yield refuse(
            node, "ND-SECURE-BOOT", "Secure Boot", version=chosen.version, certificate=certificate, use=({"precompiled": "always"},)
        )


def _branch(node: Node, chosen: Chosen, today: str | None) -> Iterator[Refusal]:
    """A branch whose support has ended, and the one to go to."""
    row = nvidia.branch(chosen.branch)
    if row is None:
        if chosen.branch is not None and newer_than_table(chosen.branch):
            yield refuse(node, "ND-BRANCH-UNKNOWN", "branch", branch=chosen.branch)
        return
    ended = not row.supported or bool(row.eol and today and today[: len(row.eol)] > row.eol)
    if ended:
        successor, offered = _successor(node, chosen, today)
        elsewhere = "" if offered else f", which {chosen.origin} does not have"
        use = {"version": str(successor), **({} if offered or not _has_vendor(node) else {"origin": "nvidia"})}
        yield refuse(
            node,
            "ND-BRANCH-ENDED",
            "branch",
            branch=chosen.branch,
            ended=f"ended in {row.eol}" if row.eol else "has ended",
            successor=f"its successor is {successor}{elsewhere}" if successor else "no supported branch serves every GPU here",
            use=(use,) if successor else (),
        )


def _successor(node: Node, chosen: Chosen, today: str | None) -> tuple[int | None, bool]:
    """The branch to go to, and whether the origin of the driver has it, as far as it was asked."""
    from ._branches import field_of
    from ._cards import cards_of
    from .wish import Wish

    field = field_of(Wish.parse(f">={chosen.branch}"), cards_of(node.nvidia), None, today)
    rows = [row for row in field.served if field.supported(row)]
    best = field.lasting(row for row in rows if row.number in chosen.offered) if chosen.offered else None
    if best is not None:
        return best.number, True
    best = field.lasting(rows)
    return (best.number if best else None), not chosen.offered


def _has_vendor(node: Node) -> bool:
    """Whether NVIDIA has a repository for this system."""
    system = node.get("system") or {}
    release = str(system.get("distribution") or ""), str(system.get("distribution_version") or "")
    around = delivery.deliverers(*release, system.get("distribution_like") or (), str(system.get("architecture") or "x86_64"),
                                 system.get("ubuntu_codename"))
    return any(one.kind == "vendor" for one in around)
