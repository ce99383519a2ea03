# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Container images for the tests: `python3 tools/images.py node` prints the tag of an image, and makes the image if needed.

A tag carries a hash of the recipe, so a changed recipe is a new image and an unchanged one is built once. Where a public
registry answers, Debian's own image is the base; where none does, mmdebstrap makes the root, with the apt sources and options
of this machine. Needs the `docker` client, and without a registry also apt and perl (both are on every Debian).
"""
from __future__ import annotations

import argparse
import contextlib
import dataclasses
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

REPOSITORY = "gpufleet-test"
PUBLIC_BASE = "debian:{suite}-slim"
KEYRING = "debian-archive-keyring"
PULL_TIMEOUT_S = 180
# How this machine reaches its archives; nothing else of its apt configuration matters to an image.
REACH_OPTIONS = re.compile(r"Acquire::(Check-|Retries|Queue-Mode|Languages|ftp|https?)\b")


@dataclasses.dataclass(frozen=True)
class Image:
    """What an image holds: packages that are installed, and packages that are only unpacked, unknown to dpkg."""

    suite: str
    installed: tuple[str, ...]
    unpacked: tuple[str, ...] = ()
    script: str = ""
    components: str = "main contrib non-free"
    archive: bool = False  # its apt reaches an archive when the image runs, by the sources that it was made from
    base: str = ""  # another image of this table, on which the script runs; installed and unpacked are that one's

    def tag(self, name: str) -> str:
        """Name and version of the image in the engine; equal recipes have equal tags."""
        *own, base = dataclasses.astuple(self)
        recipe = repr((tuple(own), PREPARE, *([IMAGES[base].tag(base)] if base else [])))
        return f"{REPOSITORY}:{name.removesuffix(f'-{self.suite}')}-{self.suite}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"


# Run with $ROOT set, outside the image or (with a public base) inside it, where $ROOT is empty.
PREPARE = """
for deb in "$ROOT"/tmp/unpacked/*.deb; do [ ! -e "$deb" ] || dpkg-deb --extract "$deb" "${ROOT:-/}"; done
rm -rf "$ROOT"/tmp/unpacked "$ROOT"/usr/share/doc "$ROOT"/usr/share/man "$ROOT"/usr/share/locale
"""

# The NVIDIA tools are only unpacked: their packages would bring a driver library, and a dpkg database that says "installed" on
# machines that are to have no driver. For the same reason vendors' tools lie in /opt/real, where only the machine that is to
# have them links them from.
#
# The machines are hosts on which the real packages are installed for real: systemd, Debian's own kernel with its headers, and
# what DKMS needs. Only `main`, so that whoever wants a driver has to add the rest. python3-yaml is for our kernel's edge. ccache
# keeps what was compiled beside the packages that were fetched: the next build of nearly the same sources takes a part of the time.
_MACHINE = ("ca-certificates", "ccache", "dbus", "dkms", "gcc", "initramfs-tools", "iproute2", "kmod", "linux-headers-amd64",
            "linux-image-amd64", "make", "mokutil", "openssl", "procps", "python3", "python3-apt", "python3-yaml", "systemd-sysv", "udev",
            "unattended-upgrades", "zstd")
# Roots of other distributions come from Debian too: the real apt, dnf and zypper run there; rpmbuild, createrepo_c and gpg make the
# local repositories (tests/packagerepo).
_PACKAGES = ("ca-certificates", "createrepo-c", "dbus", "dnf", "dnf-plugins-core", "gnupg", "iproute2", "kmod", "mokutil", "openssl",
             "procps", "python3", "python3-apt", "python3-dnf", "python3-rpm", "python3-yaml", "rpm", "systemd-sysv", "udev",
             "unattended-upgrades", "xz-utils", "zstd", "zypper")
# dnf 5 is in no stable Debian yet.
_DNF5 = ("ca-certificates", "dbus", "dnf5", "iproute2", "kmod", "mokutil", "openssl", "procps", "python3", "python3-libdnf5",
         "python3-yaml", "rpm", "systemd-sysv", "udev", "xz-utils", "zstd")
# One package manager each, and the distribution's name; what else a distribution has comes from its repository at the first boot.
_NO_APT = "rm -rf /usr/bin/apt* /usr/bin/dpkg* /usr/sbin/dpkg* /usr/lib/apt /usr/lib/dpkg /var/lib/apt /var/lib/dpkg /etc/apt /etc/dpkg" \
    " /usr/lib/python3/dist-packages/apt* /usr/bin/unattended-upgrade* /usr/lib/systemd/system/unattended-upgrades.service" \
    " /etc/kernel/postinst.d/unattended-upgrades"
_NO_DNF = "rm -rf /usr/bin/dnf* /usr/lib/python3/dist-packages/dnf* /etc/dnf /etc/yum* /var/lib/dnf /var/cache/dnf"
_NO_ZYPPER = "rm -rf /usr/bin/zypper /usr/sbin/zypper* /etc/zypp /var/cache/zypp /var/lib/zypp"
_NO_RPM = "rm -rf /usr/bin/rpm* /usr/lib/rpm /var/lib/rpm /etc/rpm"
_ONLY_APT = "\n".join((_NO_DNF, _NO_ZYPPER, _NO_RPM,
                       "rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/* /etc/apt/apt.conf.d/99mmdebstrap"))


# In Debian it comes with other plugins, on EL it is a package of its own: the local repository's brings it back.
_NO_VERSIONLOCK = "mkdir -p /opt/dnf; mv /usr/lib/python3/dist-packages/dnf-plugins/versionlock.py /opt/dnf/;" \
    " rm -f /etc/dnf/plugins/versionlock.*"


# EL 8 tells by this link that dnf runs in Python 3.6; here its bindings are in Debian's Python.
_PLATFORM_PYTHON = "mkdir -p /usr/libexec; ln -s platform-python3.6 /usr/libexec/platform-python"


def _named(identity: str, version: str, more: str = "") -> str:
    return f"printf '%s\\n' NAME={identity} ID={identity} VERSION_ID={version} {more} >/usr/lib/os-release"


# Debian's rpm keeps its database in the home of root, to which no other distribution's does.
_RPM = "mkdir -p /etc/rpm; echo '%_dbpath /var/lib/rpm' >/etc/rpm/macros.dbpath; rm -f /usr/lib/*/rpm-plugins/unshare.so; rpm --initdb"
_OTHERS = {
    "debian-13": "\n".join(["set -e", _ONLY_APT, _named("debian", "13", "VERSION_CODENAME=trixie")]),
    **{f"ubuntu-{version}": "\n".join([
        "set -e", _ONLY_APT, _named("ubuntu", version, f"ID_LIKE=debian VERSION_CODENAME={codename} UBUNTU_CODENAME={codename}")])
       for version, codename in {"22.04": "jammy", "24.04": "noble"}.items()},
    **{f"el-{version}": "\n".join(["set -e", _NO_APT, _NO_ZYPPER, _RPM, "mkdir -p /etc/yum.repos.d",
                                   "printf '[main]\\nenabled = 0\\n' >/etc/dnf/plugins/local.conf",  # off on EL, on in Debian
                                   "rm -f /usr/lib/python3/dist-packages/dnf-plugins/system_upgrade.py",  # has no python3-systemd here
                                   _NO_VERSIONLOCK, _PLATFORM_PYTHON if version == "8" else "",
                                   _named("rocky", full, f"'ID_LIKE=\"rhel centos fedora\"' 'PLATFORM_ID=\"platform:el{version}\"'")])
       for version, full in {"8": "8.10", "9": "9.6", "10": "10.0"}.items()},
    "suse-15": "\n".join(["set -e", _NO_APT, _NO_DNF, _RPM, _named("sles", "15.7", "'ID_LIKE=suse'")]),
}
_FEDORA = "\n".join(["set -e", _NO_APT, _RPM, "mkdir -p /etc/yum.repos.d; ln -sf dnf5 /usr/bin/dnf",
                     "rm -f /etc/dnf/libdnf5-plugins/local.conf",  # a package of its own on Fedora
                     _named("fedora", "44", "'PLATFORM_ID=\"platform:f44\"'")])
IMAGES = {
    "packages": Image(suite="trixie", installed=_PACKAGES),
    "packages-sid": Image(suite="sid", installed=_DNF5, components="main"),
    **{f"machine-{name}": Image(suite="trixie", installed=(), base="packages", script=script) for name, script in _OTHERS.items()},
    "machine-fedora-44": Image(suite="sid", installed=(), base="packages-sid", script=_FEDORA),
    **{f"machine-{suite}": Image(suite=suite, installed=_MACHINE, components="main", archive=True) for suite in ("trixie", "bookworm")},
    "node": Image(
        suite="trixie",
        installed=("clinfo", "iproute2", "kmod", "ocl-icd-libopencl1", "procps", "python3", "rocminfo"),
        unpacked=("nvidia-smi", "python3-pynvml"),
        script="""
mkdir -p "$ROOT"/opt/real
mv "$ROOT"/usr/bin/clinfo "$ROOT"/usr/bin/rocminfo "$ROOT"/usr/lib/nvidia/current/nvidia-smi "$ROOT"/opt/real/
rm -rf "$ROOT"/usr/lib/nvidia
""",
    ),
}


class ImageError(RuntimeError):
    """An image cannot be made; the message says what to do."""


def output(*argv: str, timeout: float | None = None) -> str | None:
    """Standard output of a command, or None where it is absent, fails or takes longer than timeout seconds."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=timeout, check=False)
        return done.stdout if done.returncode == 0 else None
    return None


def run(*argv: str, what: str, env: dict[str, str] | None = None) -> None:
    """Run a long command with its output on our standard error; its failure is an ImageError."""
    done = subprocess.run(argv, stdout=sys.stderr, stdin=subprocess.DEVNULL, env=env, check=False)
    if done.returncode:
        raise ImageError(f"{what} failed (exit status {done.returncode}); its output is above")


# --- Apt of this machine ---------------------------------------------------------------------------------------------------


def _stanzas() -> Iterator[tuple[str, str, str]]:
    """(URIs, suites, Signed-By) of each binary source of this machine, in both formats of apt."""
    for path in sorted(Path("/etc/apt/sources.list.d").glob("*.sources")):
        for stanza in re.split(r"\n\s*\n", re.sub(r"(?m)^#.*\n?", "", path.read_text(errors="replace"))):
            fields = {key.lower(): value.strip() for key, value in re.findall(r"(?m)^([\w-]+):(.*)$", stanza)}
            if "deb" in fields.get("types", "").split() and fields.get("enabled", "yes").lower() not in ("no", "false"):
                yield fields.get("uris", ""), fields.get("suites", ""), fields.get("signed-by", "")
    for path in [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*.list"))]:
        text = path.read_text(errors="replace") if path.is_file() else ""
        for options, uri, suite in re.findall(r"(?m)^deb\s+(?:\[([^]]*)\]\s+)?(\S+)\s+(\S+)", text):
            signed = re.search(r"signed-by=(\S+)", options or "")
            yield uri, suite, signed.group(1) if signed else ""


def _codename() -> str:
    text = Path("/etc/os-release").read_text(errors="replace")
    found = re.search(r"(?m)^VERSION_CODENAME=\"?(\w+)", text)
    return found.group(1) if found and re.search(r"(?m)^ID=\"?debian\b", text) else ""


def apt_sources(suite: str, keyring: str, components: str) -> str:
    """deb822 sources of a Debian suite: this machine's Debian archives, turned to that suite.

    keyring is the path of the archive's keyring, for sources that name none.
    """
    here, found = _codename(), []
    for uris, suites, signed in _stanzas():
        if here and here in suites.split():
            # sid has neither updates nor security of its own
            own = [name for name in suites.split() if name == here or (name.split("-")[0] == here and suite != "sid")]
            wished = [name.replace(here, suite) for name in own]
            found.append((uris, " ".join(wished), signed if Path(signed).is_file() else keyring))
        elif here and f"{here}-security" in suites.split() and suite != "sid":
            found.append((uris, f"{suite}-security", signed if Path(signed).is_file() else keyring))
    if not found:
        raise ImageError("no container registry answers, and this machine's apt sources name no Debian archive to make a root from")
    return "\n".join(f"Types: deb\nURIs: {uris}\nSuites: {suites}\nComponents: {components}\nSigned-By: {signed}\n"
                     for uris, suites, signed in found)


def apt_options() -> list[str]:
    """Lines of apt configuration by which this machine reaches its archives."""
    return [line for line in (output("apt-config", "dump") or "").splitlines() if REACH_OPTIONS.match(line)]


def fetch_tool(package: str, scratch: Path) -> Path:
    """Folder with the unpacked content of a package of this machine's archives, which is not installed."""
    state, target = scratch / "apt", scratch / package
    for folder in (state / "lists/partial", state / "cache/archives/partial", target):
        folder.mkdir(parents=True, exist_ok=True)
    apt = ["apt-get", f"-oDir::State::lists={state}/lists", f"-oDir::Cache={state}/cache", "-oDebug::NoLocking=1"]
    if not any((state / "lists").glob("*Packages*")):
        run(*apt, "--quiet", "update", what="apt-get update")
    script = 'cd "$1" && shift && exec "$@"'
    run("sh", "-c", script, "sh", str(target), *apt, "--quiet", "download", package, what=f"apt-get download {package}")
    for deb in target.glob("*.deb"):
        run("dpkg-deb", "--extract", str(deb), str(target), what=f"unpacking {deb.name}")
    return target


# --- The two ways to an image ----------------------------------------------------------------------------------------------


def from_registry(image: Image, tag: str) -> bool:
    """Make the image on top of the public Debian image; False where no registry answers."""
    base = PUBLIC_BASE.format(suite=image.suite)
    if output("docker", "image", "inspect", base) is None and output("docker", "pull", base, timeout=PULL_TIMEOUT_S) is None:
        return False
    script = "\n".join([
        "set -e; ROOT=; export DEBIAN_FRONTEND=noninteractive",
        f"sed -i 's/^Components:.*/Components: {image.components}/' /etc/apt/sources.list.d/*.sources",
        "apt-get --quiet update",
        f"apt-get --quiet --yes --no-install-recommends install {' '.join(image.installed)}",
        f"mkdir /tmp/unpacked; cd /tmp/unpacked; apt-get download {' '.join(image.unpacked)}" if image.unpacked else "",
        f"{PREPARE}{image.script}", "apt-get clean; rm -rf /var/lib/apt/lists/*"])
    box = f"{tag.replace(':', '-')}-{os.getpid()}"
    try:
        run("docker", "run", "--name", box, base, "sh", "-c", script, what="installing packages on the public image")
        run("docker", "commit", "--change", 'CMD ["sleep", "infinity"]', box, tag, what="docker commit")
    finally:
        output("docker", "rm", "--force", "--volumes", box)
    return True


def from_archive(image: Image, tag: str) -> None:
    """Make the image with mmdebstrap from this machine's archives."""
    for tool, package in {"apt-get": "apt", "perl": "perl"}.items():
        if not shutil.which(tool):
            raise ImageError(f"no container registry answers, and a Debian root of our own needs {package}: install {package}")
    with tempfile.TemporaryDirectory(prefix="gpufleet-image.") as name:
        scratch = Path(name)
        tool = shutil.which("mmdebstrap") or str(fetch_tool("mmdebstrap", scratch) / "usr/bin/mmdebstrap")
        keyring = Path(f"/usr/share/keyrings/{KEYRING}.gpg")
        if not keyring.is_file():
            keyring = fetch_tool(KEYRING, scratch) / f"usr/share/keyrings/{KEYRING}.gpg"
        sources = scratch / "debian.sources"
        sources.write_text(apt_sources(image.suite, str(keyring), image.components))
        unpack = f"apt-get download {' '.join(image.unpacked)}" if image.unpacked else "true"
        hook = "\n".join(["set -e; ROOT=$1", 'mkdir "$ROOT/tmp/unpacked"; cd "$ROOT/tmp/unpacked"',
                          f'APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" {unpack}', 'cd "$ROOT"', PREPARE, image.script])
        argv = [tool, "--variant=minbase", f"--include={','.join(image.installed)}", f"--customize-hook={hook}",
                *(f"--aptopt={line}" for line in apt_options()), image.suite, str(scratch / "root.tar"), str(sources)]
        run(*argv, what="mmdebstrap", env={**os.environ, "LC_ALL": "C.UTF-8", "TMPDIR": name})
        # A name of its own until all of it is there: `docker import` of a cut file would leave a half image under the tag.
        run("docker", "import", "--change", 'CMD ["sleep", "infinity"]', str(scratch / "root.tar"), tag, what="docker import")


def from_base(image: Image, tag: str) -> None:
    """Make the image from another one of ours."""
    box = f"{tag.replace(':', '-')}-{os.getpid()}"
    try:
        run("docker", "run", "--name", box, "--network=none", ensure(image.base), "sh", "-c", image.script, what=f"the script of {tag}")
        run("docker", "commit", "--change", 'CMD ["sleep", "infinity"]', box, tag, what="docker commit")
    finally:
        output("docker", "rm", "--force", "--volumes", box)


@contextlib.contextmanager
def _alone(name: str) -> Iterator[None]:
    """Two runs at the same time build an image once."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gpufleet"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / f"image-{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def ensure(name: str) -> str:
    """Tag of the named image, which is in the engine when this returns."""
    image = IMAGES[name]
    tag = image.tag(name)
    with _alone(name):
        if output("docker", "image", "inspect", tag) is None:
            if output("docker", "version") is None:
                raise ImageError("no Docker engine answers: is the docker client installed, and may you use its socket?")
            if image.base:
                from_base(image, tag)
            elif not from_registry(image, tag):
                from_archive(image, tag)
    return tag


def main(argv: Sequence[str]) -> int:
    """Print the tag of one image."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("image", choices=sorted(IMAGES))
    try:
        print(ensure(parser.parse_args(argv).image))
    except ImageError as error:
        print(f"images: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
