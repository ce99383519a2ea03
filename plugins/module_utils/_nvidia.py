# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the NVIDIA driver as `_enforce` plans it."""

from __future__ import annotations

from ._enforce import Planner
from ._inventory import _ask_amd, _ask_nvidia
from ._knowledge.delivery import origin_of
from ._plan import nvidia_driver
from ._plan._preflight import busy
from ._plan.answer import answer
from ._plan.verify import verify

PLANNER = Planner(
    ask=(_ask_nvidia.ask, _ask_amd.ask),
    jobs=("pci", "nvml", "nvidia_smi", "holders", "workloads"),
    assess=nvidia_driver.assess,
    select=nvidia_driver.select,
    plan=nvidia_driver.plan,
    remove=nvidia_driver.remove,
    predict=nvidia_driver.predict,
    busy=busy,
    verify=verify,
    answer=answer,
    origin_of=origin_of,
)
