# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._host import Output
from ansible_collections.gpufleet.node.plugins.module_utils._packages._private import PrivateFolder
from ansible_collections.gpufleet.node.plugins.module_utils._packages._rpm_private import (
    ask,
    configuration,
    own_locks,
    patterns_of,
    seed,
    write_repositories,
)
from ansible_collections.gpufleet.node.plugins.module_utils._packages.types import PackageError, Repository
from rpm_node import PUBLIC_KEY as KEY
from rpm_node import Told

KEY_PATH = "/etc/pki/rpm-gpg/k"
CONTENT = f"[cuda]\nbaseurl=https://example.com/cuda\ngpgkey=file://{KEY_PATH}\n"
RECORD = "/var/lib/gpufleet/nvidia_driver.json"


def test_repositories_are_copied_and_replaced(tmp_path: Path) -> None:
    host = Told(
        {},
        {
            "/etc/yum.repos.d/base.repo": "[base]\nbaseurl = file:///base\n",
            "/etc/yum.repos.d/cuda.repo": "[old]\n",
            "/etc/yum.repos.d/notes.txt": "no",
            "/more/base.repo": "[more]\nmetalink=https://example.com/m\n",
        },
    )
    wished = Repository("cuda", "/etc/yum.repos.d/cuda.repo", CONTENT, KEY_PATH, KEY)
    with PrivateFolder(str(tmp_path / "p")) as private:
        ids, urls = write_repositories(host, private, ["/etc/yum.repos.d", "/more"], [wished], ("skip_if_unavailable=0",))
        assert ids == ["cuda"]
        assert urls == {"base": "file:///base", "more": "https://example.com/m", "cuda": "https://example.com/cuda"}
        assert sorted(os.listdir(private.path("repos.d"))) == ["1-base.repo", "base.repo", "cuda.repo"]
        text = Path(private.path("repos.d/cuda.repo")).read_text()
        assert text.startswith("[cuda]\nskip_if_unavailable=0\nbaseurl=")
        assert f"gpgkey=file://{private.path('keys/cuda.asc')}" in text
        assert Path(private.path("keys/cuda.asc")).read_text() == KEY


def test_keys_need_not_be_told(tmp_path: Path) -> None:
    with PrivateFolder(str(tmp_path / "p")) as private:
        write_repositories(Told({}), private, [], [Repository("cuda", "/x/cuda.repo", CONTENT, KEY_PATH, KEY)], tell_keys=False)
        assert "gpgkey" not in Path(private.path("repos.d/cuda.repo")).read_text()


@pytest.mark.parametrize(
    ("repository", "code", "message"),
    [
        (
            Repository("cuda", "/x/cuda.repo", CONTENT, KEY_PATH, "rubbish"),
            "bad_key",
            "cuda: /etc/pki/rpm-gpg/k: it is no OpenPGP public key",
        ),
        (
            Repository("cuda", "/x/cuda.repo", "[cuda]\n", KEY_PATH, KEY),
            "bad_key",
            "cuda: /x/cuda.repo has no gpgkey=file:///etc/pki/rpm-gpg/k",
        ),
        (Repository("cuda", "/x/cuda.repo", "[a]\n[b]\n"), "refused", "/x/cuda.repo: has not the one section [cuda]"),
    ],
)
def test_repositories_that_are_refused(tmp_path: Path, repository: Repository, code: str, message: str) -> None:
    with PrivateFolder(str(tmp_path / "p")) as private, pytest.raises(PackageError, match=re.escape(message)) as caught:
        write_repositories(Told({}), private, [], [repository])
    assert caught.value.code == code


def test_configuration_is_merged() -> None:
    texts = [("/a.conf", "[main]\nbest=0\nexcludepkgs=a,\n b\n# note\n"), ("/b.conf", "[main]\nproxy=http://old\n[extra]\nbaseurl=x\n")]
    main, text = configuration(texts, {"proxy": "http://new", "best": "1"})
    assert main == {"best": "0", "excludepkgs": "a,\nb", "proxy": "http://old"}
    assert text == "[main]\nbest=1\nexcludepkgs=a,\n b\nproxy=http://new\n[extra]\nbaseurl=x\n"


def test_configuration_that_nobody_can_read() -> None:
    with pytest.raises(PackageError, match=r"/etc/dnf/dnf\.conf") as caught:
        configuration([("/etc/dnf/dnf.conf", "no section")], {})
    assert caught.value.code == "unreadable"


@pytest.mark.parametrize(
    ("text", "locks"),
    [
        (json.dumps({"locks": [{"kind": "dnf_versionlock", "patterns": ["a-580.*", "b-580.*"]}]}), {"a-580.*", "b-580.*"}),
        (json.dumps({"locks": ["x"]}), set()),
        ("[]", set()),
        ("{", set()),
    ],
)
def test_own_locks(text: str, locks: set[str]) -> None:
    assert own_locks(Told({}, {RECORD: text}), RECORD) == locks
    assert own_locks(Told({}), RECORD) == set()


def test_seed_copies_metadata_and_no_packages(tmp_path: Path) -> None:
    source, target = tmp_path / "cache", tmp_path / "private"
    (source / "base-0123456789abcdef/repodata").mkdir(parents=True)
    (source / "base-0123456789abcdef/packages").mkdir()
    (source / "base-0123456789abcdef/packages/a.rpm").write_text("x")
    (source / "base-0123456789abcdef/repodata/repomd.xml").write_text("<x/>")
    (source / "other.solv").write_text("x")
    (source / "link").symlink_to("/etc")
    target.mkdir()
    seed(str(source), str(target), lambda name: name != "other.solv")
    assert sorted(str(path.relative_to(target)) for path in target.rglob("*")) == [
        "base-0123456789abcdef",
        "base-0123456789abcdef/repodata",
        "base-0123456789abcdef/repodata/repomd.xml",
    ]
    seed(str(tmp_path / "nowhere"), str(target), lambda name: True)


@pytest.mark.parametrize(
    ("output", "code", "message"),
    [
        (Output(None, "", "", "timeout"), "no_network", "dnf: no answer within 1 s"),
        (Output(None, "", "", "crashed", 11), "broken", "dnf: crashed (signal 11)"),
        (Output(127, "", "env: zypper: No such file"), "unreadable", "dnf: is not installed"),
    ],
)
def test_answers_that_do_not_come(output: Output, code: str, message: str) -> None:
    with pytest.raises(PackageError, match=re.escape(message)) as caught:
        ask(Told({"env": output}), ["env", "x"], "dnf", 1)
    assert caught.value.code == code


def test_patterns() -> None:
    assert patterns_of(["a*", "b", "a*"]) == ["a*", "b"]
    with pytest.raises(PackageError, match="is no pattern of package names"):
        patterns_of(["a;b"])
