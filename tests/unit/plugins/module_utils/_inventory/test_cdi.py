# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import json

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._inventory._cdi import Specification, parse_cdi
from hypothesis import given
from hypothesis import strategies as st

# In the form of nvidia-ctk: keys in alphabetical order, lists not indented.
GENERATED = """---
cdiVersion: 0.5.0
containerEdits:
  deviceNodes:
  - path: /dev/nvidiactl
  env:
  - NVIDIA_VISIBLE_DEVICES=void
  hooks:
  - args:
    - nvidia-cdi-hook
    - --link
    - ../libx.so.1::/usr/lib/x86_64-linux-gnu/gbm/nvidia-drm_gbm.so
    hookName: createContainer
    path: /usr/bin/nvidia-cdi-hook
  mounts:
  - containerPath: /usr/lib/x86_64-linux-gnu/libcuda.so.580.95.05
    hostPath: /usr/lib/x86_64-linux-gnu/libcuda.so.580.95.05
    options:
    - ro
devices:
- containerEdits:
    deviceNodes:
    - path: /dev/nvidia0
    - path: /dev/dri/card1
  name: "0"
- containerEdits:
    deviceNodes:
    - path: /dev/nvidia0
  name: all
kind: nvidia.com/gpu
"""
SPECIFICATION = Specification(
    "nvidia.com/gpu",
    ["0", "all"],
    [
        "/dev/dri/card1",
        "/dev/nvidia0",
        "/dev/nvidiactl",
        "/usr/bin/nvidia-cdi-hook",
        "/usr/lib/x86_64-linux-gnu/libcuda.so.580.95.05",
    ],
    "580.95.05",
)
BY_HAND = """# by hand
cdiVersion: '0.6.0'
kind: 'nvidia.com/gpu'   # the kind
devices:
  - name: all
    annotations:
      name: not-a-device
    containerEdits:
      deviceNodes:
        - path: "/dev/nvidia0"   # the card
          hostPath: /dev/nvidia0
"""
JSON = {
    "cdiVersion": "0.5.0",
    "kind": "nvidia.com/gpu",
    "devices": [{"name": "0", "containerEdits": {"deviceNodes": [{"path": "/dev/nvidia0"}]}}, {"name": 1}, 5],
    "containerEdits": {"mounts": [{"hostPath": "/usr/lib64/libnvidia-ml.so.570.86.15", "containerPath": "/x"}]},
}


@pytest.mark.parametrize(
    ("text", "specification"),
    [
        (GENERATED, SPECIFICATION),
        (GENERATED.replace("\n", "\r\n"), SPECIFICATION),
        (BY_HAND, Specification("nvidia.com/gpu", ["all"], ["/dev/nvidia0"], None)),
        (
            json.dumps(JSON),
            Specification("nvidia.com/gpu", ["0", "1"], ["/dev/nvidia0", "/usr/lib64/libnvidia-ml.so.570.86.15"], "570.86.15"),
        ),
        ('{"kind": "amd.com/gpu", "devices": null}', Specification("amd.com/gpu", [], [], None)),
    ],
)
def test_specification(text: str, specification: Specification) -> None:
    assert parse_cdi(text) == specification


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no kind"),
        ("devices:\n- name: x\n", "no kind"),
        ("{", "no JSON"),
        ("{}", "no kind"),
        ("[" * 99999, "no kind"),
        ('{"a":' * 99999, "no JSON"),
    ],
)
def test_refuses(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_cdi(text)


def test_a_monstrous_line_costs_nothing() -> None:
    assert parse_cdi("kind: a.b/c\nx: a" + " " * 10**6 + "b\n").kind == "a.b/c"


@given(st.text(alphabet="kind: devices-name\n  hostPath/\"'#{}[],x"))
def test_only_value_errors_leave(text: str) -> None:
    with contextlib.suppress(ValueError):
        parse_cdi(text)


@given(
    st.recursive(
        st.none() | st.text() | st.integers(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["kind", "devices", "name", "path", "hostPath", "containerEdits"]), inner)
        ),
    )
)
def test_any_json(value: object) -> None:
    with contextlib.suppress(ValueError):
        parse_cdi(json.dumps({"kind": "nvidia.com/gpu", "devices": value, "containerEdits": value}))
