# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""nvidia_driver and rocm_stack with nothing to do against ansible.builtin.apt with nothing to do, on simulated Debian 13 in containers.

apt has Debian's real lists there: without them it would not be the apt of any real host. The driver is NVIDIA's in small packages,
"built" by the real DKMS; ROCm is Debian's own. Neither is held, since what a hold adds to each start of apt must not count in our
favour; NVIDIA's has a row of its own.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.measuring import CHECKOUT, Measurement, environment, seconds, taking_turns
from stages import docker, venvs
from stages.interpreters import best

_SCENARIO = "bench"
_HOSTS = f"gpufleet-{hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:8]}-{_SCENARIO}"
_DRIVER, _ROCM = ("trixie", "trixie-rtx4090-bare"), ("trixie-radeon", "trixie-rx6800xt-bare")  # (host, profile)
_BOOT_S = 120
_PLAYBOOKS = CHECKOUT / "extensions" / "molecule"
_REPOSITORY = CHECKOUT / "build" / "molecule" / "repositories" / "nvidia-debian13"
_MIRROR = "/srv/mirror"  # in the place of the server: what follows it in the vendor's URLs is below
_WISH = {"version": "580", "origin": "nvidia", "mirror": f"file://{_MIRROR}", "hold": False}
_ROCM_WISH = {"version": ">=5.7", "hold": False}
_APT = ("ansible.builtin.apt", {"name": "coreutils", "state": "present"})
_FORKS = "10"

# The packages hold finished modules instead of sources; DKMS reads this file after the one that comes with them.
_PREPARE = rf"""
set -e
mkdir -p {_MIRROR}/compute/cuda/repos/debian13
ln -s /fakegpu/checkout/{_REPOSITORY.relative_to(CHECKOUT)} {_MIRROR}/compute/cuda/repos/debian13/x86_64
cat >/etc/dkms/finish <<'EOF'
cd "$1" && LC_ALL=C sed -i "s/~KERNEL~*/$(printf '%-64s' "$2")/" ./*.ko
EOF
cat >/etc/dkms/nvidia.conf <<'EOF'
MAKE[0]="sh /etc/dkms/finish $dkms_tree/$module/$module_version/build $kernelver"
CLEAN="true"
number=0
for name in nvidia nvidia-modeset nvidia-drm nvidia-uvm; do
    BUILT_MODULE_NAME[$number]=$name DEST_MODULE_LOCATION[$number]=/updates/dkms number=$((number + 1))
done
EOF
apt-get --quiet --quiet --error-on=any update
"""


class _NotPossible(Exception):
    """Why this machine cannot measure it."""


def enforcing(rounds: int, hosts: int) -> list[Measurement]:
    """Rows of nvidia_driver, or none and a line that says why."""
    try:
        if docker.no_engine():
            raise _NotPossible(docker.no_engine())
        with _machine(*_DRIVER, hosts) as ansible:
            rows = _measure(ansible, rounds, hosts)
        with _machine(*_ROCM) as ansible:
            return [*rows, *_measure_rocm(ansible, rounds)]
    except (_NotPossible, RuntimeError) as error:
        print(f"bench: without nvidia_driver against apt: {error}", file=sys.stderr)
        return []


class _Ansible:
    """Ad-hoc calls on the simulated machine; its environment holds community.docker."""

    def __init__(self, folder: Path, scratch: Path, host: str) -> None:
        self.host = host
        self._bin, self._inventory = folder / "bin", scratch / "hosts.yml"
        self._environment = {**environment(), "MOLECULE_PROJECT_DIRECTORY": str(CHECKOUT), "MOLECULE_SCENARIO_NAME": _SCENARIO,
                             "ANSIBLE_GATHERING": "explicit"}

    def call(self, module: str, options: dict[str, Any], *, pattern: str | None = None) -> list[str]:
        asked = ["-m", module, "-a", json.dumps(options)]
        return [str(self._bin / "ansible"), *self._inventories(), "-f", _FORKS, pattern or self.host, *asked]

    def play(self, name: str) -> None:
        """Run a playbook of the scenarios."""
        self._run([str(self._bin / "ansible-playbook"), *self._inventories(), str(_PLAYBOOKS / "default" / f"{name}.yml")])

    def result(self, module: str, options: dict[str, Any]) -> str:
        return self._run(self.call(module, options))

    def _inventories(self) -> list[str]:
        return [f"--inventory={_PLAYBOOKS / 'inventory'}", f"--inventory={self._inventory}"]

    def _run(self, command: list[str]) -> str:
        done = subprocess.run(command, cwd=CHECKOUT, env=self._environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False)
        if done.returncode:
            raise _NotPossible(f"{Path(command[0]).name} {' '.join(command[3:8])} … failed:\n{_message(done.stdout)}{done.stderr[-2000:]}")
        return done.stdout


def _message(answer: str) -> str:
    """The line of an answer that says what failed; its end where there is none."""
    return next((line.strip() + "\n" for line in answer.splitlines() if line.lstrip().startswith('"msg":')), answer[-2000:])


@contextmanager
def _machine(host: str, profile: str, hosts: int = 0) -> Iterator[_Ansible]:
    """A host of the scenarios, and the names that a fleet has for it. It is removed in any case."""
    with tempfile.TemporaryDirectory() as scratch:
        ansible = _Ansible(venvs.ensure("molecule", best()), Path(scratch), host)
        address = {"ansible_host": _container(host)}
        ours = {host: {**address, "machine_image": "machine-trixie", "machine_profile": profile}}
        names = {f"node{number:03d}": address for number in range(hosts)}
        groups = {"children": {_SCENARIO: {"hosts": ours}, "fleet": {"hosts": names}}}
        Path(scratch, "hosts.yml").write_text(json.dumps({"all": groups}), encoding="ascii")
        try:
            ansible.play("destroy")
            ansible.play("create")
            yield ansible
        finally:
            ansible.play("destroy")


def _container(host: str) -> str:
    return f"{_HOSTS}-{host}"


def _wish(**more: Any) -> dict[str, Any]:
    return {**_WISH, "repository_key": (_REPOSITORY / "repository-key.asc").read_text(encoding="ascii"), **more}


def _install(ansible: _Ansible) -> None:
    """A driver that is installed, loaded and verified."""
    subprocess.run([sys.executable, "-m", "packagerepo", "build", _REPOSITORY.name, str(_REPOSITORY)], cwd=CHECKOUT, env=environment(),
                   check=True)
    ansible.result("ansible.builtin.shell", {"cmd": _PREPARE})
    ansible.result("gpufleet.node.nvidia_driver", _wish())
    _reboot(_container(ansible.host))
    ansible.result("gpufleet.node.nvidia_driver", _wish())  # starts what has no device event here to start it
    _must_be_verified(ansible.result("gpufleet.node.nvidia_driver", _wish()))


def _must_be_verified(told: str) -> None:
    if "| SUCCESS =>" not in told or '"status": "verified"' not in told:
        raise _NotPossible(f"the simulated machine is not as it should be:\n{told[-2000:]}")


def _reboot(container: str) -> None:
    subprocess.run(["docker", "restart", container], check=True, stdout=subprocess.DEVNULL)
    ready, deadline = ["docker", "exec", container, "test", "-e", "/run/machine-ready"], time.monotonic() + _BOOT_S
    while subprocess.run(ready, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode:
        if time.monotonic() > deadline:
            raise _NotPossible(f"the simulated machine does not boot within {_BOOT_S} s")
        time.sleep(0.5)


def _measure(ansible: _Ansible, rounds: int, hosts: int) -> list[Measurement]:
    _install(ansible)
    ours = ("gpufleet.node.nvidia_driver", _wish())
    taken = taking_turns({"ours": ansible.call(*ours), "apt": ansible.call(*_APT)}, rounds)
    rows = [Measurement("nvidia_driver, nothing to do / apt", taken["ours"] / taken["apt"], "ratio", 1.0),
            Measurement("apt ad hoc, Debian's lists", taken["apt"], "s")]
    if hosts:
        spent = {name: seconds(ansible.call(*what, pattern="fleet")) for name, what in (("ours", ours), ("apt", _APT))}
        rows.append(Measurement(f"nvidia_driver, nothing to do / apt, {hosts} hosts", spent["ours"] / spent["apt"], "ratio", 1.0))
    ansible.result("gpufleet.node.nvidia_driver", _wish(hold=True))
    held = taking_turns({"apt": ansible.call(*_APT)}, max(rounds // 2, 1))
    return [*rows, Measurement("apt ad hoc, held by NVIDIA's pinning package / not held", held["apt"] / taken["apt"], "ratio")]


def _measure_rocm(ansible: _Ansible, rounds: int) -> list[Measurement]:
    ours = ("gpufleet.node.rocm_stack", _ROCM_WISH)
    ansible.result("ansible.builtin.command", {"cmd": "apt-get --quiet --quiet --error-on=any update"})
    ansible.result(*ours)
    _must_be_verified(ansible.result(*ours))
    taken = taking_turns({"ours": ansible.call(*ours), "apt": ansible.call(*_APT)}, rounds)
    return [Measurement("rocm_stack, nothing to do / apt", taken["ours"] / taken["apt"], "ratio", 1.0)]
