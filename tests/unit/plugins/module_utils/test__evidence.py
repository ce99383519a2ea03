# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recording and replaying: what is recorded is what is replayed, documents that are wrong are refused in words, secrets go."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._evidence import EvidenceError, RecordingHost, ReplayHost, load
from ansible_collections.gpufleet.node.plugins.module_utils._host import Host, HostError, LiveHost, Output

UUID = "GPU-5c1a3f0e-93a1-4b7c-8d2e-0123456789ab"


def replay(**tables: Any) -> ReplayHost:
    return load(json.dumps({"evidence": 1, **tables}))


def test_record_then_replay(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/text").write_text("words\n")
    (tmp_path / "folder/binary").write_bytes(b"\xff\x00")
    (tmp_path / "folder/link").symlink_to("text")
    recorder = RecordingHost(LiveHost(probes={"echo": lambda argument: {"said": argument}}))
    base = f"{tmp_path}/folder"

    def look(host: Any) -> Any:
        output = host.run(["sh", "-c", "echo out; echo err >&2; exit 4"])
        return (host.read(f"{base}/text"), host.read(f"{base}/binary"), host.list(base), host.link(f"{base}/link"), output,
                host.probe("echo", 7))

    seen = look(recorder)
    again = look(load(json.dumps(recorder.document("test", redact=False))))
    assert again == seen
    assert seen[:4] == (b"words\n", b"\xff\x00", ["binary", "link", "text"], "text")


@pytest.mark.parametrize(
    ("ask", "code"),
    [
        pytest.param(lambda host: host.read("/absent"), "not_found", id="file"),
        pytest.param(lambda host: host.read("/denied"), "not_permitted", id="file without permission"),
        pytest.param(lambda host: host.read("/broken"), "unreadable", id="file with an I/O error"),
        pytest.param(lambda host: host.read("/damaged"), "unreadable", id="damaged recording"),
        pytest.param(lambda host: host.list("/absent"), "not_found", id="directory"),
        pytest.param(lambda host: host.link("/denied"), "not_found", id="link"),
        pytest.param(lambda host: host.run(["absent"]), "not_found", id="command"),
        pytest.param(lambda host: host.run(["not-installed"]), "not_found", id="command recorded as absent"),
        pytest.param(lambda host: host.run(["nvidia-smi", "-L"]), "not_found", id="other arguments"),
        pytest.param(lambda host: host.probe("absent"), "not_found", id="probe"),
        pytest.param(lambda host: host.probe("nvml"), "refused", id="probe that failed"),
        pytest.param(lambda host: host.probe("slow"), "timeout", id="probe that hung"),
    ],
)
def test_what_was_not_recorded_or_failed(ask: Any, code: str) -> None:
    host = replay(files={"/denied": {"error": "EACCES"}, "/broken": {"error": "EIO"}, "/damaged": {"base64": "%%%"}},
                  commands=[{"argv": ["not-installed"], "error": "not_found"}, {"argv": ["/usr/bin/nvidia-smi", "-q"], "rc": 0}],
                  probes={"nvml": {"error": "Driver/library version mismatch"}, "slow": {"error": "timeout"}})
    with pytest.raises(HostError) as caught:
        ask(host)
    assert caught.value.code == code


def test_commands_are_compared_by_base_name() -> None:
    host = replay(commands=[{"argv": ["/usr/bin/nvidia-smi", "-q"], "rc": 6, "stdout": "No devices were found\n"},
                            {"argv": ["clinfo"], "signal": 11, "stdout": "half"}, {"argv": ["rocminfo"], "error": "timeout"}])
    assert host.run(["nvidia-smi", "-q"])[:2] == (6, "No devices were found\n")
    assert host.run(["clinfo"]) == (None, "half", "", "crashed", 11)
    assert host.run(["rocminfo"]).error == "timeout"


def test_directories_are_implied_and_links_followed() -> None:
    device = "/sys/devices/pci0000:00/0000:01:00.0"
    host = replay(files={f"{device}/vendor": "0x10de\n"}, links={"/sys/bus/pci/devices/0000:01:00.0": f"../../..{device[4:]}"},
                  dirs={"/lib/modules": ["6.1.0"]})
    assert host.list("/sys/bus/pci/devices") == ["0000:01:00.0"]
    assert host.read("/sys/bus/pci/devices/0000:01:00.0/vendor") == b"0x10de\n"
    assert host.list("/lib/modules") == ["6.1.0"]
    assert host.list("/") == ["lib", "sys"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not an evidence document, it is no JSON"),
        ("[1]", 'the key "evidence" is missing'),
        ('{"evidence": 2}', "evidence version 2 is unknown here (known: 1)"),
        ('{"evidence": "1"}', "evidence version '1' is unknown here"),
        ('{"evidence": true}', "evidence version True is unknown here"),
        ('{"evidence": 1, "files": []}', "files must be an object"),
        ('{"evidence": 1, "commands": {"a": 1}}', "commands must be a list"),
        ('{"evidence": 1, "commands": [{}]}', "each command needs an argv"),
        ('{"evidence": 1, "commands": [{"argv": ["x"], "rc": "0"}]}', "rc and signal of x must be whole numbers"),
        ('{"evidence": 1, "commands": [{"argv": ["x"], "user": 4711}]}', "user of x must be a name"),
        ('{"evidence": 1, "files": {"relative": "x"}}', "is not an absolute path"),
        ('{"evidence": 1, "dirs": {"/x": [1]}}', "must be a list of names"),
        ("[" * 100_000, "it is no JSON"),
    ],
)
def test_documents_that_cannot_be_replayed(text: str, message: str) -> None:
    with pytest.raises(EvidenceError) as caught:
        load(text, "node17.json")
    assert message in str(caught.value)
    assert str(caught.value).startswith("node17.json: ")


def test_redaction_replaces_secrets_with_stable_tokens() -> None:
    host_name = os.uname().nodename
    machine = replay(
        files={"/sys/bus/pci/devices/0000:01:00.0/unique_id": "a1b2c3d4e5f60708\n", "/note": f"{UUID} again"},
        commands=[{"argv": ["nvidia-smi", "-q", "-x"], "rc": 0, "stdout": f"<serial>1324620001234</serial><uuid>{UUID}</uuid>"},
                  {"argv": ["journalctl"], "rc": 0, "stdout": "2026-11-23T10:00:00+00:00 node17 kernel: NVRM: Xid\n"}],
        probes={"nvml": {"devices": [{"uuid": UUID, "serial": "1324620001234"}]}})
    recorder = RecordingHost(machine)
    recorder.read("/sys/bus/pci/devices/0000:01:00.0/unique_id")
    recorder.read("/note")
    recorder.run(["nvidia-smi", "-q", "-x"])
    recorder.run(["journalctl"])
    recorder.probe("nvml")
    document = recorder.document("test")
    text = json.dumps(document)
    for secret in (UUID, "1324620001234", "a1b2c3d4e5f60708", "node17", f" {host_name} "):
        assert secret not in text
    token = document["files"]["/note"].split()[0]
    assert token.startswith("GPU-00000000-0000-0000-0000-0000000000")
    assert len(token) == len(UUID)
    assert document["probes"]["nvml"]["devices"][0]["uuid"] == token
    assert f"<uuid>{token}</uuid>" in document["commands"][0]["stdout"]
    load(text)  # a redacted recording can be replayed


@pytest.mark.parametrize("host_name", ["debian", "gpu", "sys", "nvidia"])
def test_a_host_name_that_is_a_word_of_recordings_takes_nothing_away(monkeypatch: pytest.MonkeyPatch, host_name: str) -> None:
    """Installers propose "ubuntu" and "debian"; people call their machine "gpu"."""
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", host_name, "6.1", "#1", "x86_64")))
    xml = '<gpu id="00000000:01:00.0"></gpu>'
    log = f"2026-11-23T10:00:00+00:00 {host_name} kernel: NVRM: Xid\n"
    machine = replay(files={"/etc/os-release": "ID=debian\n", "/sys/module/nvidia/version": "580\n"},
                     commands=[{"argv": ["nvidia-smi", "-q", "-x"], "rc": 0, "stdout": xml}, {"argv": ["dmesg"], "rc": 0, "stdout": log}])
    recorder = RecordingHost(machine)
    for path in ("/etc/os-release", "/sys/module/nvidia/version"):
        recorder.read(path)
    recorder.run(["nvidia-smi", "-q", "-x"])
    recorder.run(["dmesg"])
    document = recorder.document("test")
    assert document["files"] == {"/etc/os-release": "ID=debian\n", "/sys/module/nvidia/version": "580\n"}
    assert [command["stdout"] for command in document["commands"]] == [xml, log]


def test_a_command_of_a_user_is_another_one_than_ours() -> None:
    class Machine(Host):
        def run(self, argv: Any, timeout: float = 1.0, user: str | None = None) -> Output:
            if user == "mallory":
                raise HostError("refused", "id as mallory: there is no user mallory")
            return Output(0, f"{user or 'root'}\n", "")

    recorder = RecordingHost(Machine())
    recorder.run(["id", "-un"])
    recorder.run(["/usr/bin/id", "-un"], user="alice")
    with pytest.raises(HostError):
        recorder.run(["id", "-un"], user="mallory")
    host = load(json.dumps(recorder.document("test")))
    assert [host.run(["id", "-un"]).stdout, host.run(["id", "-un"], user="alice").stdout] == ["root\n", "alice\n"]
    for user, code in (("mallory", "refused"), ("bob", "not_found")):
        with pytest.raises(HostError) as caught:
            host.run(["id", "-un"], user=user)
        assert caught.value.code == code
