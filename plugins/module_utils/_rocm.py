# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: ROCm as `_enforce` plans it."""

from __future__ import annotations

from ._enforce import Planner
from ._inventory import _ask_amd, _ask_for_rocm, _ask_nvidia
from ._knowledge.rocm_delivery import origin_of
from ._plan import rocm_stack
from ._plan._rocm_preflight import busy
from ._plan._rocm_text import answer
from ._plan.verify_rocm import verify

PLANNER = Planner(
    ask=(_ask_nvidia.ask, _ask_amd.ask, _ask_for_rocm.ask),
    jobs=("pci", "kfd", "amdgpu", "amd_smi", "holders", "workloads"),
    assess=rocm_stack.assess,
    select=rocm_stack.select,
    plan=rocm_stack.plan,
    remove=rocm_stack.remove,
    predict=rocm_stack.predict,
    busy=busy,
    verify=verify,
    answer=answer,
    origin_of=origin_of,
)
