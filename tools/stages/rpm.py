# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""python3 -m stages.rpm VENV: the tests that ask the real dnf and zypper, in the image that has both, with the pytest of a virtual
environment. The image's Python may be another one than the environment's, so what is used of it has to be pure Python."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from .places import CHECKOUT

_IMAGE = "packages"
_TESTS = [*(f"tests/unit/plugins/module_utils/_packages/test_{manager}.py" for manager in ("dnf", "zypper")),
          "tests/unit/packagerepo/test_amd_rpm.py"]
# zypper gives a machine that it runs on for the first time an id; after that it writes nothing where it is only asked.
_START = "mkdir -p /var/lib/zypp && cat /proc/sys/kernel/random/uuid >/var/lib/zypp/AnonymousUniqueId && exec \"$@\""


def main(venv: Path) -> int:
    image = subprocess.run([sys.executable, "tools/images.py", _IMAGE], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, check=True)
    site = next(venv.glob("lib/python*/site-packages"))
    settings = {"PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1", "LC_ALL": "C.UTF-8", "HYPOTHESIS_STORAGE_DIRECTORY": "/tmp/h"}
    name = f"gpufleet-rpm-{os.getpid()}"
    argv = ["docker", "run", "--rm", "--name", name, "--network=none", f"--volume={CHECKOUT}:{CHECKOUT}:ro", f"--workdir={CHECKOUT}",
            *(f"--env={key}={value}" for key, value in settings.items()), image.stdout.strip(),
            "sh", "-c", _START, "sh", "python3", "-m", "pytest", "-q", "--basetemp=/tmp/t", *_TESTS]
    try:
        return subprocess.run(argv, check=False).returncode
    finally:  # where this was ended, the engine goes on without its client
        subprocess.run(["docker", "rm", "--force", name], capture_output=True, check=False)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
