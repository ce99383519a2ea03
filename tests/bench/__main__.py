# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure speed: a table on the screen and build/bench.json ([{name, value, unit, budget, met}]).

Ratios come from one run on one machine, with the two sides taking turns, so that a slow machine does not count against us.
Budgets: docs/architecture.md, "Budgets".
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / folder) for folder in ("tests", "tools", "build/collections")]

from bench.enforcing import enforcing  # noqa: E402
from bench.measuring import CHECKOUT, Measurement, environment, seconds, taking_turns  # noqa: E402

MODULE_UTILS = "ansible_collections.gpufleet.node.plugins.module_utils"
FLEET = 200  # local hosts


def ansible(module: str, *arguments: str) -> list[str]:
    """An ad-hoc call of a module with the ansible of our own environment."""
    interpreter = json.dumps({"ansible_python_interpreter": sys.executable})  # key=value would end at a blank in its path
    return [str(Path(sys.executable).with_name("ansible")), *arguments, "-c", "local", "-e", interpreter, "-m", module]


def ad_hoc(rounds: int) -> list[Measurement]:
    """gpu_facts against ping and setup on one host."""
    modules = {"ping": "ansible.builtin.ping", "setup": "ansible.builtin.setup", "gpu_facts": "gpufleet.node.gpu_facts",
               "gpu_check": "gpufleet.node.gpu_check"}
    taken = taking_turns({name: ansible(module, "localhost") for name, module in modules.items()}, rounds)
    return [
        Measurement("gpu_facts ad hoc / ping", taken["gpu_facts"] / taken["ping"], "ratio", 1.15),
        Measurement("gpu_facts ad hoc / setup", taken["gpu_facts"] / taken["setup"], "ratio"),
        Measurement("gpu_check ad hoc / ping", taken["gpu_check"] / taken["ping"], "ratio"),
        Measurement("ping ad hoc", taken["ping"], "s"),
    ]


def fleet(hosts: int) -> list[Measurement]:
    """The same over many local hosts, once each."""
    with tempfile.TemporaryDirectory() as scratch:
        inventory = Path(scratch, "hosts")
        inventory.write_text("".join(f"node{number:03d}\n" for number in range(hosts)), encoding="ascii")
        modules = {"ping": "ansible.builtin.ping", "setup": "ansible.builtin.setup", "gpu_facts": "gpufleet.node.gpu_facts"}
        taken = {name: seconds(ansible(module, "all", "-i", str(inventory), "-f", "10")) for name, module in modules.items()}
    return [
        Measurement(f"gpu_facts / ping, {hosts} local hosts", taken["gpu_facts"] / taken["ping"], "ratio", 1.15),
        Measurement(f"gpu_facts / setup, {hosts} local hosts", taken["gpu_facts"] / taken["setup"], "ratio"),
    ]


# Runs in a fresh interpreter: what a module pays after its start. The node is a simulated one, NVML is the real pynvml over
# the fake library where that could be built, else the recorded answer of the probe.
BODY = f"""
import json, sys, time
began = time.perf_counter()
from {MODULE_UTILS}._inventory._facts import facts
from {MODULE_UTILS}._inventory._gather import gather
from {MODULE_UTILS}._inventory._survey import wanted_subsets
from {MODULE_UTILS}._machine import machine
imported = time.perf_counter()
from {MODULE_UTILS}._inventory._probes import live
host = machine("/", sys.argv[1])
if sys.argv[2] == "live":
    host.probe = live().probe
ready = time.perf_counter()
found = facts(gather(host), wanted_subsets(()))
done = time.perf_counter()
print(json.dumps({{"imports": imported - began, "body": done - ready, "bytes": len(json.dumps(found["devices"])),
                  "devices": found["count"], "sources": found["devices"][0]["source"] if found["devices"] else []}}))
"""


def inside(rounds: int) -> list[Measurement]:
    """Time inside the module for eight simulated GPUs, and the size of their facts."""
    with tempfile.TemporaryDirectory() as scratch:
        evidence = Path(scratch, "evidence.json")
        subprocess.run([sys.executable, "-m", "fakegpu", "evidence", "h100x8-healthy", str(evidence)], env=environment(), check=True)
        library = fake_library(Path(scratch), "h100x8-healthy")
        call = [sys.executable, "-c", BODY, str(evidence), "live" if library else "recorded"]
        runs = [json.loads(subprocess.run(call, env={**environment(), **library}, capture_output=True, text=True, check=True).stdout)
                for _round in range(rounds + 1)][1:]
    how = "pynvml over the fake library" if library else "recorded NVML answer"
    assert runs[0]["devices"] == 8, f"the simulated machine has 8 GPUs, seen were {runs[0]['devices']}"
    return [
        Measurement(f"gather, 8 GPUs, {how}", statistics.median(run["body"] for run in runs) * 1000, "ms", 60),
        Measurement("imports of gpu_facts", statistics.median(run["imports"] for run in runs) * 1000, "ms", 80),
        Measurement("facts per GPU, default subset", runs[0]["bytes"] / 8 / 1024, "KiB", 2),
    ]


def fake_library(scratch: Path, machine: str) -> dict[str, str]:
    """Environment in which pynvml finds the fake libnvidia-ml.so.1 with the GPUs of a simulated machine; empty if it cannot be built."""
    from fakegpu import library

    try:
        library.build(CHECKOUT / "build" / "fakegpu" / "libnvidia-ml.so.1")
    except library.BuildError as error:
        print(f"bench: without the fake NVML library: {error}", file=sys.stderr)
        return {}
    subprocess.run([sys.executable, "-m", "fakegpu", "tree", machine, str(scratch / "tree")], env=environment(), check=True)
    return {"LD_LIBRARY_PATH": str(CHECKOUT / "build" / "fakegpu"), "FAKEGPU_NVML_CONF": str(scratch / "tree" / "nvml.conf")}


def program(rounds: int) -> list[Measurement]:
    """check_gpu.pyz on this machine."""
    pyz = CHECKOUT / "build" / "check_gpu.pyz"
    subprocess.run([sys.executable, "tools/check_gpu/build.py", str(pyz)], cwd=CHECKOUT, check=True, stdout=subprocess.DEVNULL)
    taken = taking_turns({"check": [sys.executable, str(pyz)]}, rounds, worst=3)  # a verdict is a success
    return [Measurement("check_gpu.pyz on this machine", taken["check"], "s", 0.3),
            Measurement("size of check_gpu.pyz", pyz.stat().st_size / 1024, "KiB", 400)]


def hanging_source() -> list[Measurement]:
    """What a program that hangs costs beyond its own deadline."""
    deadline = 1.0
    code = (f"import sys, time\nfrom {MODULE_UTILS}._host import LiveHost\nhost = LiveHost()\nbegan = time.perf_counter()\n"
            f"output = host.run([sys.executable, '-c', 'import time; time.sleep(600)'], timeout={deadline})\n"
            "assert output.error == 'timeout', output\nprint(time.perf_counter() - began)")
    spent = float(subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True).stdout)
    return [Measurement("a hanging source beyond its deadline", spent - deadline, "s", 0.5)]


def report(measured: list[Measurement]) -> None:
    """The table, and build/bench.json."""
    width = max(len(row.name) for row in measured)
    for row in measured:
        verdict = {None: "", True: "met", False: "MISSED"}[row.met]
        budget = f"<= {row.budget:g}" if row.budget is not None else ""
        print(f"{row.name:{width}}  {row.value:9.3f} {row.unit:6} {budget:9} {verdict}")
    target = CHECKOUT / "build" / "bench.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps([{**row._asdict(), "met": row.met} for row in measured], indent=1) + "\n", encoding="utf-8")
    budgets = [row for row in measured if row.budget is not None]
    print(f"{sum(bool(row.met) for row in budgets)} of {len(budgets)} budgets met; written to build/bench.json")


def main() -> int:
    """Measure; the exit status is 0 whatever the values are: machines differ, people judge."""
    parser = argparse.ArgumentParser(description="Measure the speed of the collection.")
    parser.add_argument("--rounds", type=int, default=7, help="measurements of each kind (default: 7)")
    parser.add_argument("--hosts", type=int, default=FLEET, help=f"size of the fleet of local hosts (default: {FLEET}, 0: leave it out)")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(143))  # so that the simulated machine is removed
    measured = [*ad_hoc(chosen.rounds), *inside(chosen.rounds), *program(chosen.rounds), *hanging_source()]
    measured += fleet(chosen.hosts) if chosen.hosts else []
    measured += enforcing(chosen.rounds, chosen.hosts)
    report(measured)
    return 0


if __name__ == "__main__":
    sys.exit(main())
