# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""python3 -m fakegpu list | evidence NAME [FILE] | tree NAME DIR"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from .errors import ProfileError
from .profile import load_profile, profile_names
from .render import evidence_of
from .tree import write_tree


def main(arguments: list[str] | None = None) -> int:
    """The command line. Exit status 0, or 2 with one line on standard error."""
    parser = argparse.ArgumentParser(prog="fakegpu", description="Render a simulated machine of tests/profiles.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="names and descriptions of all profiles")
    evidence = commands.add_parser("evidence", help="evidence (JSON) of a profile")
    evidence.add_argument("name")
    evidence.add_argument("file", nargs="?", help="default: standard output")
    tree = commands.add_parser("tree", help="a tree for a container; see README.md")
    tree.add_argument("name")
    tree.add_argument("folder")
    tree.add_argument("--without-commands", action="store_true", help="no stand-ins for nvidia-smi and other tools")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "list":
            names = profile_names()
            width = max(map(len, names), default=0)
            print("".join(f"{name:<{width}}  {load_profile(name).description}\n" for name in names), end="")
        elif chosen.command == "evidence":
            text = json.dumps(evidence_of(load_profile(chosen.name)), indent=1) + "\n"
            if chosen.file:
                Path(chosen.file).write_text(text, encoding="utf-8")
            else:
                sys.stdout.write(text)
        else:
            write_tree(load_profile(chosen.name), Path(chosen.folder), not chosen.without_commands)
    except (ProfileError, OSError) as error:
        print(f"fakegpu: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
