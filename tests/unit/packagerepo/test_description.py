# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong descriptions are refused, with the place and the nearest word."""

from __future__ import annotations

from pathlib import Path

import pytest
from packagerepo import description
from packagerepo.__main__ import main
from packagerepo.description import load
from packagerepo.errors import RepositoryError
from packagerepo.relations import parse, twins, unresolved

HEAD = "kind: deb\nvariables: {full: 1-1}\n"


@pytest.fixture
def described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of descriptions of its own."""
    for name in ("repos", "parts", "files"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(description, "HERE", tmp_path)
    return tmp_path


@pytest.mark.parametrize(("text", "message"), [
    ("kind: snap\n", "repos/x.yml: kind is 'snap', not deb or rpm"),
    ("kind: deb\ncontens: []\n", "repos/x.yml: unknown key 'contens', did you mean 'contents'?"),
    (f"{HEAD}contents: [{{packages: [{{name: a, dependss: [b]}}]}}]\n",
     "repos/x.yml: contents[0]: a: unknown key 'dependss', did you mean 'depends'?"),
    (f"{HEAD}contents: [{{packages: [{{name: 'a{{branch}}'}}]}}]\n",
     "repos/x.yml: contents[0]: a{branch}: no value for {branch} in 'a{branch}'"),
    (f"{HEAD}contents: [{{packages: [{{name: '../a'}}]}}]\n", "repos/x.yml: contents[0]: ../a: '../a' is not a name of a package"),
    (f"{HEAD}contents: [{{packages: [{{name: a, scripts: {{post: x}}}}]}}]\n",
     "repos/x.yml: contents[0]: a: scripts: unknown key 'post', did you mean 'postrm'?"),
    ("- a\n", "repos/x.yml: not a mapping"),
])
def test_a_wrong_description_is_refused(described: Path, text: str, message: str) -> None:
    (described / "repos/x.yml").write_text(text)
    with pytest.raises(RepositoryError) as caught:
        load("x")
    assert str(caught.value) == message


def test_an_unknown_repository_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(RepositoryError, match=r"^no repository 'ubuntu-2404', did you mean 'ubuntu-24\.04'\?$"):
        load("ubuntu-2404")


def test_parts_rows_and_values(described: Path) -> None:
    (described / "parts/p.yml").write_text(
        "packages:\n- {name: 'x-{branch}{open}', version: '{full}', each: [{open: ''}, {open: -open}],"
        " depends: ['y (= {full})', '{none}']}\n")
    (described / "repos/x.yml").write_text(
        "kind: deb\nvariables: {full: '{version}-1', none: ''}\n"
        "contents: [{part: p, suite: s, rows: [{branch: '580', version: 580.95.05}]}]\n")
    seen = [(package.name, package.version, package.suite, dict(package.relations)) for package in load("x").packages]
    assert seen == [("x-580", "580.95.05-1", "s", {"depends": ("y (= 580.95.05-1)",)}),
                    ("x-580-open", "580.95.05-1", "s", {"depends": ("y (= 580.95.05-1)",)})]


def test_folders_and_what_a_part_brings(described: Path) -> None:
    (described / "parts/p.yml").write_text(
        "variables: {root: '/opt/{release}', tail: from the part}\n"
        "packages:\n- {name: x, version: '{release}-1', files: {'{root}/a': '{tail}'}, scripts: {'{after}': '{root}'}}\n")
    (described / "repos/x.yml").write_text(
        "kind: deb\nvariables: {after: postinst, tail: from the repository}\ncontents:\n"
        "- {folder: a/7.2, part: p, rows: [{release: '7.2'}]}\n- {folder: a/7.1, part: p, rows: [{release: '7.1', tail: from the row}]}\n")
    seen = [(package.folder, package.version, {path: file.text for path, file in package.files.items()}, dict(package.scripts))
            for package in load("x").packages]
    assert seen == [("a/7.2", "7.2-1", {"/opt/7.2/a": "from the part"}, {"postinst": "/opt/7.2"}),
                    ("a/7.1", "7.1-1", {"/opt/7.1/a": "from the row"}, {"postinst": "/opt/7.1"})]


def test_a_wrong_part_is_refused(described: Path) -> None:
    (described / "parts/p.yml").write_text("variable: {}\npackages: []\n")
    (described / "repos/x.yml").write_text("kind: deb\ncontents: [{part: p}]\n")
    with pytest.raises(RepositoryError, match=r"^parts/p\.yml: unknown key 'variable', did you mean 'variables'\?$"):
        load("x")


@pytest.mark.parametrize(("kind", "relation", "version", "served"), [
    ("deb", "b (>= 580.95.05)", "580.95.05-0ubuntu1", True),
    ("deb", "b (<= 580.95.05-1)", "580.95.05-0ubuntu0.24.04.2", True),
    ("deb", "b (<= 580.95.05-1)", "580.105.08-0ubuntu1", False),
    ("deb", "b (>> 1.0)", "1.0~rc1", False),
    ("deb", "b (<< 1.0)", "1.0~rc1", True),
    ("deb", "b (= 1:1.0-1)", "1.0-1", False),
    ("deb", "c | b", "1", True),
    ("deb", "c", "1", False),
    ("rpm", "b = 3:580.95.05", "3:580.95.05-1.el9", True),
    ("rpm", "b = 3:580.95.05-2.el9", "3:580.95.05-1.el9", False),
    ("rpm", "b >= 580.95.05", "580.105.08-1", True),
    ("rpm", "b >= 580.95.05", "580.95-1", False),
    ("rpm", "b = 580.95.05", "3:580.95.05-1.el9", False),
    ("rpm", "b < 2.0", "2.0~rc1-1", True),
    ("rpm", "b > 2.0", "2.0^git1-1", True),
])
def test_what_serves_a_relation(described: Path, kind: str, relation: str, version: str, served: bool) -> None:
    (described / "repos/x.yml").write_text(
        f"kind: {kind}\nvariables: {{full: 1-1}}\n"
        f"contents: [{{packages: [{{name: a, depends: ['{relation}']}}, {{name: b, version: '{version}'}}]}}]\n")
    line = f"x: a 1-1 depends on {relation}, which nothing satisfies"
    assert unresolved(load("x")) == ([] if served else [line])


def test_a_package_that_is_described_twice(described: Path) -> None:
    (described / "repos/x.yml").write_text(f"{HEAD}contents: [{{packages: [{{name: a}}, {{name: a}}]}}]\n")
    assert twins(load("x")) == ["x: a 1-1 is there twice"]


@pytest.mark.parametrize(("kind", "text"), [("deb", "a (=1"), ("deb", "A_b"), ("rpm", "a = "), ("rpm", "a == 1")])
def test_no_relation(kind: str, text: str) -> None:
    with pytest.raises(RepositoryError, match="is not a relation of"):
        parse(kind, text)


def test_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "ubuntu-22.04"]) == 0
    assert main(["list"]) == 0
    assert "nvidia-rhel9" in capsys.readouterr().out
    assert main(["check", "nvidia-rhel"]) == 2
    assert capsys.readouterr().err.startswith("packagerepo: no repository 'nvidia-rhel', did you mean 'nvidia-rhel")
