# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of check_gpu.pyz: `check` (the default), `facts` and `record`, with nothing but Python 3.9 or later."""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import sys
from typing import Any

from ansible_collections.gpufleet.node.plugins.module_utils._host import DEFAULT_TIMEOUT, Host
from ansible_collections.gpufleet.node.plugins.module_utils._machine import UsageError, machine

EXIT_USAGE = 64  # sysexits.h EX_USAGE: apart from 0 to 3, which are verdicts
EXIT_CANNOT_WRITE = 73  # sysexits.h EX_CANTCREAT
_MESSAGE_LIMIT = 1000  # characters
COMMANDS = ("check", "facts", "record")

DESCRIPTION = """\
Which GPUs are in this machine, are they ready for AI work, and if not: where does the chain break, and what to do next.

  check_gpu.pyz [check]       verdict and findings; exit status 0 pass, 1 warning, 2 critical, 3 unknown
  check_gpu.pyz facts         everything that was seen, as JSON: {"gpu": {...}}
  check_gpu.pyz record FILE   record this machine, to look at it elsewhere with --replay FILE

Nothing is changed, no kernel module is loaded, and root is not needed; what could not be read is named."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        self.exit(EXIT_USAGE, f"check_gpu: {message}\nTry: check_gpu.pyz --help\n")


def _parser(version: str) -> argparse.ArgumentParser:
    parser = _Parser(prog="check_gpu.pyz", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", nargs="?", default="check", choices=COMMANDS, metavar="check|facts|record")
    parser.add_argument("file", nargs="?", metavar="FILE", help="record: where to write the recording (- for standard output)")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="check: text for people (default) or JSON")
    parser.add_argument("--replay", metavar="FILE", help="look at a recorded machine instead of this one")
    parser.add_argument("--root", default="/", metavar="DIR", help="look at an offline image or a host mounted at DIR")
    parser.add_argument("--timeout", type=float, default=DEFAULT_TIMEOUT, metavar="SECONDS",
                        help=f"deadline of each source (default: {DEFAULT_TIMEOUT:g})")
    parser.add_argument("--subset", action="append", default=[], metavar="NAME",
                        help="facts: add runtime, processes or all; !software and the like leave one out")
    parser.add_argument("--acknowledge", action="append", default=[], metavar="CODE",
                        help="check: this finding is known, it counts no longer")
    parser.add_argument("--no-redact", action="store_true", help="record: keep serial numbers, UUIDs and host names")
    parser.add_argument("--color", "--colour", choices=("auto", "always", "never"), default="auto")
    parser.add_argument("--version", action="version", version=f"gpufleet.node {version}")
    return parser


def main(version: str, arguments: list[str] | None = None) -> int:
    """Run the command line. Returns the exit status."""
    _open_streams()
    parser = _parser(version)
    chosen = parser.parse_intermixed_args(arguments)
    if (chosen.command == "record") != (chosen.file is not None):
        parser.error("record needs a FILE to write to" if chosen.command == "record" else f"unexpected argument {chosen.file!r}")
    if not 0 < chosen.timeout <= 3600:
        parser.error(f"--timeout: {chosen.timeout:g} is not a number of seconds between 0 and 3600")
    try:
        host = machine(chosen.root, chosen.replay)
        run = {"check": _check, "facts": _facts, "record": _record}[chosen.command]
        return run(host, chosen, version)
    except UsageError as error:
        parser.exit(EXIT_USAGE, f"check_gpu: {_printable(error)}\n")
    except ValueError as error:
        parser.error(_printable(error))
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # else Python tries once more at its end, and complains
        if isinstance(error, BrokenPipeError):  # the reader of our output went away, as in `check_gpu.pyz facts | head`
            return 0
        print(f"check_gpu: the output could not be written: {error.strerror}", file=sys.stderr)
        return EXIT_CANNOT_WRITE
    except KeyboardInterrupt:
        return 130
    return EXIT_USAGE


def _printable(error: Exception) -> str:
    """A message that may quote a recording of strangers: nothing in it may steer the terminal, or fill it."""
    text = "".join(character if character.isprintable() else "?" for character in str(error))
    return text if len(text) <= _MESSAGE_LIMIT else text[:_MESSAGE_LIMIT] + " ..."


def _open_streams() -> None:
    """Make sure of the three standard streams: pipes to our children must not get their numbers, and who closed the output
    wants the exit status alone. A terminal without Unicode gets question marks."""
    while True:
        descriptor = os.open(os.devnull, os.O_RDWR)
        if descriptor > 2:
            os.close(descriptor)
            break
    sys.stdout = sys.stdout or os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", encoding="utf-8", closefd=False)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def _check(host: Host, chosen: argparse.Namespace, version: str) -> int:
    from ansible_collections.gpufleet.node.plugins.module_utils._check.run import check
    from ansible_collections.gpufleet.node.plugins.module_utils._inventory._gather import gather

    report = check(gather(host, ("all",), chosen.timeout, deep=True), chosen.acknowledge)
    if chosen.format == "json":
        _print_json(report.as_dict())
    else:
        from ansible_collections.gpufleet.node.plugins.module_utils._check.report_text import render

        terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("NO_COLOR")
        colour = terminal if chosen.color == "auto" else chosen.color == "always"
        width = min(100, shutil.get_terminal_size((100, 24)).columns)
        print(render(report, colour=colour, width=width), flush=True)
    return int(report.exit_status)


def _facts(host: Host, chosen: argparse.Namespace, version: str) -> int:
    from ansible_collections.gpufleet.node.plugins.module_utils._inventory._facts import facts
    from ansible_collections.gpufleet.node.plugins.module_utils._inventory._gather import gather
    from ansible_collections.gpufleet.node.plugins.module_utils._inventory._survey import wanted_subsets

    wanted = wanted_subsets(chosen.subset)
    _print_json({"gpu": facts(gather(host, chosen.subset, chosen.timeout), wanted)})
    return 0


def _record(host: Host, chosen: argparse.Namespace, version: str) -> int:
    from ansible_collections.gpufleet.node.plugins.module_utils._evidence import RecordingHost
    from ansible_collections.gpufleet.node.plugins.module_utils._inventory._gather import gather

    recorder = RecordingHost(host)
    gather(recorder, ("all",), chosen.timeout, deep=True)
    document = recorder.document(f"gpufleet.node {version}", redact=not chosen.no_redact)
    if chosen.file == "-":
        _print_json(document)
        return 0
    return _write(chosen.file, json.dumps(document, indent=1))


def _write(path: str, text: str) -> int:
    """Write a file whole or not at all, readable by its owner only: a recording tells much about a machine."""
    target = os.path.realpath(path)
    try:
        if os.path.exists(target) and not os.path.isfile(target):  # a device or a pipe: written to, never replaced
            with open(target, "w", encoding="utf-8") as stream:
                stream.write(text + "\n")
        else:
            _replace(target, text + "\n")
    except OSError as error:
        print(f"check_gpu: {path}: {error.strerror}; nothing was written, name another FILE", file=sys.stderr)
        return EXIT_CANNOT_WRITE
    print(f"Recorded to {path}. Look at it with: check_gpu.pyz --replay {path}", file=sys.stderr)
    return 0


def _replace(target: str, text: str) -> None:
    fresh = f"{target}.{os.getpid()}.part"
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(fresh, target)
    except BaseException:  # also where somebody presses Ctrl-C
        os.unlink(fresh)
        raise


def _print_json(value: dict[str, Any]) -> None:
    print(json.dumps(value, indent=1), flush=True)
