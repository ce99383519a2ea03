# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A laboratory for plans: offers of package sources as files, a small resolver, and machines on which plans are carried out. Pure.

`offer("trixie", "trixie-backports")` reads tests/planlab/offers/NAME.yml; `machine(…)` is a simulated machine (tests/fakegpu) as an
inventory; `Laboratory(inventory, order, *offers).run()` plans, and `apply` is the machine after a plan and the boot that it asks for.
"""

from __future__ import annotations

from .laboratory import Laboratory, order_of
from .machine import apply, machine, with_cards
from .offers import Archive, offer
from .remover import PackagesThere, There

__all__ = ["Archive", "Laboratory", "PackagesThere", "There", "apply", "machine", "offer", "order_of", "with_cards"]
