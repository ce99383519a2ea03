# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each step that is no package: holds, files, modules for kernels, initramfs, services; drift."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._check._node import Node
from ansible_collections.gpufleet.node.plugins.module_utils._evidence import load
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._own import MODPROBE
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._own import NVIDIA as OWN
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._package_locks import (
    VERSIONLOCK,
    holds,
    parse_apt_preferences,
    read_locks,
)
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._source import Source
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge.delivery import Deliverer, deliverer
from ansible_collections.gpufleet.node.plugins.module_utils._plan import _configuration, _hold
from ansible_collections.gpufleet.node.plugins.module_utils._plan.steps import Chosen, Step
from planlab import order_of
from planned_node import change, chosen, holder, node

BARE = "trixie-rtx4090-bare"
LOOSE = "persistence-off"  # nothing holds its driver
HELD = "rtx4090-healthy"
EL = "rocky9-t4"
DEBIAN = chosen()
NVIDIA = chosen("580.95.05", flavour="open", origin="nvidia_debian", revision="-1")
STREAM = chosen("580.95.05", flavour="open", origin="nvidia_el", revision="-1.el9")._replace(revision="3:580.95.05-1.el9")
INSTALL = (change("nvidia-kernel-dkms"), change("nvidia-persistenced", "550.163.01-1"))
UPDATE = ["update-initramfs", "-u", "-k", "all"]
BLACKLIST = "blacklist nouveau\noptions nouveau modeset=0\n"


def origin(name: str) -> Deliverer:
    found = deliverer(name)
    assert found is not None
    return found


def told(steps: list[Step]) -> list[str]:
    """Steps in a line each: the command, the file, or the state of a service."""
    lines = []
    for step in steps:
        values = step.values
        service = f"{values.get('name')} {values.get('state')} {values.get('enabled')}"
        lines.append(" ".join(values["argv"]) if step.kind == "command" else f"{step.kind} {values.get('path') or service}")
    return lines


# --- holds -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "which", "pattern", "words"),
    [
        (">=530", DEBIAN, "550.*", "on branch 550"),
        ("550", DEBIAN, "550.*", "on branch 550"),
        (">=535,<590", DEBIAN, "550.*", "on branch 550"),
        ("lts", NVIDIA, "580.*", "on branch 580"),
        ("550.163.01", DEBIAN, "550.163.01-*", "at 550.163.01"),
        ("550.163.01-2", DEBIAN, "550.163.01-2", "at 550.163.01-2"),
        ("580.95.05", STREAM, "3:580.95.05-*", "at 580.95.05"),
        ("580", STREAM, "3:580.*", "on branch 580"),
        ("580.95.05", NVIDIA._replace(build="prebuilt"), "580.*", "on branch 580"),
    ],
)
def test_version_of_a_hold(version: str, which: Chosen, pattern: str, words: str) -> None:
    assert _hold.held_version(order_of(version=version), which) == (pattern, words)


def test_the_file_of_a_hold_is_one_that_apt_and_our_reader_understand() -> None:
    text = _hold.preferences_text(order_of(), DEBIAN, origin("debian"))
    [(package, pin, priority)] = parse_apt_preferences(text)
    assert (pin, priority) == ("version 550.*", 995)
    lock = {"kind": "apt_pin", "pattern": package, "pin": pin, "priority": priority, "path": OWN.preferences}
    assert all(holds(lock, name) for name in ("nvidia-kernel-dkms", "libcuda1", "nvidia-driver", "firmware-nvidia-gsp"))
    assert not holds(lock, "linux-headers-amd64")


def test_a_hold_at_one_version_keeps_what_has_versions_of_its_own_on_the_branch() -> None:
    text = _hold.preferences_text(order_of(version="550.163.01-2"), DEBIAN, origin("debian"))
    exact, rest = parse_apt_preferences(text)
    assert (exact[1:], rest[1:]) == (("version 550.163.01-2", 995), ("version 550.*", 994))
    assert exact[0] == rest[0]


@pytest.mark.parametrize(("which", "own"), [
    (Chosen("580.95.05", 580, "open", "ubuntu", "dkms", "580.95.05-0ubuntu0.24.04.2"), [("version 580.*", 995), ("version *", -1)]),
    (Chosen("580.95.05", 580, "open", "ubuntu", "prebuilt", "580.95.05-0ubuntu0.24.04.2"), [("version 580.*", 995)]),
])
def test_names_that_may_lead_to_another_branch_are_barred_unless_the_next_kernel_needs_that(which: Chosen, own: list[Any]) -> None:
    pins = parse_apt_preferences(_hold.preferences_text(order_of(), which, origin("ubuntu")))
    assert [(pin, priority) for _names, pin, priority in pins] == own
    assert len({names for names, _pin, _priority in pins}) == 1


@pytest.mark.parametrize("maker", ["nvidia_el", "nvidia_dnf", "nvidia_suse"])
def test_every_lock_of_ours_is_one_that_our_reader_sees(maker: str) -> None:
    patterns = list(origin(maker).hold_patterns)
    written = {"/etc/dnf/plugins/versionlock.list": "".join(f"{one}-3:580.*\n" for one in patterns),
               "/etc/zypp/locks": "\n".join(f"type: package\nsolvable_name: {one}\n" for one in patterns)}
    document = {"evidence": 1, "files": written}
    seen = read_locks(Source(load(json.dumps(document)), "packages", []), "rpm")
    assert [lock["pattern"] for lock in seen] == [*(f"{one}-3:580.*" for one in patterns), *patterns]


OURS = _hold.preferences_text(order_of(), DEBIAN, origin("debian"))
NAMES = list(origin("nvidia_dnf").hold_patterns)
RAW = [f"{name}-3:580.*" for name in NAMES]
# What dnf 5 locks of rocky9-t4: the packages that are there, and nvidia-persistenced, which comes.
THERE = ["kmod-nvidia-open-dkms", "libnvidia-ml", "nvidia-driver-cuda", "nvidia-driver-cuda-libs", "nvidia-driver-libs",
         "nvidia-kmod-common", "nvidia-modprobe", "nvidia-persistenced"]
SUSE = list(origin("nvidia_suse").hold_patterns)
EXACT = [f"{name}-3:580.95.05-*" for name in origin("nvidia_el").hold_patterns]
ENABLE = "dnf -y module enable nvidia-driver:580-open"
UNHELD = {"nvidia.driver.held": False, "packages.locks": [], "packages.streams": {}}


@pytest.mark.parametrize(
    ("profile", "changes", "options", "which", "packages", "expected"),
    [
        (BARE, {}, {}, DEBIAN, INSTALL, [f"file {OWN.preferences}"]),
        (BARE, {}, {"hold": False}, DEBIAN, INSTALL, []),
        (LOOSE, {}, {}, DEBIAN, (), [f"file {OWN.preferences}"]),
        (HELD, {}, {}, DEBIAN, (), []),
        (HELD, {}, {}, DEBIAN, INSTALL, [f"file {OWN.preferences}"]),
        (HELD, {"packages.own_files": {OWN.preferences: OURS}}, {}, DEBIAN, INSTALL, []),
        (HELD, {"packages.own_files": {OWN.preferences: OURS + "#\n"}}, {}, DEBIAN, (), []),
        (HELD, {"packages.own_files": {OWN.preferences: OURS + "#\n"}}, {}, DEBIAN, INSTALL, [f"file {OWN.preferences}"]),
        (HELD, {"packages.own_files": {OWN.preferences: OURS.replace("550.*", "535.*")}}, {}, DEBIAN, (), [f"file {OWN.preferences}"]),
        (HELD, {"packages.own_files": {OWN.preferences: OURS}}, {"hold": False}, DEBIAN, (), [f"file_absent {OWN.preferences}"]),
        (HELD, {"packages.own_files": {OWN.preferences: OURS}}, {}, NVIDIA, INSTALL, [f"file_absent {OWN.preferences}"]),
        (EL, UNHELD, {}, STREAM, INSTALL, [ENABLE]),
        (EL, {**UNHELD, "packages.streams": {"nvidia-driver": "580-open"}}, {}, STREAM, INSTALL, []),
        (EL, {**UNHELD, "packages.streams": {"nvidia-driver": "latest-dkms"}}, {}, STREAM, INSTALL,
         ["dnf -y module reset nvidia-driver", ENABLE]),
        (EL, {**UNHELD, "packages.streams": {"nvidia-driver": "570-open"}}, {"hold": False}, STREAM, INSTALL,
         ["dnf -y module reset nvidia-driver", ENABLE]),
        (EL, UNHELD, {"version": "580.95.05"}, STREAM, INSTALL, [ENABLE, "dnf versionlock add --raw " + " ".join(EXACT)]),
        (EL, UNHELD, {}, STREAM._replace(origin="nvidia_dnf"), INSTALL, ["dnf versionlock add --raw " + " ".join(RAW)]),
        (EL, {**UNHELD, "system.programs": ["dnf5"]}, {}, STREAM._replace(origin="nvidia_dnf"), INSTALL,
         ["dnf versionlock add " + " ".join(THERE)]),
        (EL, {**UNHELD, "system.programs": ["dnf5"], "packages.record": {"locks": [{"patterns": RAW}]},
              "packages.locks": [{"kind": "dnf_versionlock", "pattern": f"{one} evr = 3:580.65.06-1.el9", "path": "x"}
                                 for one in ("nvidia-driver-cuda", "nvidia-driver-cuda", "gcc", "nvidia-driver-cuda-libs")]}, {},
         STREAM._replace(origin="nvidia_dnf"), INSTALL,
         ["dnf versionlock delete nvidia-driver-cuda nvidia-driver-cuda-libs", "dnf versionlock add " + " ".join(THERE)]),
        (EL, {**UNHELD, "system.programs": ["dnf5"],
              "packages.locks": [{"kind": "dnf_versionlock", "pattern": f"{THERE[0]} evr = 3:580.95.05-1.el9", "path": "x"}]}, {},
         STREAM._replace(origin="nvidia_dnf"), INSTALL, ["dnf versionlock add " + " ".join(THERE[1:])]),
        (EL, {**UNHELD, "packages.locks": [{"kind": "dnf_versionlock", "pattern": one, "path": "x"} for one in RAW]}, {},
         STREAM._replace(origin="nvidia_dnf"), INSTALL, []),
        (EL, {**UNHELD, "packages.locks": [{"kind": "dnf_versionlock", "pattern": "nvidia-driver*-3:570.*", "path": "x"}],
              "packages.record": {"locks": [{"kind": "dnf_versionlock", "patterns": ["nvidia-driver*-3:570.*"]}]}}, {},
         STREAM._replace(origin="nvidia_dnf"), INSTALL,
         ["dnf versionlock delete --raw nvidia-driver*-3:570.*", "dnf versionlock add --raw " + " ".join(RAW)]),
        (EL, {**UNHELD, "packages.locks": [{"kind": "dnf_versionlock", "pattern": "nvidia-driver*-3:570.*", "path": "x"}]}, {},
         STREAM._replace(origin="nvidia_dnf"), INSTALL, ["dnf versionlock add --raw " + " ".join(RAW)]),
        (EL, UNHELD, {}, STREAM._replace(origin="nvidia_suse"), INSTALL, ["zypper --non-interactive addlock " + " ".join(SUSE)]),
        (EL, {**UNHELD, "packages.record": {"locks": [{"patterns": SUSE}]},
              "packages.locks": [{"kind": "zypper_lock", "pattern": one, "path": "x"} for one in SUSE]}, {},
         STREAM._replace(origin="nvidia_suse"), INSTALL,
         ["zypper --non-interactive removelock " + " ".join(SUSE), "zypper --non-interactive addlock " + " ".join(SUSE)]),
        (EL, {"nvidia.driver.held": True, "packages.record": {"locks": [{"patterns": SUSE}]},
              "packages.locks": [{"kind": "zypper_lock", "pattern": one, "path": "x"} for one in SUSE]}, {},
         STREAM._replace(origin="nvidia_suse"), (), []),
    ],
)  # fmt: skip
def test_hold(profile: str, changes: dict[str, Any], options: dict[str, Any], which: Chosen, packages: Any, expected: list[str]) -> None:
    inventory = Node(node(profile, changes))
    arguments = (inventory, order_of(**options), which, origin(str(which.origin)), packages)
    assert told([*_hold.before_packages(*arguments), *_hold.after_packages(*arguments)]) == expected


@pytest.mark.parametrize(
    ("profile", "programs", "options", "which", "expected"),
    [
        (EL, [], {}, STREAM._replace(origin="nvidia_dnf"), ("python3-dnf-plugin-versionlock",)),
        (EL, [VERSIONLOCK], {}, STREAM._replace(origin="nvidia_dnf"), ()),
        (EL, ["dnf5"], {}, STREAM._replace(origin="nvidia_dnf"), ()),
        (EL, [], {"hold": False}, STREAM._replace(origin="nvidia_dnf"), ()),
        (EL, [], {}, STREAM, ()),
        (EL, [], {"version": "580.95.05"}, STREAM, ("python3-dnf-plugin-versionlock",)),
        (BARE, [], {}, DEBIAN, ()),
    ],
)
def test_packages_that_a_hold_needs(
    profile: str, programs: list[str], options: dict[str, Any], which: Chosen, expected: tuple[str, ...]
) -> None:
    inventory = Node(node(profile, {"system.programs": programs}))
    assert _hold.tools_of(inventory, order_of(**options), which, origin(str(which.origin))) == expected


def test_the_reason_of_a_lock_that_somebody_removed() -> None:
    changes = {"packages.record": {"locks": [{"kind": "apt_pin", "patterns": ["nvidia-*"]}]}}
    [step] = _hold.before_packages(Node(node(LOOSE, changes)), order_of(), DEBIAN, origin("debian"), ())
    assert step.reason == "the lock that was set here is gone: the driver stays on branch 550"
    assert step.undo == f"rm {OWN.preferences}"


# --- files and initramfs ----------------------------------------------------------------------------------------------------

PARAMETERS = {"NVreg_OpenRmEnableUnsupportedGpus": True, "NVreg_EnableGpuFirmware": 0}
OPTIONS = "options nvidia NVreg_EnableGpuFirmware=0 NVreg_OpenRmEnableUnsupportedGpus=1\n"
HEAD = "# Written by gpufleet.node.nvidia_driver: changes here are undone by its next run.\n"


@pytest.mark.parametrize(
    ("profile", "changes", "options", "content", "reason"),
    [
        (BARE, {}, {}, HEAD + BLACKLIST, "nothing keeps nouveau away from the GPUs yet"),
        (BARE, {"kernel.nouveau_blacklisted": None}, {}, None, None),
        (HELD, {}, {}, None, None),
        (HELD, {}, {"module_parameters": PARAMETERS}, HEAD + BLACKLIST + OPTIONS, "module_parameters"),
        (HELD, {"packages.own_files": {MODPROBE: HEAD + BLACKLIST}}, {}, None, None),
        (HELD, {"packages.own_files": {MODPROBE: BLACKLIST}}, {}, HEAD + BLACKLIST, "somebody changed this file"),
        (HELD, {"packages.own_files": {MODPROBE: HEAD + BLACKLIST + OPTIONS}}, {}, HEAD + BLACKLIST, "module_parameters changed"),
        (HELD, {"packages.own_files": {MODPROBE: HEAD + BLACKLIST + OPTIONS}}, {"module_parameters": PARAMETERS}, None, None),
    ],
)
def test_modprobe_file(profile: str, changes: dict[str, Any], options: dict[str, Any], content: str | None, reason: str | None) -> None:
    found = _configuration.before_packages(node(profile, changes), order_of(hold=False, **options), DEBIAN, origin("debian"), ())
    written = [(step.values["content"], step.reason) for step in found if step.values.get("path") == MODPROBE]
    assert written == ([(content, reason)] if content else [])


def initramfs(profile: str, changes: dict[str, Any], **options: Any) -> list[tuple[list[str], str]]:
    found = _configuration.after_packages(node(profile, changes), order_of(**options), DEBIAN, origin("debian"), INSTALL)
    return [(step.values["argv"], step.reason) for step in found if "initramfs" in step.what]


UNSEEN = "nouveau was not blacklisted, and whether the initramfs has it cannot be seen"
DRACUT = ["dracut", "--regenerate-all", "--force"]
INSIDE = {"kernel.nouveau_in_initramfs": True}


@pytest.mark.parametrize(
    ("profile", "changes", "options", "expected"),
    [
        (HELD, {}, {}, []),
        (BARE, {"kernel.nouveau_in_initramfs": False}, {}, []),
        (BARE, INSIDE, {}, [(UPDATE, "the initramfs would load nouveau")]),
        (BARE, INSIDE, {"update_initramfs": False}, []),
        (BARE, {"kernel.nouveau_in_initramfs": None}, {}, [(UPDATE, UNSEEN)]),
        (HELD, {"kernel.nouveau_in_initramfs": None}, {}, []),
        (HELD, {}, {"module_parameters": PARAMETERS}, [(UPDATE, "module parameters count in the early boot too")]),
        (EL, INSIDE, {}, [(DRACUT, "the initramfs would load nouveau")]),
        (EL, {**INSIDE, "system.programs": []}, {}, [(DRACUT, "the initramfs would load nouveau")]),
        (EL, {**INSIDE, "system.programs": ["mkinitrd"]}, {}, [(["mkinitrd"], "the initramfs would load nouveau")]),
        (BARE, {**INSIDE, "system.programs": ["dracut"]}, {}, [(DRACUT, "the initramfs would load nouveau")]),
        (BARE, {**INSIDE, "system.programs": None}, {}, [(UPDATE, "the initramfs would load nouveau")]),
    ],
)
def test_initramfs(profile: str, changes: dict[str, Any], options: dict[str, Any], expected: list[Any]) -> None:
    assert initramfs(profile, changes, **options) == expected


# --- kernels ----------------------------------------------------------------------------------------------------------------

NEWEST, RUNS, OLD = "6.12.57+deb13-amd64", "6.12.48+deb13-amd64", "6.12.41+deb13-amd64"


def kernels(*rows: tuple[str, bool, str | None]) -> dict[str, Any]:
    """Installed kernels, the newest first: release, whether there are headers, the version of its module."""
    installed = [
        {"release": release, "next_boot": not number, "headers": headers, "modules": {"nvidia": {"version": version}} if version else {}}
        for number, (release, headers, version) in enumerate(rows)
    ]
    return {"kernel.installed": installed, "kernel.release": RUNS, "kernel.next_boot_release": rows[0][0]}


@pytest.mark.parametrize(
    ("profile", "installed", "packages", "built"),
    [
        (BARE, kernels((NEWEST, True, None), (RUNS, True, None)), INSTALL, []),
        (BARE, kernels((NEWEST, True, None), (RUNS, True, None), (OLD, True, None)), INSTALL, [OLD]),
        (BARE, kernels((NEWEST, True, None), (RUNS, True, None), (OLD, False, None)), INSTALL, []),
        (EL, kernels((NEWEST, True, None), (RUNS, True, None)), INSTALL, [NEWEST]),
        (BARE, kernels((NEWEST, True, None), (RUNS, True, "550.163.01")), (), [NEWEST]),
        (BARE, kernels((NEWEST, True, "550.163.01"), (RUNS, True, "550.163.01")), (), []),
        (BARE, kernels((NEWEST, True, "535.1"), (RUNS, True, "550.163.01")), (), [NEWEST]),
        (BARE, kernels((NEWEST, False, None), (RUNS, True, "550.163.01")), (), []),
        (BARE, kernels((NEWEST, False, None), (RUNS, True, "550.163.01")), (change(f"linux-headers-{NEWEST}", "6.12.57-1"),), []),
        (EL, kernels((NEWEST, False, None), (RUNS, True, "550.163.01")), (change(f"linux-headers-{NEWEST}", "6.12.57-1"),), [NEWEST]),
    ],
)
def test_modules_for_kernels_that_the_packages_leave_out(profile: str, installed: dict[str, Any], packages: Any, built: list[str]) -> None:
    found = _configuration.after_packages(node(profile, installed), order_of(hold=False), DEBIAN, origin("debian"), packages)
    assert [step.values["argv"][-1] for step in found if step.values.get("argv", [""])[0] == "dkms"] == built
    prebuilt = DEBIAN._replace(build="prebuilt")
    found = _configuration.after_packages(node(profile, installed), order_of(hold=False), prebuilt, origin("debian"), packages)
    assert [step for step in found if step.values.get("argv", [""])[0] == "dkms"] == []


# --- services ---------------------------------------------------------------------------------------------------------------


def services(profile: str, states: dict[str, str | None], packages: Any, required: bool = False, **options: Any) -> list[str]:
    known = {"persistenced": "absent", "fabricmanager": "absent", "imex": "absent", "dcgm": "absent", **states}
    changes = {"nvidia.services": known, "nvidia.fabric": {"required": required}, "kernel.nouveau_loaded": options.pop("nouveau", False),
               "health.services_at_boot": {"persistenced": options.pop("at_boot", None)}}
    found = _configuration.after_packages(node(profile, changes), order_of(hold=False, **options), NVIDIA, origin("debian"), packages)
    return told([step for step in found if step.kind == "service"])


P, F = "service nvidia-persistenced", "service nvidia-fabricmanager"
FABRIC = (change("nvidia-fabricmanager", "580.95.05-1"), change("nvidia-imex", "580.95.05-1"))


@pytest.mark.parametrize(
    ("profile", "states", "packages", "required", "options", "expected"),
    [
        (HELD, {"persistenced": "active"}, (), False, {}, []),
        (HELD, {"persistenced": "absent"}, (), False, {}, []),
        (HELD, {"persistenced": "inactive"}, (), False, {}, [f"{P} started True"]),
        (HELD, {"persistenced": "failed"}, (), False, {}, [f"{P} started True"]),
        (HELD, {"persistenced": "inactive"}, (), False, {"persistence": False}, []),
        (BARE, {"persistenced": None}, INSTALL, False, {}, [f"{P} started True"]),
        (BARE, {"persistenced": None}, INSTALL, False, {"nouveau": True}, [f"{P} None True"]),
        (BARE, {"persistenced": None}, (change("nvidia-compute-utils-580", "580.95.05-1"),), False, {}, [f"{P} started True"]),
        (BARE, {"persistenced": "inactive"}, (), False, {"nouveau": True}, []),
        (BARE, {"persistenced": "inactive"}, (), False, {"nouveau": True, "at_boot": True}, []),
        (BARE, {"persistenced": "inactive"}, (), False, {"nouveau": True, "at_boot": False}, [f"{P} None True"]),
        (BARE, {"persistenced": "inactive"}, (), False, {"nouveau": True, "at_boot": False, "persistence": False}, []),
        (HELD, {"fabricmanager": "failed"}, (), True, {"persistence": False}, [f"{F} started True"]),
        (HELD, {"fabricmanager": "failed"}, (), False, {"persistence": False}, []),
        (BARE, {}, FABRIC, True, {"persistence": False}, [f"{F} started True"]),
        (BARE, {}, (change("nvidia-fabric-manager", "570.1-1"),), True, {"persistence": False}, [f"{F} started True"]),
    ],
)
def test_services(
    profile: str, states: dict[str, str | None], packages: Any, required: bool, options: dict[str, Any], expected: list[str]
) -> None:
    assert services(profile, states, packages, required, **options) == expected


# --- all of it --------------------------------------------------------------------------------------------------------------


def test_a_fresh_installation() -> None:
    changes = {"kernel.nouveau_loaded": True, "kernel.nouveau_in_initramfs": True}
    inventory = node(BARE, changes)
    before = _configuration.before_packages(inventory, order_of(), DEBIAN, origin("debian"), INSTALL)
    after = _configuration.after_packages(inventory, order_of(), DEBIAN, origin("debian"), INSTALL)
    assert told(before) == [f"file {OWN.preferences}", f"file {MODPROBE}"]
    assert told(after) == [" ".join(UPDATE), f"{P} None True"]
    assert _configuration.steps(inventory, order_of(), DEBIAN, origin("debian"), INSTALL) == [*before, *after]


@pytest.mark.parametrize("profile", [HELD, EL, "h100x8-healthy", "secure-boot-signed"])
def test_nothing_to_do_where_all_is_well(profile: str) -> None:
    inventory = node(profile)
    driver = inventory.nvidia["driver"]
    which = chosen(driver["installed_version"], flavour=driver["kernel_module"])
    assert told(_configuration.steps(inventory, order_of(), which, origin("debian"), ())) == []


def test_reload_comes_before_the_services_that_were_not_there() -> None:
    upgrade = (change("nvidia-kernel-open-dkms", "595.91.07-1", "580.95.05-1"),)
    which = chosen("595.91.07", flavour="open")
    found = told(_configuration.after_packages(node(HELD), order_of(reload="if_idle"), which, origin("debian"), upgrade))
    assert found[0] == "service nvidia-persistenced stopped None"
    assert found[1].startswith("rmmod ")
    assert found[-1] == "service nvidia-persistenced started None"
    busy = node(HELD, {"health.gpu_holders": [holder()]})
    assert told(_configuration.after_packages(busy, order_of(reload="if_idle"), which, origin("debian"), upgrade)) == []


def test_the_runfile_driver_goes_first() -> None:
    found = _configuration.before_packages(node("runfile-only"), order_of(replace_runfile=True), NVIDIA, origin("debian"), INSTALL)
    assert told(found)[:2] == [
        "tar --create --gzip --absolute-names --ignore-failed-read --file=/var/lib/gpufleet/runfile-580.95.05.tar.gz -- /var/lib/nvidia"
        " /lib/modules/6.12.57+deb13-amd64/kernel/drivers/video/nvidia.ko",
        "/usr/bin/nvidia-uninstall --silent",
    ]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"packages.record": None}, []),
        ({"packages.record": {"packages": {"nvidia-driver-cuda": "580.95.05-1"}, "files": [], "locks": []}}, []),
        (
            {"packages.record": {"packages": {"nvidia-driver-cuda": "570.1-1", "nvidia-gone": "1-1"}, "files": [], "locks": []}},
            ["nvidia-driver-cuda is 580.95.05-1, 570.1-1 was installed here", "nvidia-gone 1-1 was installed here and is gone"],
        ),
        # Came along, and is none of the packages that an inventory looks for.
        ({"packages.record": {"packages": {"libvdpau1": "1.5-3"}, "files": [], "locks": []}}, []),
        ({"packages.record": {"files": [OWN.preferences, MODPROBE], "locks": [{}]}, "packages.own_files": {MODPROBE: BLACKLIST}},
         [f"{OWN.preferences} is gone", f"{MODPROBE} says something else than the options do"]),
        ({"packages.record": {"files": [], "locks": [{}]}}, ["the lock of the driver's packages is gone"]),
    ],
)  # fmt: skip
def test_drift(changes: dict[str, Any], expected: list[str]) -> None:
    assert _configuration.drift(node(LOOSE, changes), order_of()) == expected
