# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of apt's preferences: what a transaction is resolved with is what the steps leave, and the real apt then does the same."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._inventory import Inventory
from ansible_collections.gpufleet.node.plugins.module_utils._packages.apt import Apt
from ansible_collections.gpufleet.node.plugins.module_utils._packages.types import Closure, Offer, Request
from ansible_collections.gpufleet.node.plugins.module_utils._plan import nvidia_driver
from ansible_collections.gpufleet.node.plugins.module_utils._plan.order import Order
from ansible_collections.gpufleet.node.plugins.module_utils._plan.steps import Plan, Step
from apt_node import MISSING, Archive, Key, Node, Server, keys, package
from planlab import Archive as Offered
from planlab import Laboratory, apply, machine, offer, order_of

DEBIAN = ("trixie", "trixie-backports", "nvidia-debian13")
UBUNTU = ("ubuntu-24.04", "nvidia-ubuntu2404")
OFFERS = {"debian-13": DEBIAN, "ubuntu-24.04": UBUNTU}
PREFERENCES = "/etc/apt/preferences.d/"
NVIDIA = {"version": "580", "origin": "nvidia"}
# distribution, orders that were carried out before, the order
CASES: list[tuple[str, list[dict[str, Any]], dict[str, Any]]] = [
    ("debian-13", [], {}),
    ("debian-13", [], {"version": "535"}),
    ("debian-13", [], {"version": "550.163.01-4~bpo13+1"}),
    ("debian-13", [], {"version": "550.163.01-4~bpo13+1", "hold": False}),
    ("debian-13", [{}], {"version": "550.163.01-4~bpo13+1"}),
    ("debian-13", [{"version": "550.163.01-4~bpo13+1"}], NVIDIA),
    ("ubuntu-24.04", [], {}),
    ("ubuntu-24.04", [], NVIDIA),
    ("ubuntu-24.04", [], {"version": "580.95.05", "origin": "nvidia"}),
    ("ubuntu-24.04", [], {"version": "580.95.05", "origin": "nvidia", "hold": False}),
    ("ubuntu-24.04", [], {**NVIDIA, "repository_priority": 900}),
    ("ubuntu-24.04", [{}], NVIDIA),
    ("ubuntu-24.04", [NVIDIA], {"version": "595", "origin": "nvidia"}),
    ("ubuntu-24.04", [NVIDIA], {"version": "580", "origin": "distribution", "allow_downgrade": True}),
]
IDS = [" then ".join(str(one) for one in (case[0], *case[1], case[2])) for case in CASES]


class Asked(Laboratory):
    """A laboratory that keeps what was asked for."""

    request: Request

    def select(self) -> nvidia_driver.Selected:
        found = nvidia_driver.select(self.inventory, self.order, self._ask, "2026-11-23")
        assert isinstance(found, nvidia_driver.Selected), found
        return found


def before(distribution: str, orders: list[dict[str, Any]]) -> Inventory:
    """A machine after these orders. "named" of its packages: those that somebody asked for; apt keeps the others as automatic."""
    inventory = machine(gpus=["A100-PCIE-40GB"], distribution=distribution)
    named: list[str] = []
    for options in orders:
        plan = Laboratory(inventory, order_of(**options), offer(*OFFERS[distribution])).run()
        assert plan.status == "change", plan.refusals
        named += [one["name"] for step in plan.steps if step.kind == "packages" for one in step.values["install"]]
        inventory = apply(inventory, plan)
    inventory.packages["named"] = named
    return inventory


@pytest.mark.parametrize(("distribution", "orders", "options"), CASES, ids=IDS)
def test_a_transaction_is_resolved_with_the_files_that_the_steps_leave(
    distribution: str, orders: list[dict[str, Any]], options: dict[str, Any]
) -> None:
    inventory, order = before(distribution, orders), order_of(**options)
    laboratory = Asked(inventory, order, offer(*OFFERS[distribution]))
    asked = dict(laboratory.select().request.files)
    seen = {path: text for path, text in (inventory.packages.get("own_files") or {}).items() if path.startswith(PREFERENCES)}
    for step in laboratory.run().steps:
        if step.kind == "packages" and "pinning" not in step.what:
            break
        if step.kind == "file" and step.values["path"].startswith(PREFERENCES):
            seen[step.values["path"]] = step.values["content"]
        elif step.kind == "file_absent":
            seen.pop(step.values["path"], None)
    assert {path: seen.get(path) for path in asked} == asked


@pytest.mark.parametrize(("distribution", "options", "expected"), [
    ("ubuntu-24.04", NVIDIA, "Package: *\nPin: release l=NVIDIA CUDA\nPin-Priority: 600\n"),
    ("ubuntu-24.04", {**NVIDIA, "repository_priority": 400}, "Package: *\nPin: release l=NVIDIA CUDA\nPin-Priority: 400\n"),
    ("debian-13", NVIDIA, "Package: *\nPin: release l=NVIDIA CUDA\nPin-Priority: 600\n"),
    ("debian-13", {}, None),
])
def test_the_priority_of_nvidias_repository(distribution: str, options: dict[str, Any], expected: str | None) -> None:
    inventory = before(distribution, [options])
    name = distribution.partition("-")[0]
    text = inventory.packages["own_files"].get(f"{PREFERENCES}gpufleet-nvidia-{name}.pref")
    assert text == (f"# Written by gpufleet.node.nvidia_driver (repository_priority).\n{expected}" if expected else None)


@pytest.mark.parametrize(("distribution", "offers", "change", "path", "line"), [
    ("ubuntu-24.04", UBUNTU, {"repository_priority": 700}, f"{PREFERENCES}gpufleet-nvidia-ubuntu.pref", "Pin-Priority: 700"),
    ("rocky-9", ("nvidia-rhel9", "el9-base"), {"repository_priority": 20}, "/etc/yum.repos.d/gpufleet-nvidia-el.repo", "priority=20"),
])
def test_another_priority_is_one_file_and_then_nothing(
    distribution: str, offers: tuple[str, ...], change: dict[str, Any], path: str, line: str
) -> None:
    archive, inventory = offer(*offers), machine(gpus=["A100-PCIE-40GB"], distribution=distribution)
    inventory = apply(inventory, Laboratory(inventory, order_of(**NVIDIA), archive).run())
    plan = Laboratory(inventory, order_of(**NVIDIA, **change), archive).run()
    written = {step.values["path"]: step.values["content"] for step in plan.steps}
    assert [step.kind for step in plan.steps] == ["file"] * len(plan.steps)
    assert [one for one in written if not one.endswith(".json")] == [path]
    assert line in written[path].splitlines()
    assert Laboratory(apply(inventory, plan), order_of(**NVIDIA, **change), archive).run().status == "nothing_to_do"
    gone = Laboratory(apply(inventory, plan), order_of(state="absent"), archive).run()
    assert path in [step.values["path"] for step in gone.steps if step.kind == "file_absent"]


def test_a_repository_of_the_operator_keeps_its_priority_unless_one_is_set() -> None:
    inventory = before("ubuntu-24.04", [])
    inventory.packages["repositories"].append(
        {"id": "cuda", "uris": ["https://mirror.example.com/compute/cuda/repos/ubuntu2404/x86_64"], "suites": ["/"], "components": [],
         "enabled": True, "signed_by": None, "path": "/etc/apt/sources.list.d/cuda.list"})
    for options, written in ((NVIDIA, False), ({**NVIDIA, "repository_priority": 800}, True)):
        plan = Laboratory(inventory, order_of(mirror="https://mirror.example.com", **options), offer(*UBUNTU)).run()
        assert any(str(step.values.get("path")).endswith("gpufleet-nvidia-ubuntu.pref") for step in plan.steps) is written


# --- the real apt -------------------------------------------------------------------------------------------------------------------

SUITES = {"debian-13": ("trixie", "Debian"), "ubuntu-24.04": ("noble", "Ubuntu")}
FOLDERS = {"debian-13": "compute/cuda/repos/debian13/x86_64", "ubuntu-24.04": "compute/cuda/repos/ubuntu2404/x86_64"}
BACKPORTS = ("debian_backports", "trixie-backports", "Debian Backports")


class World:
    """A node with archives of all that is offered, whose apt is the real one."""

    def __init__(self, folder: Path, key: Key, distribution: str, offered: Offered) -> None:
        suite, origin = SUITES[distribution]
        name, version = distribution.split("-")
        self.node = Node(folder / "node", f"ID={name}\nVERSION_ID={version}\nVERSION_CODENAME={suite}\n")
        (folder / "archive").mkdir()
        self.server = Server(folder / "archive", folder / "server.log")
        self.archive = Archive(folder / "archive", self.server.url, key)
        self.key, self.private = key, folder / "private"
        self.key_file = self.node.folder / "keys/archive.asc"
        self.key_file.write_text(key.public)
        names = {one.name for one in offered.offer.candidates}
        names |= {words.split()[0] for one in offered.offer.candidates for words in one.provides}
        texts: dict[str, list[str]] = {}
        for one in offered.offer.candidates:
            fields = {"Depends": ", ".join(words.replace("|", " | ") for words in one.depends if known(words, names)),
                      "Provides": ", ".join(one.provides), "Conflicts": ", ".join(offered.conflicts.get((one.name, one.version), ()))}
            # What nobody says of it is the distribution's own.
            who = one.origin if one.origin in ("debian_backports", "nvidia_debian", "nvidia_ubuntu") else "own"
            texts.setdefault(who, []).append(package(one.name, one.version, **{key: text for key, text in fields.items() if text}))
        self.fields = {(m[1], m[2]): text for many in texts.values() for text in many
                       if (m := re.match(r"Package: (.*)\nVersion: (.*)\n", text))}
        self.archive.publish(suite, *texts["own"], origin=origin)
        self.node.etc("sources.list.d/own.sources", self.archive.sources(suite, self.key_file))
        self.archive.publish(f"{suite}-updates", origin=origin)
        if BACKPORTS[0] in texts:
            self.archive.publish(BACKPORTS[1], *texts[BACKPORTS[0]], origin=BACKPORTS[2])
        nvidia = texts[f"nvidia_{name}"]
        self.archive.publish(FOLDERS[distribution], *nvidia, origin="NVIDIA", label="NVIDIA CUDA", flat=True)

    def local(self, text: str) -> str:
        """A file of a plan with this world's addresses and keys."""
        text = re.sub(r"(?m)^Signed-By: .*$", f"Signed-By: {self.key_file}", text)
        text = re.sub(r"(?m)^Components: .*$", "Components: main", text)
        return re.sub(r"(?m)^URIs: http://(?:deb.example.org|archive.ubuntu.com)/\S+$", f"URIs: {self.server.url}", text)

    def have(self, inventory: Inventory) -> None:
        """Bring the node to the state of an inventory."""
        versions = dict(reversed(self.fields))
        for name, entry in inventory.packages["installed"].items():
            text = self.fields.get((name, entry["version"]), package(name, entry["version"]))
            if name.startswith("linux-headers-"):  # those of the profile have versions of their own
                text = package(name, versions.get(name, entry["version"]))
            with self.node.status.open("a") as file:
                file.write(text.replace("\n", "\nStatus: install ok installed\n", 1) + "\n")
        states = [f"Package: {name}\nArchitecture: amd64\nAuto-Installed: 1\n" for name in inventory.packages["installed"]
                  if name not in inventory.packages["named"]]
        (self.node.folder / "var/lib/apt/extended_states").write_text("\n".join(states))
        for path, text in (inventory.packages.get("own_files") or {}).items():
            if path.startswith("/etc/apt/"):
                self.node.etc(path.removeprefix("/etc/apt/"), self.local(text))
        for name in inventory.packages["installed"]:
            self.pinned(name)
            if name.startswith("nvidia-driver-pinning-"):
                lock = {"kind": "apt_pin", "pattern": "nvidia-*", "path": f"{PREFERENCES}{name}.pref", "pin": "version 1", "priority": 1000}
                inventory.packages.setdefault("locks", []).append(lock)

    def pinned(self, name: str) -> None:
        """What a pinning package brings."""
        if name.startswith("nvidia-driver-pinning-"):
            version = name.removeprefix("nvidia-driver-pinning-") + ("*" if "." in name else ".*")
            self.node.etc(f"preferences.d/{name}.pref", "Package: nvidia-* libnvidia-* cuda-drivers* libcuda1 firmware-nvidia-gsp\n"
                          f"Pin: version {version}\nPin-Priority: 1000\n")

    def check(self, inventory: Inventory, order: Order) -> Plan:
        """The plan with the closure of the private state."""
        with Apt(self.node, str(self.private), refresh_timeout=60) as apt:

            def ask(attempt: nvidia_driver.Attempt) -> Offer:
                apt.open([one._replace(content=self.local(one.content).replace(str(self.key_file), one.key_path) if one.key_path
                                       else self.local(one.content), key=self.key.public if one.key_path else "")
                          for one in attempt.repositories])
                return apt.offer(attempt.deliverer.patterns)

            found = nvidia_driver.select(inventory, order, ask, "2026-11-23")
            assert isinstance(found, nvidia_driver.Selected), found
            closure: Closure = apt.resolve(found.request)
        assert closure.error is None, closure.error
        return nvidia_driver.plan(inventory, order, found.attempt.deliverer, found.chosen, found.request, closure,
                                  found.attempt.repositories, "2026-11-23")

    def carry_out(self, step: Step) -> dict[str, str | None]:
        """What a step does to packages: {name: version, None for one that goes}."""
        values = step.values
        if step.kind == "file" and values["path"].startswith("/etc/apt/"):
            self.node.etc(values["path"].removeprefix("/etc/apt/"), self.local(values["content"]))
        elif step.kind == "file_absent" and values["path"].startswith("/etc/apt/"):
            (self.node.folder / values["path"].lstrip("/")).unlink(missing_ok=True)
        elif step.kind == "packages":
            self.node.update()
            words = [f"{one['name']}={one['version']}" if one["version"] else one["name"] for one in values["install"]]
            done = self._simulated("install", *(["--allow-downgrades"] if values["downgrade"] else []), *words)
            for name in done if all("pinning" in word for word in words) else ():
                self.pinned(name)
            return done
        elif step.kind == "packages_absent":
            for name in values["names"]:
                (self.node.folder / f"etc/apt/preferences.d/{name}.pref").unlink(missing_ok=True)
            return dict.fromkeys(values["names"])
        return {}

    def _simulated(self, *words: str) -> dict[str, str | None]:
        argv = [str(self.node.programs / "apt-get"), "-q", "-y", "-s", "--no-install-recommends", *words]
        output = subprocess.run(argv, check=False, capture_output=True, text=True)
        assert output.returncode == 0, output.stdout + output.stderr
        rows = re.findall(r"(?m)^(Inst|Remv) (\S+) (?:\[[^\]]*\] )?(?:\((\S+))?", output.stdout)
        return {name: version if word == "Inst" else None for word, name, version in rows}


@pytest.fixture(scope="module")
def key() -> Iterator[Key]:
    with keys() as made:
        yield made[0]


def known(words: str, names: set[str]) -> bool:
    """Whether a relation is to software that the offers have."""
    return any(one.split()[0].partition(":")[0] in names for one in words.split("|"))


@pytest.mark.skipif(bool(MISSING), reason=f"not on this machine: {', '.join(MISSING)}")
@pytest.mark.parametrize(("distribution", "orders", "options"), CASES, ids=IDS)
def test_the_real_apt_does_what_check_mode_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: Key, distribution: str, orders: list[dict[str, Any]], options: dict[str, Any]
) -> None:
    world = World(tmp_path, key, distribution, offer(*OFFERS[distribution]))
    monkeypatch.setenv("PATH", f"{world.node.programs}:{os.environ['PATH']}")
    try:
        mirror = {"mirror": world.server.url} if options.get("origin") == "nvidia" else {}
        inventory = before(distribution, [{**one, "mirror": world.server.url} for one in orders])
        world.have(inventory)
        plan = world.check(inventory, order_of(**options, **mirror))
        assert plan.status == "change", plan.refusals
        done: dict[str, str | None] = {}
        for step in plan.steps:
            done.update(world.carry_out(step))
    finally:
        world.server.stop()
    assert done == {change.name: change.after if change.action != "remove" else None for change in plan.packages}


@pytest.mark.skipif(bool(MISSING), reason=f"not on this machine: {', '.join(MISSING)}")
def test_with_a_newer_kernel_the_real_apt_takes_the_package_that_was_patched_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: Key
) -> None:
    world = World(tmp_path, key, "debian-13", offer(*DEBIAN))
    monkeypatch.setenv("PATH", f"{world.node.programs}:{os.environ['PATH']}")
    inventory = machine("trixie-newer-kernel-bare")
    inventory.packages["named"] = []
    try:
        world.have(inventory)
        plan = world.check(inventory, order_of(version="550"))
        done: dict[str, str | None] = {}
        for step in plan.steps:
            done.update(world.carry_out(step))
    finally:
        world.server.stop()
    assert plan.status == "change", plan.refusals
    assert (done["nvidia-kernel-dkms"], done["libcuda1"]) == ("550.163.01-4~bpo13+1",) * 2
    assert done == {change.name: change.after if change.action != "remove" else None for change in plan.packages}
