# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans of ROCm: a machine, package sources and an order, what is planned, and what is planned after that."""

from __future__ import annotations

import copy
import json
from functools import cache
from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._inventory import Inventory
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._own import ROCM, ROCM_ENVIRONMENT, ROCM_PROFILE, ROCM_UDEV
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._package_locks import parse_apt_preferences
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge.rocm_releases import numbers
from ansible_collections.gpufleet.node.plugins.module_utils._packages.types import as_plain
from ansible_collections.gpufleet.node.plugins.module_utils._plan import rocm_stack
from ansible_collections.gpufleet.node.plugins.module_utils._plan._rocm_here import judge
from ansible_collections.gpufleet.node.plugins.module_utils._plan._rocm_satisfied import satisfied
from ansible_collections.gpufleet.node.plugins.module_utils._plan.rocm_order import RocmOrder
from ansible_collections.gpufleet.node.plugins.module_utils._plan.steps import Plan
from planlab.rocm import TODAY, RocmLaboratory, rocm_apply, rocm_machine, rocm_order

HOLD, ONCE, PRIORITY = ROCM.preferences, ROCM.transaction, f"{ROCM.own_preferences}amd.pref"


@cache
def fresh(profile: str) -> Inventory:
    return rocm_machine(profile, ("alice", "bob"))


def planned(inventory: Inventory, **options: Any) -> Plan:
    return RocmLaboratory(inventory, rocm_order(**options)).run()


def after(profile: str, *orders: dict[str, Any]) -> Inventory:
    """A machine on which these orders were carried out, one after the other."""
    inventory = fresh(profile)
    for options in orders:
        plan = planned(inventory, **options)
        assert plan.status == "change", (options, plan.refusals)
        inventory = rocm_apply(inventory, plan)
    return inventory


def codes(plan: Plan, severity: str = "critical") -> list[str]:
    return [one.code for one in plan.refusals if one.severity == severity]


def names(plan: Plan) -> list[str]:
    """What the package manager is told to install."""
    return [f"{one['name']}={one['version'] or ''}".rstrip("=") for step in plan.steps if step.kind == "packages"
            for one in step.values["install"]]


def gone(plan: Plan) -> list[str]:
    return [name for step in plan.steps if step.kind == "packages_absent" for name in step.values["names"]]


def files(plan: Plan) -> dict[str, str]:
    return {step.values["path"]: step.values["content"] for step in plan.steps if step.kind == "file"}


# profile, options, "release origin driver" of what is chosen, whose offers were asked, what is named to the package manager first
CHANGES: list[tuple[str, dict[str, Any], str, list[str], str]] = [
    ("trixie-rx6800xt-bare", {}, "6.1.2 debian inbox", ["debian"], "libhsa-runtime64-1=6.1.2-3"),
    ("trixie-radeon-vii-bare", {}, "6.1.2 debian inbox", ["debian"], "libhsa-runtime64-1=6.1.2-3"),
    ("trixie-rx6800xt-bare", {"version": ">=5.7", "components": ["opencl"]}, "5.7.1 debian inbox", ["debian"],
     "rocm-opencl-icd=5.7.1-6+deb13u1"),
    ("trixie-rx6800xt-bare", {"version": "7.2"}, "7.2.4 amd_classic_deb inbox", ["debian", "amd_classic_deb"],
     "rocm-language-runtime=7.2.4.70204-93~24.04"),
    ("trixie-rx6800xt-bare", {"components": ["hip"]}, "10.1.0 amd_deb inbox", ["debian", "amd_deb"], "amdrocm-base10.1=10.1.0-1"),
    ("trixie-rx6800xt-bare", {"origin": "amd"}, "10.1.0 amd_deb inbox", ["amd_deb"], "amdrocm-base10.1=10.1.0-1"),
    ("noble-mi300x8-bare", {}, "10.1.0 amd_deb dkms 31.50.0", ["ubuntu", "amd_deb"], "amdrocm-base10.1=10.1.0-1"),
    ("noble-mi300x8-bare", {"version": "7.2", "components": ["runtime", "hip", "opencl"]}, "7.2.4 amd_classic_deb dkms 30.30.4",
     ["ubuntu", "amd_classic_deb"], "rocm-language-runtime=7.2.4.70204-93~24.04"),
    ("noble-mi300x8-bare", {"version": "6.4.3"}, "6.4.3 amd_classic_deb inbox", ["ubuntu", "amd_classic_deb"],
     "rocm-language-runtime=6.4.3.60403-128~24.04"),
    ("noble-mi300x8-bare", {"version": "7.2", "driver": "inbox"}, "7.2.4 amd_classic_deb inbox", ["ubuntu", "amd_classic_deb"],
     "rocm-language-runtime=7.2.4.70204-93~24.04"),
    ("noble-mi300x8-bare", {"version": "7.2", "driver": "none"}, "7.2.4 amd_classic_deb none", ["ubuntu", "amd_classic_deb"],
     "rocm-language-runtime=7.2.4.70204-93~24.04"),
    ("noble-mi300x8-bare", {"version": "7.2", "side_by_side": True, "driver": "inbox"}, "7.2.4 amd_classic_deb inbox",
     ["ubuntu", "amd_classic_deb"], "rocm-language-runtime7.2.4=7.2.4.70204-93~24.04"),
    ("noble-mi300x8-bare", {"components": ["ml"], "driver": "inbox"}, "10.1.0 amd_deb inbox", ["ubuntu", "amd_deb"],
     "amdrocm10.1-gfx942=10.1.0-1"),
    ("noble-rx6700xt-bare", {"driver": "inbox"}, "10.1.0 amd_deb inbox", ["ubuntu", "amd_deb"], "amdrocm-base10.1=10.1.0-1"),
    ("rocky9-mi210-bare", {"version": "7.2"}, "7.2.4 amd_classic_el dkms 30.30.4", ["amd_classic_el"],
     "rocm-language-runtime=7.2.4.70204-93.el9"),
    ("rocky9-mi210-bare", {"driver": "inbox"}, "10.1.0 amd_el inbox", ["amd_el"], "amdrocm-base10.1=10.1.0-1"),
    ("sles15-mi210-bare", {}, "10.1.0 amd_suse dkms 31.50.0", ["amd_suse"], "amdrocm-base10.1=10.1.0-1"),
    ("noble-mi300x8-rocm72", {}, "7.2.4 amd_classic_deb dkms 30.30.4", ["amd_classic_deb"], "rocm-language-runtime=7.2.4.70204-93~24.04"),
    ("noble-mi300x8-rocm72", {"version": "10.1"}, "10.1.0 amd_deb dkms 30.30.4", ["amd_deb"], "amdrocm-base10.1=10.1.0-1"),
]


@pytest.mark.parametrize(("profile", "options", "chosen", "asked", "first"), CHANGES)
def test_change(profile: str, options: dict[str, Any], chosen: str, asked: list[str], first: str) -> None:
    inventory, order = fresh(profile), rocm_order(**options)
    laboratory = RocmLaboratory(inventory, order)
    plan = laboratory.run()
    assert (plan.status, codes(plan)) == ("change", [])
    told = plan.chosen
    assert " ".join(filter(None, (told.version, told.origin, told.driver, told.driver_version))) == chosen
    assert (laboratory.asked, names(plan)[0]) == (asked, first)
    _holds(inventory, order, plan)


def _holds(inventory: Inventory, order: RocmOrder, plan: Plan) -> None:
    """What every plan that changes something keeps to."""
    chosen = plan.chosen
    assert order.wish.allows(chosen.version)
    assert all(order.wish.allows(release) for _name, release in chosen.components)
    before = (inventory.amd.get("rocm") or {}).get("version")
    assert order.allow_downgrade or not before or numbers(chosen.version) >= numbers(before)
    assert chosen.stream is None or not judge(inventory, chosen.version).bad
    assert plan.steps[0].values["path"] == ROCM.record
    assert json.dumps(as_plain(plan))
    done = rocm_apply(inventory, plan)
    again = RocmLaboratory(done, order).run()
    assert (again.status, [step.what for step in again.steps], codes(again)) == ("nothing_to_do", [], [])
    assert again.chosen is not None
    assert again.chosen.version == chosen.version
    found = satisfied(done, order, TODAY)
    assert found is not None
    assert found.status == "nothing_to_do"
    if before:  # packages that were there before may need ours
        return
    left = rocm_apply(done, planned(done, state="absent"))
    assert left.packages.get("record") is None
    assert not {step.values["path"] for step in plan.steps if step.kind == "file"} & set(left.packages.get("own_files") or {})


# profile, options, the code of the refusal, words of its message, the first option that would do
REFUSED: list[tuple[str, dict[str, Any], str, str, dict[str, str] | None]] = [
    ("noble-radeon-vii-bare", {"version": "7.2"}, "RS-GPU-ENDED", "ROCm 6.3 is the last whose list has AMD Radeon VII",
     {"version": "6.3.3"}),
    ("noble-rx6700xt-bare", {"version": "7.2"}, "RS-GPU-OVERRIDE", "HSA_OVERRIDE_GFX_VERSION=10.3.0", {"allow_unsupported_gpu": "true"}),
    ("noble-strix-halo-bare", {}, "RS-INBOX-TOO-OLD", "Linux drives gfx1151 since 6.18.4", None),
    ("noble-mi300x8-bare", {"version": "7.2.9"}, "RS-VERSION-NOT-OFFERED", "AMD does not offer ROCm for version 7.2.9",
     {"version": "7.14.0"}),
    ("trixie-rx6800xt-bare", {"version": "7.2", "origin": "distribution"}, "RS-VERSION-NOT-OFFERED",
     "it has runtime 6.1.2; AMD's repository has 7.2.4", {"origin": "amd"}),
    ("trixie-rx6800xt-bare", {"components": ["hip"], "origin": "distribution"}, "RS-VERSION-NOT-OFFERED", "it has hip 5.7.1",
     {"origin": "amd"}),
    ("trixie-rx6800xt-bare", {"driver": "dkms", "origin": "distribution"}, "RS-DRIVER-ELSEWHERE", "debian has no amdgpu-dkms",
     {"origin": "amd"}),
    ("noble-mi300x8-bare", {"version": "7.2", "driver": "dkms", "driver_version": "6.2"}, "RS-DRIVER-MISMATCH", "the pair of this release",
     {"driver_version": "30.30.4"}),
    ("noble-mi300x8-bare", {"version": "7.2", "driver": "dkms", "driver_version": "99.1"}, "RS-DRIVER-UNKNOWN", "driver_version 99.1",
     None),
    ("rocm-mixed-origin", {}, "RS-MIXED-ORIGIN", "amd_classic_deb (hip-runtime-amd, hsa-rocr and rocm-core) and ubuntu (rocminfo)",
     {"origin": "amd"}),
    ("jammy-mi210-bare", {"version": "6.4.4"}, "RS-NOT-OFFERED", "rocm-language-runtime and rocminfo", None),
    ("no-gpu", {"when_no_gpu": "fail"}, "RS-NO-GPU", "PCI shows no AMD GPU", None),
]


@pytest.mark.parametrize(("profile", "options", "code", "words", "use"), REFUSED)
def test_refused(profile: str, options: dict[str, Any], code: str, words: str, use: dict[str, str] | None) -> None:
    plan = planned(fresh(profile), **options)
    assert (plan.status, codes(plan), plan.steps) == ("refused", [code], ())
    refusal = next(one for one in plan.refusals if one.code == code)
    assert words in refusal.message
    assert (refusal.use or (None,))[0] == use
    assert refusal.remedy


@pytest.mark.parametrize("wish", ["7.2", "7.14", "10.1", ">=6.4,<7"])
def test_what_a_refusal_advises_serves_the_card(wish: str) -> None:
    """The advice for a Radeon VII; the repositories of the tests have not each release, so that it may end there."""
    (refusal,) = planned(fresh("noble-radeon-vii-bare"), version=wish).refusals
    plan = planned(fresh("noble-radeon-vii-bare"), **refusal.use[0])
    assert not [code for code in codes(plan) if code.startswith("RS-GPU")]


CHANGED: list[tuple[str, list[str], Any]] = [
    ("container", ["RS-CONTAINER"], lambda node: node.system.update(container=True)),
    ("image", ["RS-OWNER-IMAGE"], lambda node: node.system.update(image_based=True)),
    ("busy", ["RS-BUSY"], lambda node: node.health.update(
        gpu_holders=[{"pid": 4, "name": "python3", "path": "/dev/kfd", "service": False}])),
    ("other vendor's jobs", [], lambda node: node.health.update(
        gpu_holders=[{"pid": 4, "name": "python3", "path": "/dev/nvidia0", "service": False}])),
    ("kubelet", ["RS-NOT-DRAINED-KUBELET"], lambda node: node.health.update(
        workload_managers=[{"name": "kubelet", "node": "n1", "drained": False}])),
    ("blacklist", ["RS-BLACKLISTED"], lambda node: node.amd.update(
        blacklists=[{"path": "/etc/modprobe.d/x.conf", "line": "blacklist amdgpu"}])),
    ("no room", ["RS-NO-SPACE"], lambda node: node.system.update(free_mib={"/boot": 1, "/usr": 1, "/var": 1})),
    ("passed through", ["RS-PASSED-THROUGH"], lambda node: [one["pci"].update(kernel_driver="vfio-pci") for one in node.devices]),
    ("Secure Boot", ["RS-SECURE-BOOT"], lambda node: node.kernel.update(secure_boot=True, mok_enrolled=[])),
    ("no headers", ["RS-NO-HEADERS"], lambda node: node.kernel["installed"].append(
        {"release": "6.9.0-99-generic", "next_boot": False, "headers": False, "modules": {}})),
]


@pytest.mark.parametrize(("expected", "change"), [row[1:] for row in CHANGED], ids=[row[0] for row in CHANGED])
def test_what_a_node_brings_in_the_way(expected: list[str], change: Any) -> None:
    inventory = copy.deepcopy(fresh("noble-mi300x8-bare"))
    change(inventory)
    plan = planned(inventory, version="7.2", driver="dkms")
    assert sorted(set(codes(plan))) == expected
    assert (plan.status == "refused") == bool(expected)


def test_no_gpu_is_skipped() -> None:
    plan = planned(fresh("no-gpu"))
    assert (plan.status, codes(plan, "warning")) == ("skipped", ["RS-NO-GPU"])


def test_classic_to_new_stream_removes_the_classic_packages_first() -> None:
    inventory = after("noble-mi300x8-bare", {"version": "7.2", "driver": "inbox", "components": ["hip", "opencl"]})
    classic = {name for name, entry in inventory.packages["installed"].items() if "70204" in entry["version"]}
    plan = planned(inventory, version="10.1", driver="inbox", components=["hip", "opencl"])
    assert set(gone(plan)) == classic
    kinds = [step.kind for step in plan.steps]
    undo = next(step.undo for step in plan.steps if step.kind == "packages_absent")
    assert undo.startswith("apt-get install --allow-downgrades ")
    assert "rocm-core=7.2.4.70204-93~24.04" in undo
    way = json.loads(files(plan)[ROCM.record])["way_back"]
    assert [entry["gone"] for entry in way if "gone" in entry] == [gone(plan)]
    assert kinds.index("packages_absent") < kinds.index("packages")
    assert not classic & {name.partition("=")[0] for name in names(plan)}
    assert "/etc/apt/sources.list.d/gpufleet-graphics.sources" in [
        step.values["path"] for step in plan.steps if step.kind == "file_absent"]
    done = rocm_apply(inventory, plan)
    assert planned(done, version="10.1", driver="inbox", components=["hip", "opencl"]).status == "nothing_to_do"
    back = planned(done, version="7.2", driver="inbox", components=["hip", "opencl"])
    assert codes(back) == ["RS-DOWNGRADE"]
    allowed = planned(done, version="7.2", driver="inbox", components=["hip", "opencl"], allow_downgrade=True)
    assert {name for name in gone(allowed) if not name.startswith("amdrocm")} == set()
    assert len(gone(allowed)) > 2


def test_the_distributions_packages_make_room_and_shared_names_are_exchanged() -> None:
    inventory = after("trixie-rx6800xt-bare", {"components": ["runtime"]})
    kept = planned(inventory, version="7.2")
    assert (codes(kept), kept.refusals[0].use) == (["RS-VERSION-NOT-OFFERED"], ({"origin": "amd"}, {"version": "6.1.2"}))
    plan = planned(inventory, version="7.2", origin="amd")
    assert (codes(plan), gone(plan)) == ([], ["libhsa-runtime64-1", "libhsakmt1"])
    assert "rocminfo=1.0.0.70204-93~24.04" in names(plan)
    step = next(step for step in plan.steps if step.kind == "packages")
    assert step.values["downgrade"] is True
    pins = parse_apt_preferences(files(plan)[ONCE])
    assert [pin for words, pin, priority in pins if "rocminfo" in words.split() and priority > 1000] == ["version *.70204-**"]


def test_back_to_the_distribution() -> None:
    inventory = after("trixie-rx6800xt-bare", {"version": "7.2", "driver": "inbox"})
    assert planned(inventory, driver="inbox").status == "nothing_to_do"
    assert codes(planned(inventory, origin="distribution")) == ["RS-DOWNGRADE"]
    plan = planned(inventory, origin="distribution", allow_downgrade=True)
    assert (plan.chosen.version, plan.chosen.origin) == ("6.1.2", "debian")
    assert {"rocm-core", "hsa-rocr"} <= set(gone(plan))
    assert {PRIORITY} <= {step.values["path"] for step in plan.steps if step.kind == "file_absent"}
    done = rocm_apply(inventory, plan)
    assert planned(done, origin="distribution").status == "nothing_to_do"


def test_apt_prefers_amds_packages_and_holds_their_release() -> None:
    plan = planned(fresh("noble-mi300x8-bare"), version="7.2")
    assert parse_apt_preferences(files(plan)[PRIORITY]) == [("*", "release o=repo.radeon.com", 600)]
    pins = parse_apt_preferences(files(plan)[HOLD])
    told = {pin: words.split() for words, pin, _priority in pins}
    assert sorted(told) == ["version *.70204-**", "version 1:6.16.13.30300400*", "version 30.30.4.0.30300400*"]
    assert {"rocm-core", "rocminfo", "hipcc", "rocm-hip-sdk"} <= set(told["version *.70204-**"])
    assert {priority for _words, _pin, priority in pins} == {995}


def test_headers_come_for_every_kernel_that_boots() -> None:
    inventory = copy.deepcopy(fresh("noble-mi300x8-bare"))
    inventory.kernel["installed"][0]["headers"] = False
    del inventory.packages["installed"]["linux-headers-6.8.0-88-generic"]
    plan = planned(inventory, version="7.2")
    assert (plan.status, codes(plan)) == ("change", [])
    assert {"linux-headers-6.8.0-88-generic", "linux-headers-generic"} <= {name.partition("=")[0] for name in names(plan)}


def test_a_user_that_there_is_not() -> None:
    inventory = copy.deepcopy(fresh("trixie-rx6800xt-bare"))
    inventory.amd["access"]["users"]["carol"] = {"exists": False}
    assert codes(planned(inventory, users=["alice", "carol"])) == ["RS-NO-USER"]


def test_dkms_has_to_come_from_somewhere() -> None:
    laboratory = RocmLaboratory(fresh("rocky9-mi210-bare"), rocm_order(version="7.2", driver="dkms"))
    laboratory.own = laboratory.own._replace(offer=laboratory.own.offer._replace(candidates=()))
    plan = laboratory.run()
    assert codes(plan) == ["RS-NO-DKMS"]
    assert "epel" in plan.refusals[0].remedy


def test_users_groups_and_rules() -> None:
    inventory = copy.deepcopy(fresh("trixie-rx6800xt-bare"))
    plan = planned(inventory, users=["alice", "bob"])
    (step,) = [step for step in plan.steps if step.kind == "user"]
    assert (step.values, "render (gid 992)" in step.reason) == ({"name": "bob", "groups": ["render", "video"]}, True)
    inventory.amd["access"]["udev_rules"] = []
    del inventory.amd["access"]["groups"]["render"]
    bare = planned(inventory, users=["alice"])
    assert [step.values for step in bare.steps if step.kind == "group"] == [{"name": "render", "system": True}]
    assert 'KERNEL=="kfd"' in files(bare)[ROCM_UDEV]
    assert [step.values["argv"][:2] for step in bare.steps if step.kind == "command"] == [["udevadm", "control"], ["udevadm", "trigger"]]


def test_a_running_session_has_to_begin_anew() -> None:
    inventory = copy.deepcopy(fresh("trixie-rx6800xt-bare"))
    inventory.amd["access"]["users"]["alice"].update(processes=2, session_groups=["alice"])
    assert any("alice must log in again" in reason for reason in planned(inventory, users=["alice"]).reasons)


def test_the_override_is_written_where_it_is_allowed_and_taken_away_again() -> None:
    options = {"version": "7.2", "driver": "inbox"}
    plan = planned(fresh("noble-rx6700xt-bare"), allow_unsupported_gpu=True, **options)
    assert plan.chosen.override == "10.3.0"
    assert files(plan)[ROCM_ENVIRONMENT].endswith("HSA_OVERRIDE_GFX_VERSION=10.3.0\n")
    assert "export HSA_OVERRIDE_GFX_VERSION=10.3.0" in files(plan)[ROCM_PROFILE]
    done = rocm_apply(fresh("noble-rx6700xt-bare"), plan)
    moved = planned(done, version="10.1", driver="inbox")
    assert {ROCM_ENVIRONMENT, ROCM_PROFILE} <= {step.values["path"] for step in moved.steps if step.kind == "file_absent"}


def test_a_release_of_the_same_stream_moves_all_its_packages() -> None:
    inventory = after("noble-mi300x8-bare", {"version": "6.4.3", "driver": "inbox", "components": ["runtime", "smi"]})
    assert planned(inventory, driver="inbox").status == "nothing_to_do"
    plan = planned(inventory, version="7.2", driver="inbox")
    assert gone(plan) == []
    assert "amd-smi-lib=26.2.2.70204-93~24.04" in names(plan)
    done = rocm_apply(inventory, plan)
    assert not [name for name, entry in done.packages["installed"].items() if "60403" in entry["version"]]
    lower = planned(done, version="6.4.3", driver="inbox", allow_downgrade=True)
    assert (lower.status, codes(lower)) == ("change", [])
    assert {priority for _words, _pin, priority in parse_apt_preferences(files(lower)[ONCE])} == {1001}


def test_releases_side_by_side() -> None:
    options = {"side_by_side": True, "driver": "inbox"}
    inventory = after("noble-mi300x8-bare", {"version": "7.1.1", **options}, {"version": "7.2", **options})
    there = {name for name in inventory.packages["installed"] if name.startswith("rocm-core")}
    assert there == {"rocm-core7.1.1", "rocm-core7.2.4"}
    assert planned(inventory, version="7.1.1", **options).status == "nothing_to_do"
    inventory.amd["installs"] = [{"path": f"/opt/rocm-{one}", "version": one, "stream": "classic", "default": one == "7.2.4"}
                                 for one in ("7.1.1", "7.2.4")]
    older = planned(inventory, version="7.1.1", **options)
    assert [step.values["argv"] for step in older.steps if step.kind == "command"] == [
        ["update-alternatives", "--set", "rocm", "/opt/rocm-7.1.1"]]
    single = after("noble-mi300x8-bare", {"version": "7.2", "driver": "inbox"})
    moved = planned(single, version="7.2", **options)
    assert "rocm-core" in gone(moved)
    assert codes(moved) == []


DRIFT: list[tuple[str, Any, str]] = [
    ("the hold is gone", lambda node: (node.packages["own_files"].pop(HOLD), node.packages["locks"].clear(),
                                       [one.update(held=False) for one in node.packages["installed"].values()]), HOLD),
    ("the hold says less", lambda node: node.packages["own_files"].update(
        {HOLD: "Package: rocminfo\nPin: version 1*\nPin-Priority: 995\n"}), HOLD),
]


@pytest.mark.parametrize(("change", "path"), [row[1:] for row in DRIFT], ids=[row[0] for row in DRIFT])
def test_drift_is_mended(change: Any, path: str) -> None:
    inventory = copy.deepcopy(after("trixie-rx6800xt-bare", {}))
    change(inventory)
    plan = planned(inventory)
    assert (plan.status, list(files(plan))) == ("change", [path])
    assert planned(rocm_apply(inventory, plan)).status == "nothing_to_do"


def test_a_package_that_is_gone_comes_back() -> None:
    inventory = copy.deepcopy(after("trixie-rx6800xt-bare", {}))
    del inventory.packages["installed"]["rocminfo"]
    assert names(planned(inventory)) == ["rocminfo"]


def test_hold_false_takes_the_hold_back() -> None:
    plan = planned(after("trixie-rx6800xt-bare", {}), hold=False)
    assert [step.values["path"] for step in plan.steps if step.kind == "file_absent"] == [HOLD]


def test_what_the_kernel_says_comes_with_advice() -> None:
    inventory = copy.deepcopy(fresh("trixie-rx6800xt-bare"))
    inventory.amd["hints"] = [{"kind": "no_pcie_atomics", "device_id": "73bf", "pci": None, "message": "PCI rejects atomics 730<0"}]
    assert any(reason.startswith("PCI rejects atomics 730<0: this slot") for reason in planned(inventory).reasons)


def test_a_hold_of_somebody_else_is_named() -> None:
    inventory = copy.deepcopy(after("noble-mi300x8-bare", {"version": "6.4.3", "driver": "inbox", "hold": False}))
    inventory.packages["installed"]["rocm-core"]["held"] = True
    assert codes(planned(inventory, version="7.2", driver="inbox")) == ["RS-HELD"]


def test_latest_stays_in_the_stream_that_is_there() -> None:
    inventory = after("noble-mi300x8-bare", {"version": "6.4.3", "driver": "inbox"})
    plan = planned(inventory, state="latest", driver="inbox")
    assert plan.chosen.version == "7.2.4"
    assert any("10.1.0 is of another stream" in reason for reason in plan.reasons)


def test_without_a_record_nothing_is_removed() -> None:
    plan = planned(fresh("noble-mi300x8-rocm72"), state="absent")
    assert codes(plan) == ["RS-NO-RECORD"]
    assert planned(fresh("noble-mi300x8-bare"), state="absent").status == "nothing_to_do"


def test_what_others_need_stays() -> None:
    inventory = copy.deepcopy(after("trixie-rx6800xt-bare", {}))
    inventory.packages["record"]["packages"].pop("libhsa-runtime64-1")
    plan = planned(inventory, state="absent")
    assert (codes(plan), gone(plan)) == (["RS-NEEDED-BY-OTHERS"], [])


@pytest.mark.parametrize(("profile", "options"), [row[:2] for row in CHANGES])
def test_prediction_is_what_comes(profile: str, options: dict[str, Any]) -> None:
    inventory = fresh(profile)
    plan = planned(inventory, **options)
    told, done = rocm_stack.predict(inventory, plan), rocm_apply(inventory, plan)
    assert told["rocm"]["version"] == plan.chosen.version
    assert told["rocm"]["packages"] == done.amd["rocm"]["packages"]
    assert told["rocm"]["origin"] == done.amd["rocm"]["origin"]


def test_steps_have_kinds_that_are_known() -> None:
    from ansible_collections.gpufleet.node.plugins.module_utils._plan.steps import KINDS

    for profile, options, *_rest in CHANGES:
        assert {step.kind for step in planned(fresh(profile), **options).steps} <= set(KINDS)
