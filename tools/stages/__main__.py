# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""python3 -m stages: what the Makefile calls (with PYTHONPATH=tools)."""

from __future__ import annotations

import argparse
import os
import signal
import sys

from . import catalogue, docker, main_job, runner
from .places import link_checkout


def _test(options: argparse.Namespace) -> int:
    stages = catalogue.stages(options.everything)
    names = set(options.names) or {stage.group for stage in stages} - {docker.UNSTEADY}
    chosen = [stage for stage in stages if {stage.group, stage.name} & names]
    if not chosen:
        known = sorted({stage.name for stage in stages} | {stage.group for stage in stages})
        print(f"no stage or group of these names; there are: {' '.join(known)}", file=sys.stderr)
        return 2
    return 1 if runner.run(chosen, options.workers) else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="stages", description="Set up what is needed and run checks of this checkout.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    test = commands.add_parser("test", help="run stages (all, or those named by stage or group) and count")
    test.add_argument("names", nargs="*", metavar="NAME")
    cores = min(os.cpu_count() or 1, 4)
    test.add_argument("--workers", type=int, default=cores, help="how many at a time (default: cores, at most 4)")
    test.add_argument("--everything", action="store_true", help="also what takes minutes more: every build of a driver")
    test.set_defaults(run=_test)
    check = commands.add_parser("check", help="look at the GPUs of this machine, or of a simulated one")
    check.add_argument("profile", nargs="?", default="", help="a simulated machine; `list` names them")
    check.set_defaults(run=lambda options: main_job.check(options.profile))
    bench = commands.add_parser("bench", help="measure speed")
    bench.add_argument("arguments", nargs=argparse.REMAINDER)
    bench.set_defaults(run=lambda options: main_job.bench(options.arguments))
    release = commands.add_parser("release", help="build the collection's artefact from the tracked files")
    release.set_defaults(run=lambda options: main_job.release())
    python = commands.add_parser("python", help="run Python with the tools of a set of requirements")
    python.add_argument("venv", help="a name in requirements/")
    python.add_argument("arguments", nargs=argparse.REMAINDER)
    python.set_defaults(run=lambda options: main_job.python(options.venv, options.arguments))
    options = parser.parse_args()
    link_checkout()
    result: int = options.run(options)
    return result


if __name__ == "__main__":
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        runner.stop()
        sys.exit(130)
