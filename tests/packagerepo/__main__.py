# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""python3 -m packagerepo list | check [NAME ...] | build NAME DIR"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .build import build
from .description import load, names
from .errors import RepositoryError
from .relations import twins, unresolved


def main(arguments: list[str] | None = None) -> int:
    """The command line. Exit status 0, or 2 with lines on standard error."""
    parser = argparse.ArgumentParser(prog="packagerepo", description="Package repositories for the tests, from their descriptions.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="names of all repositories, with the number of their packages")
    check = commands.add_parser("check", help="whether the packages of repositories can be installed")
    check.add_argument("names", nargs="*")
    make = commands.add_parser("build", help="a repository in a folder")
    make.add_argument("name")
    make.add_argument("folder", type=Path)
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "list":
            for name in names():
                print(f"{name:<20} {len(load(name).packages)}")
        elif chosen.command == "check":
            lines = []
            for name in chosen.names or names():
                repository = load(name)
                lines += twins(repository) + unresolved(repository, [load(other) for other in repository.beside])
            if lines:
                raise RepositoryError("\n".join(lines))
        else:
            build(chosen.name, chosen.folder.resolve())
    except (RepositoryError, OSError) as error:
        print(f"packagerepo: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
