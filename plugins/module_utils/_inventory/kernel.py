# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the kernel that runs, those installed and the one to boot next; Secure Boot, nouveau, IOMMU."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from typing import Any

from . import _firmware
from ._inventory import Inventory
from ._module_file import ModuleTree, ask, start_asking
from ._source import Source
from ._system import cgroup_version, read_system
from ._versions import newest_first

_IMAGES = re.compile(r"(?:vmlinu[xz]|kernel|Image|bzImage)-([0-9].*)")
_BLACKLISTED = re.compile(r"^[ \t]*(?:blacklist[ \t]+nouveau[ \t]*(?:#.*)?$|install[ \t]+nouveau[ \t]+/\S*(?:false|true)\b"
                          r"|options[ \t]+nouveau[ \t](?:.*[ \t])?modeset=0\b)", re.MULTILINE)
MODPROBE_FOLDERS = ("/etc/modprobe.d", "/run/modprobe.d", "/usr/local/lib/modprobe.d", "/usr/lib/modprobe.d",
                    "/lib/modprobe.d")
_LINKS = 8  # of one path; one that leads in a circle has no end
CODE_LIST = re.compile(r"(?:modprobe\.blacklist|module_blacklist|rd\.driver\.blacklist|rdblacklist)=(\S+)")


def parse_compiler(text: str) -> str | None:
    """The compiler in /proc/version: 12.2.0 for gcc, "clang 18.1.8" for clang; None where none is named."""
    clang = re.search(r"clang version (\d+(?:\.\d+)+)", text)
    if clang:
        return f"clang {clang[1]}"
    gcc = re.search(r"gcc version (\d+(?:\.\d+)+)", text) or re.search(r"gcc[\w.-]* \(.*?\) (\d+(?:\.\d+)+)", text)
    return gcc[1] if gcc else None


def blacklisted_by_settings(text: str) -> bool:
    """Whether a modprobe.d file keeps nouveau from being loaded or from taking a card."""
    return bool(_BLACKLISTED.search(text))


def blacklisted_by_command_line(text: str) -> bool:
    """Whether a kernel command line does so."""
    listed = {name for value in CODE_LIST.findall(text) for name in value.split(",")}
    return "nouveau" in listed or bool(re.search(r"(?:^|\s)nouveau\.modeset=0(?:\s|$)", text))


def read(source: Source, known: Inventory) -> dict[str, Any]:
    """The sections `system` and `kernel`; of module files only where they are (see `read_modules`)."""
    system = read_system(source)
    release = source.value("/proc/sys/kernel/osrelease")
    vendors = {device.get("vendor") for device in known.devices}
    installed, next_boot = _installed(source, vendors)
    kernel: dict[str, Any] = {
        "release": release,
        "next_boot_release": next_boot,
        "secure_boot": _firmware.secure_boot(source),
        "iommu": _iommu(source),
        "cgroup_version": cgroup_version(source.text("/proc/self/mountinfo") or ""),
        "nouveau_loaded": _nouveau_loaded(source),
        "nouveau_blacklisted": _nouveau_blacklisted(source)[0],
        "compiler": parse_compiler(source.value("/proc/version") or ""),
        "installed": installed,
    }
    for facts in _asked(source, kernel):
        start_asking(source, facts["path"])
    if kernel["secure_boot"]:
        kernel["mok_enrolled"] = _firmware.enrolled_keys(source)
    image = _initramfs(source, known, kernel)
    if image and _quiet_when_made(source, image):
        kernel["nouveau_in_initramfs"] = False
    elif image:
        source.host.prefetch((_listing_tools(image)[0], image))
    return {"system": system, "kernel": kernel}


def _thorough(source: Source) -> bool:
    """Whether somebody asks who needs every kernel and the initramfs: a check or a change."""
    return source.wants("deep") or source.wants("change")


def _installed(source: Source, vendors: Iterable[Any]) -> tuple[list[dict[str, Any]], str | None]:
    """Installed kernels, the newest first, and the one to boot next."""
    base = "/lib/modules"
    releases = source.names(base)
    if not releases:
        base = "/usr/lib/modules"
        releases = source.names(base)
    images = {match[1] for match in map(_IMAGES.fullmatch, source.names("/boot")) if match}
    trees: dict[str, ModuleTree] = {}
    for release in newest_first(releases):
        tree = ModuleTree(source, f"{base}/{release}")
        if release in images or {"vmlinuz", "vmlinux"} & set(tree.names) or (not images and "modules.order" in tree.names):
            trees[release] = tree
    next_boot = _next_boot(source, list(trees))
    wanted = [name for name, vendor in (("nvidia", "nvidia"), ("amdgpu", "amd")) if vendor in vendors]
    if "nvidia" not in wanted and "nvidia" in source.names("/sys/module"):
        wanted.append("nvidia")
    return [{
        "release": release,
        "next_boot": release == next_boot if next_boot else None,
        "headers": "Makefile" in source.names(f"{base}/{release}/build") or _headers_elsewhere(source, release),
        "modules": {name: facts for name, facts in ((name, tree.facts(name)) for name in wanted) if facts},
    } for release, tree in trees.items()], next_boot


def _asked(source: Source, kernel: dict[str, Any]) -> list[dict[str, Any]]:
    """The module files that modinfo is asked about. A fact must not unpack those of ten old kernels: they keep their paths only."""
    releases = {kernel["release"], kernel["next_boot_release"]}
    return [facts for entry in kernel["installed"] if _thorough(source) or entry["release"] in releases
            for facts in entry["modules"].values()]


def read_modules(source: Source, known: Inventory) -> dict[str, Any]:
    """Completes kernel.installed with what modinfo says, and tells of the initramfs; asked late, so that these programs work while
    others are read."""
    kernel = {"release": None, "next_boot_release": None, "installed": [], **known.kernel}
    for facts in _asked(source, kernel):
        facts.update({key: value for key, value in ask(source, facts["path"]).items() if value is not None})
    image = _initramfs(source, known, kernel) if kernel.get("nouveau_in_initramfs") is None else None
    return {"kernel": {"nouveau_in_initramfs": _nouveau_in_initramfs(source, image)}} if image else {}


def _headers_elsewhere(source: Source, release: str) -> bool:
    folders = (f"/usr/src/linux-headers-{release}", f"/usr/src/kernels/{release}")
    return any("Makefile" in source.names(folder) for folder in folders)


def _next_boot(source: Source, installed: list[str]) -> str | None:
    """The release that the boot loader starts; without a boot loader's word the newest installed one. None where its word is
    there and cannot be understood, or names a kernel without modules."""
    boot, loader = source.names("/boot"), source.names("/boot/loader")
    folder = next((name for name in ("/boot/loader", "/efi/loader", "/boot/efi/loader")
                   if "loader.conf" in (loader if name == "/boot/loader" else source.names(name))), None)
    if folder:
        from . import _boot

        entries = _loader_entries(source, folder) or _loader_entries(source, "/boot/loader")
        return _boot.choose_loader_entry(entries, _loader_default(source, folder))
    grub = next((f"/boot/{name}" for name in ("grub", "grub2") if name in boot), None)
    if grub:
        return _grub_choice(source, grub, loader, installed)
    return installed[0] if installed and "extlinux" not in boot else None


def _loader_entries(source: Source, folder: str) -> dict[str, dict[str, str]]:
    from . import _boot

    entries: dict[str, dict[str, str]] = {}
    for name in source.names(f"{folder}/entries"):
        if name.endswith(".conf"):
            try:
                entries[name[:-5]] = _boot.parse_loader_entry(source.text(f"{folder}/entries/{name}") or "")
            except ValueError:  # an empty file is left behind by an interrupted update; the loader ignores it too
                continue
    return entries


def _loader_default(source: Source, folder: str) -> str | None:
    """What systemd-boot is told: the firmware variables that `bootctl` sets come before loader.conf."""
    from . import _boot

    for name in ("LoaderEntryOneShot", "LoaderEntryDefault"):
        value = _firmware.loader_variable(source, name)
        if value:
            return value
    try:
        return _boot.parse_loader_entry(source.text(f"{folder}/loader.conf") or "").get("default")
    except ValueError:
        return None


def _grub_choice(source: Source, folder: str, loader: list[str], installed: list[str]) -> str | None:
    from . import _boot

    menu, settings = source.text(f"{folder}/grub.cfg"), source.text("/etc/default/grub")
    try:
        environment = _boot.parse_grub_environment(source.text(f"{folder}/grubenv") or "")
    except ValueError:
        environment = {}
    wanted = _boot.grub_default(menu, settings, environment)
    if wanted is None:
        return installed[0] if installed and menu is None and settings is None else None
    if "entries" in loader and (menu is None or "blscfg" in menu):
        entries = _loader_entries(source, "/boot/loader")
        if entries:
            return _boot.choose_loader_entry(entries, wanted)
    if menu is not None:
        try:
            return _boot.choose_grub_entry(_boot.parse_grub_menu(menu), wanted)
        except ValueError as error:
            source.problem("unreadable", f"{folder}/grub.cfg: {error}")
            return None
    if wanted == "0":
        return installed[0] if installed else None
    return next((release for release in installed if release in wanted), None)


def _iommu(source: Source) -> str | None:
    if source.names("/sys/kernel/iommu_groups") or source.names("/sys/class/iommu"):
        return "enabled"
    return "disabled" if source.names("/sys/kernel") else None


def _nouveau_loaded(source: Source) -> bool | None:
    modules = source.names("/sys/module")
    return "nouveau" in modules if modules else None


def _nouveau_blacklisted(source: Source) -> tuple[bool | None, list[str]]:
    """Whether nouveau is kept away, and by which files."""
    seen = set()  # a file in /etc replaces one of the same name below it (modprobe.d(5))
    found = []
    for folder in MODPROBE_FOLDERS:
        for name in source.names(folder):
            if name.endswith(".conf") and name not in seen:
                seen.add(name)
                if blacklisted_by_settings(source.text(f"{folder}/{name}", 1 << 16) or ""):
                    found.append(f"{folder}/{name}")
    command_line = source.text("/proc/cmdline")
    if not seen and command_line is None:
        return None, []
    return bool(found) or blacklisted_by_command_line(command_line or ""), found


def _initramfs(source: Source, known: Inventory, kernel: dict[str, Any]) -> str | None:
    """The initramfs of the next boot, where somebody who asks for it looks at a machine with an NVIDIA GPU; None where it is not there."""
    release = kernel["next_boot_release"] or kernel["release"]
    if not release or not _thorough(source) or not any(device.get("vendor") == "nvidia" for device in known.devices):
        return None
    boot = source.names("/boot")
    names = (f"initrd.img-{release}", f"initramfs-{release}.img", f"initrd-{release}")
    return next((f"/boot/{name}" for name in names if name in boot), None)


def _quiet_when_made(source: Source, image: str) -> bool:
    """Whether the initramfs was written after the last change of every file that keeps nouveau away: its makers put the files of modprobe.d
    into it, and to list what is in it takes as long as all else of a look.

    The change of a file counts (ctime): packages bring old times along. Of the image its content does (mtime): rights, labels and links
    of an old one may be new. dracut leaves /etc out of an image that is made for any machine (hostonly=no, as cloud images have it).
    """
    dracut = "/initrd.img-" not in image or "dracut" in source.names("/usr/bin")
    folders = ("/usr/lib/", "/lib/") if dracut else ("/etc/", "/usr/lib/", "/lib/")
    quiet = [path for path in _nouveau_blacklisted(source)[1] if path.startswith(folders)]
    changed = [one for path in quiet for one in _with_what_it_leads_to(source, path)]
    output = source.run("find", *changed, "-newercm", image) if changed else None
    return output is not None and output.ok and not output.stdout and not output.stderr


def _with_what_it_leads_to(source: Source, path: str) -> list[str]:
    """A path and those that links lead to: Debian's files are links to alternatives, and find tells of each for itself."""
    found = [path]
    while len(found) < _LINKS:
        target = source.link(found[-1])
        if target is None:
            break
        found.append(posixpath.normpath(posixpath.join(posixpath.dirname(found[-1]), target)))
    return found


def _listing_tools(image: str) -> tuple[str, str]:
    """The distributions' own tools, the one first whose distribution names its images so."""
    return ("lsinitramfs", "lsinitrd") if "/initrd.img-" in image else ("lsinitrd", "lsinitramfs")


def _nouveau_in_initramfs(source: Source, image: str) -> bool | None:
    """Whether nouveau is in there, and no file that keeps it from being loaded is there too. Asks the distribution's own tool, then
    reads the archive itself; None where neither works."""
    from ._initramfs import UNPACKED_LIMIT, loads_nouveau, names_in

    quiet = _nouveau_blacklisted(source)[1]
    for tool in _listing_tools(image):
        output = source.run(tool, image)
        if output and output.ok and output.stdout.strip():
            return loads_nouveau(re.sub(r" -> .*$", "", output.stdout, flags=re.MULTILINE), quiet)
    archive = source.data(image, UNPACKED_LIMIT)
    try:
        return loads_nouveau("\n".join(names_in(archive)), quiet) if archive else None
    except (ValueError, RecursionError) as error:
        source.problem("unreadable", f"{image}: {error}")
        return None
