# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps of a plan as Ansible's own actions, and what this controller lacks for them."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from ansible_collections.gpufleet.node.plugins.module_utils._check._node import Node
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._inventory import Inventory
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._own import Own
from ansible_collections.gpufleet.node.plugins.module_utils._packages.types import as_plain
from ansible_collections.gpufleet.node.plugins.module_utils._plan._refuse import refuse

__all__ = ["Delegate", "delegates", "obstacles", "refusal"]

# Our own folder, one that Debian names in its documentation but does not make before apt 2.4, and that of keys on Enterprise Linux,
# which SUSE does not have (its own keys lie among rpm's programs); any other has its package.
_FOLDERS = ("/var/lib/gpufleet", "/etc/apt/keyrings", "/etc/pki/rpm-gpg")
_QUIET = {"DEBIAN_FRONTEND": "noninteractive"}
# From this version on ansible.builtin.dnf asks the Python of the node's dnf from outside, down to 3.6; before, the module itself
# had to run in it (ansible/module_utils/_embed/dnf.py, Requires-Python; ansible/module_utils/basic.py, _PY_MIN).
_OLD_PYTHON_SINCE = (2, 21)
_OLD_PYTHON_BEFORE = (3, 9)


class Delegate(NamedTuple):
    """One action to run: its full name, its arguments, and what is added to the task's environment."""

    action: str
    args: dict[str, Any]
    environment: dict[str, str] = {}  # noqa: RUF012 (never changed)


def delegates(step: Mapping[str, Any], proxy: str | None = None) -> list[Delegate]:
    """What a step {kind, values} is in Ansible's actions, in their order. proxy: for everything that the package manager fetches."""
    found = _KINDS[str(step["kind"])](step["values"])
    through = {"http_proxy": proxy, "https_proxy": proxy} if proxy else {}
    return [one._replace(environment={**one.environment, **through}) if step["kind"] == "packages" else one for one in found]


def refusal(own: Own, code: str, **words: Any) -> dict[str, Any]:
    """A refusal that only a controller can know of, in the form of the answer. code: without its beginning."""
    plain: dict[str, Any] = as_plain(refuse(Node(Inventory()), f"{own.codes}{code}", "controller", **words))
    return plain


def obstacles(
    own: Own, steps: Iterable[Mapping[str, Any]], exists: Callable[[str], bool], core: str, node_python: str | None
) -> list[dict[str, Any]]:
    """Refusals for what this controller cannot do of the steps.

    exists tells whether an action or a module of this name is installed here; core is the version of ansible-core; node_python
    that of the Python which has the node's dnf, "3.6".
    """
    names = dict.fromkeys(one.action for step in steps for one in delegates(step))
    lacking = [name for name in names if not exists(name)]
    found = [refusal(own, "COLLECTION-MISSING", module=name, collection=name.rpartition(".")[0]) for name in lacking]
    if "ansible.builtin.dnf" in names and _numbers(core) < _OLD_PYTHON_SINCE and _numbers(node_python or "9") < _OLD_PYTHON_BEFORE:
        found.append(refusal(own, "OLD-PYTHON", python=node_python, core=core))
    return found


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())


def _packages(values: Mapping[str, Any]) -> list[Delegate]:
    """The transaction as it was resolved: without what packages only recommend."""
    manager, wanted = values["manager"], values["install"]
    downgrade, erase = bool(values.get("downgrade")), bool(values.get("erase"))
    if manager == "apt":
        args = {"allow_downgrade": downgrade, "lock_timeout": values["lock_timeout"], "update_cache": bool(values.get("refresh"))}
        return [Delegate("ansible.builtin.apt", {"name": _pairs(wanted, "="), "state": "present", "install_recommends": False, **args})]
    if manager == "zypper":
        args = {"oldpackage": downgrade, "force_resolution": erase, "update_cache": bool(values.get("refresh")), "disable_recommends": True}
        return [_zypper({"name": _pairs(wanted, "="), "state": "present", **args}, values)]
    args = {"allow_downgrade": downgrade, "allowerasing": erase, "update_cache": bool(values.get("refresh")), "install_weak_deps": False}
    return [_dnf({"name": _pairs(wanted, "-"), "state": "present", **args}, values)]


def _packages_absent(values: Mapping[str, Any]) -> list[Delegate]:
    args = {"name": list(values["names"]), "state": "absent"}
    if values["manager"] == "apt":
        purge = bool(values.get("purge"))
        return [Delegate("ansible.builtin.apt", {**args, "purge": purge, "lock_timeout": values["lock_timeout"]})]
    # What goes needs no repository, and so no network.
    if values["manager"] == "zypper":
        return [_zypper({**args, "extra_args_precommand": "--disable-repositories"}, values)]
    return [_dnf({**args, "disablerepo": "*"}, values)]


def _pairs(wanted: Iterable[Mapping[str, Any]], sign: str) -> list[str]:
    return [f"{one['name']}{sign}{one['version']}" if one.get("version") else str(one["name"]) for one in wanted]


def _dnf(args: dict[str, Any], values: Mapping[str, Any]) -> Delegate:
    backend = "dnf5" if values["manager"] == "dnf5" else "dnf4"  # named, or the action would gather facts to tell them apart
    return Delegate("ansible.builtin.dnf", {**args, "lock_timeout": values["lock_timeout"], "use_backend": backend})


def _zypper(args: dict[str, Any], values: Mapping[str, Any]) -> Delegate:
    # The module has no option for it, libzypp has a variable.
    return Delegate("community.general.zypper", args, {"ZYPP_LOCK_TIMEOUT": str(values["lock_timeout"])})


def _repair(values: Mapping[str, Any]) -> list[Delegate]:
    """apt: state=fixed does nothing where all packages that it names are installed, so apt-get itself is asked."""
    options = ["--option=Dpkg::Options::=--force-confdef", "--option=Dpkg::Options::=--force-confold"]
    wait = f"--option=DPkg::Lock::Timeout={int(values['lock_timeout'])}"
    return [
        _command({"argv": ["dpkg", "--force-confdef", "--force-confold", "--configure", "--pending"]}, _QUIET),
        _command({"argv": ["apt-get", "--yes", *options, wait, "--fix-broken", "install"]}, _QUIET),
    ]


def _command(values: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> Delegate:
    return Delegate("ansible.builtin.command", {"argv": [str(word) for word in values["argv"]]}, dict(environment or {}))


def _file(values: Mapping[str, Any]) -> list[Delegate]:
    owner = {"owner": "root", "group": "root"}
    folder = posixpath.dirname(values["path"])
    parent = {"path": folder, "state": "directory", "mode": "0755", **owner}
    first = [Delegate("ansible.builtin.file", parent)] if folder in _FOLDERS else []
    content = {"dest": values["path"], "content": values["content"], "mode": values.get("mode") or "0644", **owner}
    return [*first, Delegate("ansible.builtin.copy", content)]


def _key(values: Mapping[str, Any]) -> list[Delegate]:
    args = {"key": values["path"], "fingerprint": values["fingerprint"], "state": "present"}
    return _file(values) + ([] if values["manager"] == "apt" else [Delegate("ansible.builtin.rpm_key", args)])


def _service(values: Mapping[str, Any]) -> list[Delegate]:
    given = {name: values[name] for name in ("name", "state", "enabled") if values.get(name) is not None}
    return [Delegate("ansible.builtin.service", given)]


def _group(values: Mapping[str, Any]) -> list[Delegate]:
    number = {"gid": int(values["gid"])} if values.get("gid") is not None else {}
    return [Delegate("ansible.builtin.group", {"name": values["name"], "state": "present", "system": bool(values.get("system")), **number})]


def _user(values: Mapping[str, Any]) -> list[Delegate]:
    """Into groups; whatever others the account has stay. The plan names accounts that are there, so none is made by it."""
    args = {"name": values["name"], "groups": list(values["groups"]), "append": True, "create_home": False}
    return [Delegate("ansible.builtin.user", args)]


_KINDS: dict[str, Callable[[Mapping[str, Any]], list[Delegate]]] = {
    "packages": _packages,
    "packages_absent": _packages_absent,
    "repair": _repair,
    "file": _file,
    "file_absent": lambda values: [Delegate("ansible.builtin.file", {"path": values["path"], "state": "absent"})],
    "key": _key,
    "command": lambda values: [_command(values)],
    "service": _service,
    "group": _group,
    "user": _user,
}
