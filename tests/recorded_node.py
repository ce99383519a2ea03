# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node in a few lines for tests of readers: what its files, links, folders and commands answer."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.gpufleet.node.plugins.module_utils._evidence import load
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._inventory import Inventory
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._source import Source

# grub.cfg of a Debian with two kernels; %s is the default entry.
DEBIAN_MENU = """\
if [ -s $prefix/grubenv ]; then
  load_env
fi
if [ "${next_entry}" ] ; then
   set default="${next_entry}"
else
   set default="%s"
fi
function load_video {
  insmod all_video
}
menuentry 'Debian GNU/Linux' --class debian $menuentry_id_option 'gnulinux-simple-4711' {
\tload_video
\tif [ x$grub_platform = xxen ]; then insmod xzio; fi
\tlinux\t/boot/vmlinuz-6.1.0-28-amd64 root=UUID=4711 ro  quiet
\tinitrd\t/boot/initrd.img-6.1.0-28-amd64
}
submenu 'Advanced options for Debian GNU/Linux' $menuentry_id_option 'gnulinux-advanced-4711' {
\tmenuentry 'Debian GNU/Linux, with Linux 6.1.0-28-amd64' $menuentry_id_option 'gnulinux-6.1.0-28-amd64-advanced-4711' {
\t\tlinux\t/boot/vmlinuz-6.1.0-28-amd64 root=UUID=4711 ro  quiet
\t}
\tmenuentry 'Debian GNU/Linux, with Linux 6.1.0-18-amd64' $menuentry_id_option 'gnulinux-6.1.0-18-amd64-advanced-4711' {
\t\tlinux\t/boot/vmlinuz-6.1.0-18-amd64 root=UUID=4711 ro  quiet
\t}
}
menuentry 'UEFI Firmware Settings' $menuentry_id_option 'uefi-firmware' {
\tfwsetup
}
"""


def command(line: str, stdout: str = "", rc: int = 0, stderr: str = "") -> dict[str, Any]:
    """What came of a command line, as evidence holds it."""
    return {"argv": line.split(" "), "rc": rc, "stdout": stdout, "stderr": stderr}


def node(
    name: str = "test",
    files: Any = None,
    dirs: Any = None,
    links: Any = None,
    commands: Any = None,
    wanted: tuple[str, ...] = (),
) -> tuple[Source, list[dict[str, str]]]:
    """A reader's view of such a node, and the list that its problems go to."""
    document = {"evidence": 1, "files": files or {}, "dirs": dirs or {}, "links": links or {}, "commands": commands or []}
    problems: list[dict[str, str]] = []
    return Source(load(json.dumps(document)), name, problems, wanted=frozenset(wanted)), problems


def known(*vendors: str, **sections: dict[str, Any]) -> Inventory:
    """What earlier readers found: a device of each vendor, and sections."""
    inventory = Inventory()
    for number, vendor in enumerate(vendors):
        inventory.add("pci", {"devices": [{"vendor": vendor, "pci": {"address": f"0000:{number + 1:02x}:00.0"}}]})
    inventory.add("test", sections)
    return inventory


def _cpio_member(name: str, content: bytes = b"") -> bytes:
    """One member of a cpio archive in the form newc."""
    stored = name.encode() + b"\0"
    fields = [1, 0o100644, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(stored), 0]
    head = b"070701" + b"".join(f"{field:08X}".encode() for field in fields) + stored
    return head + b"\0" * (-len(head) % 4) + content + b"\0" * (-len(content) % 4)


def cpio_archive(*names: str) -> bytes:
    """An initramfs that is not compressed, with a few bytes in each file."""
    data = b"".join(_cpio_member(name, b"x" * 5) for name in names) + _cpio_member("TRAILER!!!")
    return data + b"\0" * (-len(data) % 512)
