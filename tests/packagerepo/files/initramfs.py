# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-in for update-initramfs and dracut, lsinitramfs and lsinitrd, by the name it is called with.

The archive has the names that matter: modules of the graphics drivers, files of modprobe.d. nouveau stays out where one bars it.
"""
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

IMAGE = "/boot/@INITRD@"
FOLDERS = ("/etc/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d")


def make(release: str) -> None:
    settings = sorted({path.resolve() for folder in FOLDERS for path in Path(folder).glob("*.conf")})
    bars = re.compile(r"(?m)^(blacklist|alias) +nouveau|^install +nouveau +/bin/false")
    barred = any(bars.search(path.read_text(errors="replace")) for path in settings)
    modules = [path for path in Path(f"/usr/lib/modules/{release}").rglob("nouveau.ko*") if not barred]
    data = bytearray()

    def add(name: str, content: bytes, mode: int) -> None:
        raw = name.encode() + b"\0"
        fields = (0, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(raw), 0)
        data.extend(b"070701" + "".join(f"{field:08X}" for field in fields).encode() + raw)
        data.extend(bytes(-len(data) % 4) + content)
        data.extend(bytes(-len(data) % 4))

    add("usr/bin/sh", b"", 0o100755)
    for path in [*settings, *modules]:
        add(str(path).lstrip("/"), b"", 0o100644)
    add("TRAILER!!!", b"", 0)
    image = Path(IMAGE.replace("*", release))
    image.with_name(image.name + ".new").write_bytes(data)
    image.with_name(image.name + ".new").rename(image)


def names(path: str) -> Iterator[str]:
    data, at = Path(path).read_bytes(), 0
    while data[at : at + 6] == b"070701":
        size, length = int(data[at + 54 : at + 62], 16), int(data[at + 94 : at + 102], 16)
        name = data[at + 110 : at + 109 + length].decode()
        if name == "TRAILER!!!":
            return
        yield name
        at += 110 + length
        at += -at % 4 + size
        at += -at % 4


def main(program: str, words: list[str]) -> int:
    if program.startswith("ls"):
        images = [word for word in words if not word.startswith("-")] or [IMAGE.replace("*", os.uname().release)]
        print("\n".join(names(images[0])))
        return 0
    installed = sorted(path.name[len("vmlinuz-"):] for path in Path("/boot").glob("vmlinuz-*"))
    chosen = [word[2:] if word.startswith("-k") and len(word) > 2 else words[at + 1] for at, word in enumerate(words)
              if word.startswith("-k") or word == "--kver"]
    chosen += [word for word in words if word in installed and word not in chosen]
    if "-d" in words and program == "update-initramfs":
        for release in chosen:
            Path(IMAGE.replace("*", release)).unlink(missing_ok=True)
        return 0
    if "--regenerate-all" in words or "all" in chosen:
        chosen = installed
    for release in chosen or [Path("/proc/sys/kernel/osrelease").read_text().strip()]:
        if release not in installed:
            print(f"{program}: no kernel {release}", file=sys.stderr)
            return 1
        if program == "update-initramfs":
            print(f"update-initramfs: Generating {IMAGE.replace('*', release)}")
        make(release)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[0]).name, sys.argv[1:]))
