# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import gzip
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._source import Source
from ansible_collections.gpufleet.node.plugins.module_utils._inventory.kernel import (
    blacklisted_by_command_line,
    blacklisted_by_settings,
    parse_compiler,
    read,
    read_modules,
)
from hypothesis import given
from hypothesis import strategies as st
from recorded_node import DEBIAN_MENU, command, cpio_archive, known, node

MODULES = cpio_archive("usr/lib/modules/6.1/kernel/drivers/gpu/drm/nouveau/nouveau.ko", "init")
ADVANCED = "Advanced options for Debian GNU/Linux>Debian GNU/Linux, with Linux"
OLD, NEW = "6.1.0-18-amd64", "6.1.0-28-amd64"


@pytest.mark.parametrize(
    ("text", "compiler"),
    [
        (
            "Linux version 6.1.0-28-amd64 (gcc-12 (Debian 12.2.0-14) 12.2.0, GNU ld (GNU Binutils) 2.40)",
            "12.2.0",
        ),
        (
            "Linux version 6.8.0-44-generic (buildd@x) (x86_64-linux-gnu-gcc-13 (Ubuntu 13.2.0-23ubuntu4) 13.2.0, GNU ld 2.42)",
            "13.2.0",
        ),
        ("Linux version 3.10.0 (mock@x) (gcc version 4.8.5 20150623 (Red Hat 4.8.5-44) (GCC) ) #1 SMP", "4.8.5"),
        ("Linux version 6.12.9 (x@y) (Debian clang version 19.1.7, LLD 19.1.7)", "clang 19.1.7"),
        ("", None),
        ("Linux version 6.1", None),
    ],
)
def test_compiler(text: str, compiler: str | None) -> None:
    assert parse_compiler(text) == compiler


@pytest.mark.parametrize(
    ("text", "blacklisted"),
    [
        ("blacklist nouveau\n", True),
        ("  blacklist  nouveau # for nvidia\n", True),
        ("install nouveau /bin/false\n", True),
        ("options nouveau modeset=0\n", True),
        ("# blacklist nouveau\n", False),
        ("blacklist nouveau_x\n", False),
        ("options nouveau modeset=1\n", False),
        ("alias nouveau off\n", False),
        ("", False),
    ],
)
def test_settings(text: str, blacklisted: bool) -> None:
    assert blacklisted_by_settings(text) is blacklisted


@pytest.mark.parametrize(
    ("text", "blacklisted"),
    [
        ("ro quiet modprobe.blacklist=nouveau", True),
        ("rd.driver.blacklist=nouveau,nova_core ro", True),
        ("nouveau.modeset=0", True),
        ("module_blacklist=x,nouveau", True),
        ("modprobe.blacklist=nouveaux", False),
        ("nouveau.modeset=01", False),
        ("", False),
    ],
)
def test_command_line(text: str, blacklisted: bool) -> None:
    assert blacklisted_by_command_line(text) is blacklisted


def kernels(*releases: str, base: str = "/lib/modules") -> dict[str, str]:
    """Files of installed kernels: an image, headers, an NVIDIA module."""
    files = {}
    for release in releases:
        files.update(
            {
                f"/boot/vmlinuz-{release}": "",
                f"{base}/{release}/modules.order": "",
                f"{base}/{release}/build/Makefile": "",
                f"{base}/{release}/updates/dkms/nvidia.ko": "",
            }
        )
    return files


def modinfo(release: str, version: str) -> dict[str, Any]:
    path = f"/lib/modules/{release}/updates/dkms/nvidia.ko"
    return command(f"modinfo {path}", f"filename: {path}\nversion: {version}\nlicense: NVIDIA\n")


def look(vendors: tuple[str, ...] = ("nvidia",), **machine: Any) -> dict[str, Any]:
    source, problems = node("kernel", **machine)
    inventory = known(*vendors)
    inventory.add("kernel", read(source, inventory))
    inventory.add("kernel", read_modules(source, inventory))
    assert problems == []
    return inventory.kernel


def test_nothing_known() -> None:
    source, problems = node("kernel")
    assert problems == []
    assert read(source, known("nvidia"))["kernel"] == {
        "release": None,
        "next_boot_release": None,
        "secure_boot": None,
        "iommu": None,
        "cgroup_version": None,
        "nouveau_loaded": None,
        "nouveau_blacklisted": None,
        "compiler": None,
        "installed": [],
    }


def test_two_kernels() -> None:
    third = "6.1.0-9-amd64"
    found = look(
        files={**kernels(OLD, NEW, third), "/proc/sys/kernel/osrelease": OLD},
        commands=[modinfo(release, "535.216.01") for release in (OLD, NEW, third)],
    )
    assert found["next_boot_release"] == NEW

    def entry(release: str, next_boot: bool, version: str | None, flavour: str | None) -> dict[str, Any]:
        return {
            "release": release,
            "next_boot": next_boot,
            "headers": True,
            "modules": {
                "nvidia": {
                    "version": version,
                    "flavour": flavour,
                    "signer": None,
                    "path": f"/lib/modules/{release}/updates/dkms/nvidia.ko",
                }
            },
        }

    assert found["installed"] == [
        entry(NEW, True, "535.216.01", "proprietary"),
        entry(OLD, False, "535.216.01", "proprietary"),
        entry(third, False, None, None),
    ]


def test_a_check_asks_for_every_kernel() -> None:
    found = look(
        files={**kernels(OLD, NEW, "6.1.0-9-amd64"), "/proc/sys/kernel/osrelease": NEW},
        wanted=("deep",),
        commands=[modinfo("6.1.0-9-amd64", "535.1.1")],
    )
    assert [kernel["modules"]["nvidia"]["version"] for kernel in found["installed"]] == [None, None, "535.1.1"]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {
                f"/lib/modules/{OLD}/updates/dkms/nvidia.ko": "",
                f"/boot/vmlinuz-{NEW}": "",
                f"/lib/modules/{NEW}/modules.order": "",
            },
            [NEW],
        ),
        ({f"/lib/modules/{OLD}/modules.order": "", "/boot/efi/x": ""}, [OLD]),
        ({f"/lib/modules/{OLD}/vmlinuz": ""}, [OLD]),
        ({f"/usr/lib/modules/{OLD}/vmlinuz": ""}, [OLD]),
        ({f"/boot/vmlinuz-{OLD}": ""}, []),
    ],
)
def test_what_counts_as_installed(files: dict[str, str], expected: list[str]) -> None:
    assert [kernel["release"] for kernel in look(files=files)["installed"]] == expected


@pytest.mark.parametrize("path", ["/lib/modules/R/build/Makefile", "/usr/src/linux-headers-R/Makefile", "/usr/src/kernels/R/Makefile"])
def test_headers(path: str) -> None:
    files = {f"/boot/vmlinuz-{NEW}": "", f"/lib/modules/{NEW}/modules.order": ""}
    assert [kernel["headers"] for kernel in look(files=files)["installed"]] == [False]
    assert [kernel["headers"] for kernel in look(files={**files, path.replace("R", NEW, 1): ""})["installed"]] == [True]


def test_headers_behind_a_link_that_leads_nowhere() -> None:
    found = look(
        files={f"/boot/vmlinuz-{NEW}": "", f"/lib/modules/{NEW}/modules.order": ""},
        links={f"/lib/modules/{NEW}/build": f"/usr/src/linux-headers-{NEW}"},
    )
    assert [kernel["headers"] for kernel in found["installed"]] == [False]


BLS = "title Rocky Linux\nversion {0}\nlinux /vmlinuz-{0}\n"
EL_OLD, EL_NEW = "5.14.0-70.el9.x86_64", "5.14.0-503.el9.x86_64"
GRUBENV = "# GRUB Environment Block\nsaved_entry={}\n"


@pytest.mark.parametrize(
    ("files", "release"),
    [
        ({"/boot/grub/grub.cfg": DEBIAN_MENU % "0"}, NEW),
        ({"/boot/grub/grub.cfg": DEBIAN_MENU % "1>1"}, OLD),
        ({"/boot/grub/grub.cfg": DEBIAN_MENU % "${saved_entry}", "/boot/grub/grubenv": GRUBENV.format("1>1")}, OLD),
        ({"/boot/grub/grub.cfg": {"error": "EACCES"}, "/etc/default/grub": "GRUB_DEFAULT=0\n"}, NEW),
        (
            {
                "/boot/grub/grub.cfg": {"error": "EACCES"},
                "/etc/default/grub": f"GRUB_DEFAULT='{ADVANCED} {OLD}'\n",
            },
            OLD,
        ),
        ({"/boot/grub/grub.cfg": {"error": "EACCES"}, "/etc/default/grub": "GRUB_DEFAULT=2\n"}, None),
        ({"/boot/grub/grub.cfg": {"error": "EACCES"}}, NEW),
        (
            {
                "/boot/grub2/grub.cfg": 'set default="${saved_entry}"\nblscfg\n',
                "/boot/grub2/grubenv": GRUBENV.format(f"8f-{EL_OLD}"),
                f"/boot/loader/entries/8f-{EL_OLD}.conf": BLS.format(EL_OLD),
                f"/boot/loader/entries/8f-{EL_NEW}.conf": BLS.format(EL_NEW),
            },
            EL_OLD,
        ),
        (
            {
                "/boot/grub2/grub.cfg": 'set default="${saved_entry}"\nblscfg\n',
                f"/boot/loader/entries/8f-{EL_OLD}.conf": BLS.format(EL_OLD),
                f"/boot/loader/entries/8f-{EL_NEW}.conf": BLS.format(EL_NEW),
                "/boot/loader/entries/8f-0-rescue.conf": BLS.format("0-rescue"),
            },
            EL_NEW,
        ),
        ({"/boot/loader/loader.conf": "timeout 3\n", f"/boot/loader/entries/8f-{OLD}.conf": BLS.format(OLD)}, OLD),
        (
            {
                "/efi/loader/loader.conf": f"default 8f-{OLD}*\n",
                f"/efi/loader/entries/8f-{OLD}.conf": BLS.format(OLD),
                f"/efi/loader/entries/8f-{NEW}.conf": BLS.format(NEW),
                "/efi/loader/entries/empty.conf": "",
            },
            OLD,
        ),
        ({"/boot/loader/loader.conf": "timeout 3\n"}, None),
        ({"/boot/extlinux/extlinux.conf": "DEFAULT primary\n"}, None),
        ({}, NEW),
    ],
)
def test_next_boot(files: dict[str, Any], release: str | None) -> None:
    source, _unused = node("kernel", files={**kernels(OLD, NEW), **files})
    assert read(source, known())["kernel"]["next_boot_release"] == release


def test_damaged_menu_is_a_problem() -> None:
    source, problems = node("kernel", files={**kernels(NEW), "/boot/grub/grub.cfg": 'set default="0"\n}\n'})
    assert read(source, known())["kernel"]["next_boot_release"] is None
    assert problems == [{"source": "kernel", "code": "unreadable", "message": "/boot/grub/grub.cfg: a brace too many in grub.cfg"}]


@pytest.mark.parametrize(
    ("machine", "key", "value"),
    [
        ({"dirs": {"/sys/kernel/iommu_groups": ["0", "1"]}}, "iommu", "enabled"),
        ({"dirs": {"/sys/class/iommu": ["dmar0"]}}, "iommu", "enabled"),
        ({"dirs": {"/sys/kernel/iommu_groups": []}}, "iommu", "disabled"),
        ({"dirs": {"/sys/module": ["nouveau", "drm"]}}, "nouveau_loaded", True),
        ({"dirs": {"/sys/module": ["nvidia"]}}, "nouveau_loaded", False),
        ({"files": {"/usr/lib/modprobe.d/nvidia.conf": "blacklist nouveau\n"}}, "nouveau_blacklisted", True),
        ({"files": {"/etc/modprobe.d/a.conf": "options x y=1\n"}}, "nouveau_blacklisted", False),
        (
            {"files": {"/etc/modprobe.d/n.conf": "# off\n", "/usr/lib/modprobe.d/n.conf": "blacklist nouveau\n"}},
            "nouveau_blacklisted",
            False,
        ),
        ({"files": {"/etc/modprobe.d/n.conf.bak": "blacklist nouveau\n"}}, "nouveau_blacklisted", None),
        ({"files": {"/proc/cmdline": "ro modprobe.blacklist=nouveau"}}, "nouveau_blacklisted", True),
        ({"files": {"/proc/version": "Linux version 6.1 (a@b) (gcc-12 (Debian 12.2.0-14) 12.2.0)"}}, "compiler", "12.2.0"),
    ],
)
def test_single_facts(machine: dict[str, Any], key: str, value: Any) -> None:
    assert look(**machine).get(key) == value


def test_enrolled_keys_are_read_only_with_secure_boot() -> None:
    variables = "/sys/firmware/efi/efivars"
    files = {f"{variables}/MokListRT-605dab50-e046-4300-abb6-3dd810dd8b23": "\6\0\0\0"}
    state = f"{variables}/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
    assert look(files={**files, state: "\6\0\0\0\1"})["mok_enrolled"] == []
    assert "mok_enrolled" not in look(files={**files, state: "\6\0\0\0\0"})


IMAGE = f"/boot/initrd.img-{NEW}"


def initramfs_of(source: Source) -> bool | None:
    """What is said of nouveau in the initramfs once the programs that were started are asked."""
    inventory = known("nvidia")
    inventory.add("kernel", read(source, inventory))
    inventory.add("kernel", read_modules(source, inventory))
    found: bool | None = inventory.kernel.get("nouveau_in_initramfs")
    return found


@pytest.mark.parametrize(
    ("files", "commands", "held"),
    [
        ({}, [command(f"lsinitramfs {IMAGE}", "usr/lib/modules/x/nouveau.ko\n")], None),
        ({IMAGE: ""}, [command(f"lsinitramfs {IMAGE}", "usr/lib/modules/x/nouveau.ko.xz\n")], True),
        ({IMAGE: ""}, [command(f"lsinitramfs {IMAGE}", "usr/lib/modules/x/ext4.ko\n")], False),
        ({IMAGE: ""}, [command(f"lsinitrd {IMAGE}", "-rw-r--r-- 1 root root 9 Jan 1 2026 usr/lib/nouveau.ko\n")], True),
        ({IMAGE: {"base64": base64.b64encode(gzip.compress(MODULES)).decode()}}, [], True),
        ({IMAGE: {"base64": base64.b64encode(MODULES).decode()}}, [command(f"lsinitramfs {IMAGE}", "", 1, "broken")], True),
        ({IMAGE: {"error": "EACCES"}}, [], None),
    ],
)
def test_nouveau_in_the_initramfs(files: dict[str, Any], commands: list[Any], held: bool | None) -> None:
    source, _unused = node("kernel", files={**kernels(NEW), **files}, commands=commands, wanted=("deep",))
    assert initramfs_of(source) is held


@pytest.mark.parametrize(
    ("blacklist", "inside", "loads"),
    [
        ("/etc/modprobe.d/n.conf", "etc/modprobe.d/n.conf", False),
        ("/usr/lib/modprobe.d/n.conf", "lib/modprobe.d/n.conf", False),
        ("/lib/modprobe.d/n.conf", "usr/lib/modprobe.d/n.conf", False),
        ("/etc/modprobe.d/n.conf", "etc/modprobe.d/other.conf", True),
    ],
)
@pytest.mark.parametrize("wanted", ["deep", "change"])
def test_nouveau_in_an_initramfs_that_keeps_it_from_being_loaded(blacklist: str, inside: str, loads: bool, wanted: str) -> None:
    commands = [command(f"lsinitramfs {IMAGE}", f"usr/lib/modules/x/nouveau.ko.xz\n{inside}\n")]
    files = {**kernels(NEW), IMAGE: "", blacklist: "blacklist nouveau\n"}
    source, _unused = node("kernel", files=files, commands=commands, wanted=(wanted,))
    assert initramfs_of(source) is loads


def with_an_image(image: str, files: dict[str, Any], find: dict[str, Any] | None, links: dict[str, str] | None = None) -> bool | None:
    """Whether an initramfs that has the module loads it, where `find` was asked for what is younger than it."""
    commands = [command(f"{tool} {image}", "usr/lib/modules/x/nouveau.ko.xz\n") for tool in ("lsinitramfs", "lsinitrd")]
    commands += [find] if find else []
    source, _unused = node("kernel", files={**kernels(NEW), image: "", **files}, links=links or {}, commands=commands, wanted=("change",))
    return initramfs_of(source)


ETC, LIBRARY = "/etc/modprobe.d/n.conf", "/usr/lib/modprobe.d/n.conf"
DRACUT_IMAGE = f"/boot/initramfs-{NEW}.img"


@pytest.mark.parametrize(
    ("image", "blacklist", "answer", "rc", "loads"),
    [
        (IMAGE, ETC, "", 0, False),  # the image is younger: its maker has put the file into it
        (IMAGE, ETC, f"{ETC}\n", 0, True),
        (IMAGE, ETC, "", 1, True),  # a find that does not know the question
        (IMAGE, "/run/modprobe.d/n.conf", "", 0, True),  # of this boot only
        (IMAGE, ETC, None, 0, True),
        (DRACUT_IMAGE, LIBRARY, "", 0, False),
        (DRACUT_IMAGE, ETC, "", 0, True),  # an image for any machine has nothing of /etc
    ],
)
def test_an_image_younger_than_what_keeps_nouveau_away(image: str, blacklist: str, answer: str | None, rc: int, loads: bool) -> None:
    find = None if answer is None else command(f"find {blacklist} -newercm {image}", answer, rc)
    assert with_an_image(image, {blacklist: "blacklist nouveau\n"}, find) is loads


def test_an_image_of_dracut_has_nothing_of_etc_wherever_it_lies() -> None:
    find = command(f"find {ETC} -newercm {IMAGE}", "")
    assert with_an_image(IMAGE, {ETC: "blacklist nouveau\n", "/usr/bin/dracut": ""}, find) is True


def test_what_links_lead_to_has_to_be_older_too() -> None:
    """The alternatives of Debian's driver: the first link is as old as the installation, whatever was chosen or edited since."""
    middle, last = "/etc/alternatives/glx--n.conf", "/etc/nvidia/n.conf"
    links = {ETC: middle, middle: "../nvidia/n.conf"}
    files = {last: "blacklist nouveau\n"}
    assert with_an_image(IMAGE, files, command(f"find {ETC} {middle} {last} -newercm {IMAGE}", ""), links) is False
    assert with_an_image(IMAGE, files, command(f"find {ETC} -newercm {IMAGE}", ""), links) is True


def test_find_tells_what_was_changed_after_the_image_was_written(tmp_path: Path) -> None:
    """The question in the words of the real program: rights of the image that change later make it no younger."""
    image, file = tmp_path / "initrd", tmp_path / "n.conf"
    image.write_text("")
    file.write_text("blacklist nouveau\n")
    os.utime(image, (1, 1))
    os.utime(file, (0, 0))
    image.chmod(0o600)
    asked = ["find", str(file), "-newercm", str(image)]
    assert subprocess.run(asked, capture_output=True, text=True, check=True).stdout == f"{file}\n"
    os.utime(image)
    assert subprocess.run(asked, capture_output=True, text=True, check=True).stdout == ""


def test_the_initramfs_is_read_by_checks_of_nvidia_machines_only() -> None:
    files = {**kernels(NEW), IMAGE: MODULES.decode("latin-1")}
    assert "nouveau_in_initramfs" not in look(files=files)
    assert "nouveau_in_initramfs" not in look(("amd",), files=files, wanted=("deep",))


def test_damaged_initramfs_is_a_problem() -> None:
    source, problems = node("kernel", files={**kernels(NEW), IMAGE: "???"}, wanted=("deep",))
    assert initramfs_of(source) is None
    assert problems == [{"source": "kernel", "code": "unreadable", "message": f"{IMAGE}: a compression that cannot be read here"}]


@given(st.text())
def test_any_text(text: str) -> None:
    parse_compiler(text)
    blacklisted_by_settings(text)
    blacklisted_by_command_line(text)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "/etc/os-release",
                "/boot/grub/grub.cfg",
                "/boot/grub/grubenv",
                "/etc/default/grub",
                "/proc/version",
                f"/lib/modules/{NEW}/modules.order",
                f"/boot/vmlinuz-{NEW}",
                "/etc/modprobe.d/a.conf",
                "/boot/loader/loader.conf",
                "/boot/loader/entries/a.conf",
                "/proc/self/mountinfo",
            ]
        ),
        st.one_of(st.text(), st.just({"error": "EACCES"}), st.just({"error": "EIO"})),
    )
)
def test_reading_never_fails(files: dict[str, Any]) -> None:
    source, _unused = node("kernel", files=files, wanted=("deep",))
    assert set(read(source, known("nvidia", "amd"))) == {"system", "kernel"}
