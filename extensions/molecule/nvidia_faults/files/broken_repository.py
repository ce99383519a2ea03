# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""On the host: `python3 broken_repository.py FAULT FOLDER` makes a copy of Ubuntu's local repository with one thing wrong.

Faults: changed-list, changed-release, expired, missing-file, other-file. What is wrong is what the name says, and nothing else: where
the fault is not in the signature, the copy is signed with the repository's own key.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

WHOLE = Path("/fakegpu/repositories/ubuntu-24.04")
SECRET_KEY = "/fakegpu/checkout/build/packagerepo/keys/ubuntu.sec"
PROMISED = "libnvidia-compute-580_580.95.05-0ubuntu0.24.04.2_amd64.deb"


def copy(folder):
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(WHOLE / "dists", folder / "dists")
    for file in (WHOLE / "pool").rglob("*.deb"):
        link = folder / file.relative_to(WHOLE)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(file)


def promised(folder):
    (found,) = folder.rglob(PROMISED)
    return found


def sign(releases):
    with tempfile.TemporaryDirectory() as home:
        gpg = ["gpg", "--batch", "--quiet", "--no-tty", "--pinentry-mode=loopback", "--passphrase=", "--digest-algo=SHA256", "--yes"]
        environment = {**os.environ, "GNUPGHOME": home}
        subprocess.run([*gpg, "--import", SECRET_KEY], check=True, env=environment)
        for release in releases:
            subprocess.run([*gpg, "--clearsign", f"--output={release.with_name('InRelease')}", str(release)], check=True, env=environment)
            subprocess.run([*gpg, "--detach-sign", "--armor", f"--output={release}.gpg", str(release)], check=True, env=environment)
        subprocess.run(["gpgconf", "--kill", "all"], check=True, env=environment)


def changed_list(folder):
    for file in folder.rglob("Packages*"):
        content = bytearray(file.read_bytes())
        if content:
            content[-1] ^= 1
            file.write_bytes(content)


def changed_release(folder):
    for name in ("InRelease", "Release"):
        for file in folder.rglob(name):
            file.write_text(file.read_text().replace("Label: Ubuntu", "Label: Obuntu"))


def expired(folder):
    releases = list(folder.rglob("Release"))
    for release in releases:
        release.write_text(re.sub("(?m)^(Date: .*)$", r"\1\nValid-Until: Sat, 08 Nov 2025 00:00:00 UTC", release.read_text()))
    sign(releases)


def missing_file(folder):
    promised(folder).unlink()


def other_file(folder):
    file = promised(folder)
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.unlink()
    file.write_bytes(content)


FAULTS = {"changed-list": changed_list, "changed-release": changed_release, "expired": expired, "missing-file": missing_file,
          "other-file": other_file}

if __name__ == "__main__":
    fault, target = sys.argv[1], Path(sys.argv[2])
    copy(target)
    FAULTS[fault](target)
