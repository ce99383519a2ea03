# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Callable

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._packages._private import PrivateFolder, parent_for, told_disk_errors
from ansible_collections.gpufleet.node.plugins.module_utils._packages.types import PackageError


def mode(path: str | Path) -> int:
    return os.stat(path).st_mode & 0o777


def test_is_ours_alone_and_goes(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with PrivateFolder(str(tmp_path / "a")) as folder:
            assert mode(tmp_path / "a") == 0o700
            path = folder.write("etc/apt/x.sources", "Types: deb\n")
            assert (path, mode(path), Path(path).read_text()) == (folder.path("etc", "apt/x.sources"), 0o600, "Types: deb\n")
            assert folder.folder("lists/partial") == str(tmp_path / "a/lists/partial")
            assert mode(folder.path("lists/partial")) == 0o700
    finally:
        os.umask(before)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("folder", "parent"),
    [
        ("/home/ops/.ansible/tmp/x-1", "/home/ops/.ansible/tmp/x-1"),
        ("/home/a b/.ansible/tmp/x-1", None),
        ("/srv/\u00fc/tmp", None),
    ],
)
def test_a_path_that_package_managers_cannot_quote_is_no_parent(folder: str, parent: str | None) -> None:
    assert parent_for(folder) == parent


def test_goes_after_an_error(tmp_path: Path) -> None:
    folder = PrivateFolder(str(tmp_path / "a"))
    with pytest.raises(PackageError, match="leads out of"), folder:
        folder.write(f"{folder.write('x', '')}/../../y", "")
    assert not (tmp_path / "a").exists()
    folder.close()  # again is no error


def test_takes_an_empty_folder_of_ours(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir(mode=0o700)
    with PrivateFolder(str(tmp_path / "a")) as folder:
        folder.write("x", "")
    assert not (tmp_path / "a").exists()


def open_to_all(path: Path) -> None:
    path.mkdir()
    path.chmod(0o755)


def not_empty(path: Path) -> None:
    path.mkdir(mode=0o700)
    (path / "precious").write_text("")


def link(path: Path) -> None:
    (path.parent / "elsewhere").mkdir(mode=0o700)
    path.symlink_to("elsewhere")


def file(path: Path) -> None:
    path.write_text("")


@pytest.mark.parametrize("make", [open_to_all, not_empty, link, file])
def test_another_folder_is_refused_and_stays(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / "a"
    make(path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(PackageError, match="is there already") as caught, PrivateFolder(str(path)):
        pass
    assert (caught.value.code, sorted(tmp_path.rglob("*"))) == ("refused", before)


@pytest.mark.parametrize("path", ["relative", "/tmp/a b", '/tmp/a"b', "/tmp/a;b", "/tmp/a\nb", "/tmp/\u0661"])
def test_paths_that_configuration_cannot_name(path: str) -> None:
    with pytest.raises(PackageError, match="cannot quote") as caught, PrivateFolder(path):
        pass
    assert caught.value.code == "refused"


@pytest.mark.parametrize("relative", ["../x", "a/../../x", "/etc/x"])
def test_nothing_leads_out(tmp_path: Path, relative: str) -> None:
    with PrivateFolder(str(tmp_path / "a")) as folder, pytest.raises(PackageError, match="leads out of"):
        folder.write(relative, "")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, "no_space"), (errno.EDQUOT, "no_space"), (errno.EACCES, "unreadable")])
def test_what_the_disk_says(number: int, code: str) -> None:
    with pytest.raises(PackageError, match=r"^/a: ") as caught, told_disk_errors("/a"):
        raise OSError(number, os.strerror(number))
    assert caught.value.code == code
