# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release of ROCm makes of a card on a system, and which release would do (data/rocm_support.yml).

Releases are in rocm_releases.py, AMD's lists of products in rocm_products.py, of systems in rocm_systems.py, drivers in rocm_drivers.py.
"""

from __future__ import annotations

import fnmatch
import functools
from typing import NamedTuple

from . import amd, rocm_products
from .rocm_products import Product
from .rocm_releases import Release, covers, newest, newest_of_series, numbers, release, releases, tables
from .rocm_systems import Standing, System, standing

__all__ = ["Card", "Release", "Standing", "System", "Trouble", "Verdict", "built", "newest", "packages_of", "release", "releases",
           "trouble", "verdict"]

USABLE = ("supported", "unofficial")
VARIABLE = "HSA_OVERRIDE_GFX_VERSION"


class Card(NamedTuple):
    """PCI device id and revision in hex, and the target where the compute driver tells it. One of id and target is enough."""

    device_id: str | None
    revision: str | None = None
    gfx_target: str | None = None


class Verdict(NamedTuple):
    """status: supported (on AMD's list) | unofficial (on none, and works) | not_yet (a later release has it) | ended (an earlier one
    had it) | unsupported (none does) | unknown (of card or release our tables know nothing).

    why: one sentence for people. first_release, last_release: series or releases whose list has the product (ended without a list: the
    last that works). nearest: the release to take instead: one whose list has the card (and, where there is one, the system), or for a
    card on no list one that works; None where this one will do, or none would. override: the value of HSA_OVERRIDE_GFX_VERSION that
    this release needs. needs: what else must be so, in words. system: what the release's list says of the operating system.
    """

    status: str
    why: str
    first_release: str | None
    last_release: str | None
    nearest: str | None
    override: str | None
    needs: tuple[str, ...]
    system: Standing
    gfx_target: str | None
    family: str | None
    apu: bool


class Trouble(NamedTuple):
    """Known trouble of a piece of software. mended: its first version without; mended_rocm: first release of ROCm without (both None:
    no version is known). remedy: what helps else. sure: more than one report alone says so."""

    id: str
    software: str
    what: str
    mended: str | None
    mended_rocm: str | None
    remedy: str | None
    sure: bool


class _Known(NamedTuple):
    """A card as our tables have it; certain False: only the range of its id is known."""

    name: str
    gfx: str | None
    family: str
    product: Product | None
    apu: bool
    certain: bool


class _Judgement(NamedTuple):
    status: str
    why: str
    override: str | None = None


def verdict(card: Card, wanted: str, system: System | None = None) -> Verdict:
    """What the release that a text names ("7.2.4", the newest of "7.2") makes of a card on a system."""
    known = _known(card)
    taken = release(wanted)
    if taken is None:
        judged = _Judgement("unknown", f"Our tables do not know ROCm {wanted[:20]}; the newest they have is {newest().version}.")
        stands = Standing("unknown", judged.why)
    else:
        judged = _judge(known, taken)
        stands = standing(taken, known.family, known.product, system)
    first, last = (known.product.first, known.product.last) if known.product and known.product.listed else (None, None)
    if judged.status == "ended" and last is None:
        last = _last_usable(known)
    return Verdict(judged.status, judged.why, first, last, _nearest(known, taken, judged, stands, system), judged.override,
                   _needs(known, taken, judged), stands, known.gfx, known.family if known.gfx else None, known.apu)


def packages_of(gfx_target: str, one: Release) -> str | None:
    """How a release is built for a target: named (AMD names packages of it), built (they are to be asked for), None: it is not."""
    ways = {row["packages"] for row in tables()["targets"] if row["stream"] == one.stream and gfx_target in row["gfx"]
            and covers(row["first"], row.get("last"), one.version)}
    on_list = one.stream != "preview" and any(
        row.gfx_target == gfx_target and row.listed and covers(row.first, row.last, one.version) for row, _ids in rocm_products.products())
    return "named" if "named" in ways or on_list else "built" if "built" in ways else None


def built(gfx_target: str, one: Release) -> bool:
    """Whether the libraries of a release are built for a target, and more was done with that than building."""
    return packages_of(gfx_target, one) is not None


def trouble(gfx_target: str, wanted: str) -> list[Trouble]:
    """Known trouble of the platform with a target and a release; empty for a release that is none."""
    taken = release(wanted)
    found = []
    for key, row in tables()["troubles"].items() if taken else ():
        mended = row.get("mended_rocm")
        fits = any(fnmatch.fnmatchcase(gfx_target, pattern) for pattern in row.get("gfx", ("*",)))
        done = taken is not None and mended is not None and covers(mended, None, taken.version)
        if taken and fits and not done and covers(row.get("first"), row.get("last"), taken.version):
            found.append(Trouble(key, row["software"], row["what"], row.get("mended"), mended, row.get("remedy"),
                                 row.get("confidence") != "low"))
    return found


@functools.lru_cache(maxsize=64)
def _known(card: Card) -> _Known:
    chip = amd.chip(card.device_id, card.revision) if card.device_id else None
    product = rocm_products.product(card.device_id, card.revision)
    gfx = card.gfx_target or (chip.gfx_target if chip else None)
    architecture = amd.architecture_of_gfx(gfx) if gfx else None
    apu = bool(chip and chip.apu)
    family = product.family if product else "ryzen" if apu else "instinct" if (architecture or "").startswith("cdna") else "radeon"
    name = (chip.name if chip else None) or (product.name if product else None) or (f"a card of target {gfx}" if gfx else "this card")
    if apu:
        name = f"{name} (APU)"
    if chip is None and architecture is None:
        gfx = None
    return _Known(name, gfx, family, product, apu, chip is None or chip.certainty == "listed")


@functools.lru_cache(maxsize=1024)
def _judge(known: _Known, one: Release) -> _Judgement:
    if known.gfx is None:
        return _Judgement("unknown", "Our tables do not know this card.")
    row = known.product
    if row is not None and not row.listed:
        return _Judgement("unsupported", f"No release of ROCm in our tables supports {known.name}.")
    if row is not None and row.last is not None and not covers(None, row.last, one.version):
        return _Judgement("ended", f"ROCm {row.last} is the last whose list has {known.name}; {one.version} does not support it.")
    if row is not None and one.stream != "preview" and covers(row.first, None, one.version):
        return _Judgement("supported", f"AMD's list for ROCm {one.version} has {known.name}.")
    judged = _by_target(known, one)
    if judged.status != "unsupported" and not known.certain:
        return _Judgement("unknown", f"Our tables do not know this product of target {known.gfx}; AMD's lists may have it.")
    return judged


def _by_target(known: _Known, one: Release) -> _Judgement:
    """The answer for a card that the release's list does not name."""
    gfx = str(known.gfx)
    row = known.product
    if built(gfx, one):
        if row and row.first and not covers(row.first, None, one.version):
            so_far = f"AMD lists {known.name} from ROCm {row.first} on, but the libraries of {one.version} are"
        elif one.stream == "preview":
            so_far = f"ROCm {one.version} is a preview, whose libraries are"
        else:
            so_far = f"No list of AMD has {known.name}, but the libraries of ROCm {one.version} are"
        return _Judgement("unofficial", f"{so_far} built for its target {gfx}: it works, unofficially.")
    way = rocm_products.override(gfx)
    if way is not None and row is None and built(way.stands_for, one):
        return _Judgement("unofficial", f"The libraries of ROCm {one.version} are not built for {gfx}; {VARIABLE}={way.value} makes "
                          f"{known.name} pass for {way.stands_for}, unofficially.", way.value)
    if row is not None and row.first and not covers(row.first, None, one.version):
        return _Judgement("not_yet", f"AMD lists {known.name} from ROCm {row.first} on, and {one.version} is not built for its target "
                          f"{gfx}.")
    return _elsewhere(known, one)


def _elsewhere(known: _Known, one: Release) -> _Judgement:
    """What other releases do for a target that this one is not built for. Looks at production releases, and asks none of them twice."""
    has = [other for other in newest_of_series() if _works(known, other)]
    later = [other for other in has if other.order > one.order]
    earlier = [other for other in has if other.order < one.order]
    if later:
        return _Judgement("not_yet", f"ROCm {one.version} is not built for {known.gfx} of {known.name}; {later[0].version} is.")
    if earlier:
        return _Judgement("ended", f"ROCm {earlier[-1].series} is the last that is built for {known.gfx} of {known.name}.")
    return _Judgement("unsupported", f"No release of ROCm in our tables is built for {known.gfx} of {known.name}.")


def _works(known: _Known, one: Release) -> bool:
    way = rocm_products.override(str(known.gfx)) if known.product is None else None
    return built(str(known.gfx), one) or (way is not None and built(way.stands_for, one))


def _last_usable(known: _Known) -> str | None:
    return next((one.series for one in reversed(newest_of_series()) if _works(known, one)), None)


def _nearest(known: _Known, taken: Release | None, judged: _Judgement, stands: Standing, system: System | None) -> str | None:
    """Better means: on AMD's list before works without, then the system on the list, then few releases away, then newer."""
    fine = judged.status == "supported" and stands.status != "unlisted"
    if fine or known.gfx is None:
        return None
    choices = []
    line = newest_of_series()
    here = taken.order if taken else numbers("999.0.0")
    place = sum(one.order <= here for one in line)
    for index, one in enumerate(line):
        status = _judge(known, one).status
        has = standing(one, known.family, known.product, system).status == "supported"
        if status not in USABLE or (taken is not None and one.series == taken.series and status == judged.status):
            continue
        if judged.status == "unofficial" and status != "supported":
            continue
        if judged.status == "supported" and not (has and status == "supported"):
            continue
        distance = index - place + 1 if index >= place else place - index
        choices.append((status != "supported", not has, distance, -index, one.version))
    return min(choices)[-1] if choices else None


def _needs(known: _Known, taken: Release | None, judged: _Judgement) -> tuple[str, ...]:
    needs = []
    if judged.override:
        needs.append(f"{VARIABLE}={judged.override} in the environment of what uses the card")
    if judged.status in USABLE and taken is not None and known.gfx is not None:
        if taken.stream == "therock" and packages_of(known.gfx, taken) == "built":
            needs.append(f"packages of target {known.gfx}, which AMD's guide does not name")
        if known.apu:
            needs.append("the kernel's own amdgpu driver, since AMD's driver packages do not serve the GPU of an APU")
    return tuple(needs)
