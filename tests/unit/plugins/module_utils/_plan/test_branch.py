# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which driver branch a wish means on a machine."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge import nvidia
from ansible_collections.gpufleet.node.plugins.module_utils._knowledge.nvidia_table import TABLE
from ansible_collections.gpufleet.node.plugins.module_utils._plan.branch import Choice, Installed, choose_branch
from ansible_collections.gpufleet.node.plugins.module_utils._plan.wish import Wish, WishError
from hypothesis import given
from hypothesis import strategies as st

TODAY = "2026-11-23"
# A card of each architecture, and those with a rule of their own: (PCI device id, name).
CARDS = {
    "fahrenheit": ("0020", "RIVA TNT"),
    "celsius": ("0110", "GeForce2 MX"),
    "kelvin": ("0250", "GeForce4 Ti 4600"),
    "rankine": ("0301", "GeForce FX 5800 Ultra"),
    "curie": ("0040", "GeForce 6800 Ultra"),
    "tesla": ("05e7", "Tesla C1060"),
    "fermi": ("06d1", "Tesla C2050"),
    "kepler": ("102d", "Tesla K80"),
    "maxwell": ("17fd", "Tesla M40"),
    "pascal": ("15f8", "Tesla P100-PCIE-16GB"),
    "volta": ("1db6", "Tesla V100-PCIE-32GB"),
    "turing": ("1eb8", "Tesla T4"),
    "ampere": ("20b5", "NVIDIA A100 80GB PCIe"),
    "ada": ("2684", "NVIDIA GeForce RTX 4090"),
    "hopper": ("2330", "NVIDIA H100 80GB HBM3"),
    "blackwell": ("2901", "NVIDIA B200"),
    "rubin": ("3001", "NVIDIA R100"),
    "GK104 of 367": ("11bf", "GRID K520"),
    "GH200": ("2342", "NVIDIA GH200 480GB"),
    "CMP 50HX": ("1e09", "NVIDIA CMP 50HX"),
    "B300": ("3182", "NVIDIA B300 SXM6 AC"),
    "only its block": ("2fff", "NVIDIA Graphics Device"),
    "unknown": ("3fff", "NVIDIA Graphics Device"),
}


def device(card: str, number: int = 0) -> dict[str, Any]:
    device_id, name = CARDS[card]
    chip = nvidia.chip(device_id)
    return {
        "vendor": "nvidia",
        "name": name,
        "architecture": chip.architecture if chip else None,
        "pci": {"address": f"0000:{number + 1:02x}:00.0", "device_id": device_id},
        "driver_support": nvidia.driver_support(device_id),
    }


def choose(wish: str, *cards: str, **options: Any) -> Choice:
    devices = [device(card, number) for number, card in enumerate(cards)]
    return choose_branch(Wish.parse(wish), devices, **{"today": TODAY, **options})


def messages(choice: Choice) -> list[str]:
    return [entry["message"] for entry in choice.refused]


def test_every_architecture_has_a_card_here() -> None:
    names = [row["name"] for row in json.loads(TABLE)["architectures"]]
    assert [device(name)["architecture"] for name in names] == names


@pytest.mark.parametrize(
    ("card", "branch", "flavour", "use"),
    [
        ("fahrenheit", None, None, []),
        ("celsius", None, None, []),
        ("kelvin", None, None, []),
        ("rankine", None, None, []),
        ("curie", None, None, []),
        ("tesla", None, None, ["340", "<390"]),
        ("fermi", None, None, ["390", "<410"]),
        ("kepler", None, None, ["470", "<495"]),
        ("maxwell", 580, "proprietary", []),
        ("pascal", 580, "proprietary", []),
        ("volta", 580, "proprietary", []),
        ("turing", 580, "open", []),
        ("ampere", 580, "open", []),
        ("ada", 580, "open", []),
        ("hopper", 580, "open", []),
        ("blackwell", 580, "open", []),
        ("rubin", None, None, ["620", "new_feature"]),
        ("GK104 of 367", None, None, ["340", "<390"]),
        ("GH200", 580, "open", []),
        ("B300", 580, "open", []),
        ("only its block", 580, "open", []),
        ("unknown", 580, None, []),
    ],
)
def test_the_default_wish_on_every_architecture(card: str, branch: int | None, flavour: str | None, use: list[str]) -> None:
    choice = choose(">=530", card)
    assert (choice.branch, choice.flavour) == (branch, flavour)
    assert [entry["use"] for entry in choice.refused] == ([] if branch else [use])
    assert bool(choice.reasons) is bool(branch)


@pytest.mark.parametrize(
    ("wish", "cards", "options", "branch", "flavour"),
    [
        ("580", ["hopper"], {}, 580, "open"),
        ("595", ["hopper"], {}, 595, "open"),
        ("610", ["hopper"], {}, 610, "open"),
        ("610.57.04", ["hopper"], {}, 610, "open"),
        ("410", ["turing"], {}, 410, "proprietary"),
        (">=590", ["hopper"], {}, 595, "open"),
        (">=535,<580", ["hopper"], {}, 570, "proprietary"),
        (">=530,<580.65.06", ["hopper"], {}, 570, "proprietary"),
        (">=530,!=580", ["hopper"], {}, 595, "open"),
        ("lts", ["hopper"], {}, 580, "open"),
        ("production", ["hopper"], {}, 595, "open"),
        ("new_feature", ["hopper"], {}, 620, "open"),
        ("new_feature", ["rubin"], {}, 620, "open"),
        ("lts", ["volta"], {}, 580, "proprietary"),
        ("470", ["kepler", "turing"], {}, 470, "proprietary"),
        ("535", ["GH200"], {}, 535, "open"),
        ("550", ["ada"], {}, 550, "proprietary"),
        ("550", ["CMP 50HX"], {}, 550, "proprietary"),
        (">=530", ["volta", "hopper"], {}, 580, "proprietary"),
        (">=530", ["turing", "blackwell"], {}, 580, "open"),
        (">=530", ["CMP 50HX", "GH200"], {}, 580, "open"),
        (">=530", ["unknown", "volta"], {}, 580, "proprietary"),
        (">=530", ["turing"], {"offered": [535, 550]}, 550, "proprietary"),
        (">=530", ["turing"], {"offered": {535}}, 535, "proprietary"),
        (">=530", ["turing"], {"offered": [595, 610]}, 595, "open"),
        (">=530", ["turing"], {"today": "2028-06-30"}, 580, "open"),
        (">=530", ["turing"], {"today": "2028-07-01"}, 595, "open"),
        ("production", ["turing"], {"today": "2027-03-31"}, 595, "open"),
        (">=530", ["turing"], {"today": None}, 580, "open"),
    ],
)
def test_choice(wish: str, cards: list[str], options: dict[str, Any], branch: int, flavour: str) -> None:
    choice = choose(wish, *cards, **options)
    assert (choice.branch, choice.flavour, choice.refused) == (branch, flavour, [])


@pytest.mark.parametrize(
    ("wish", "card", "installed", "branch", "flavour"),
    [
        (">=530", "turing", Installed("550.163.01", "2", "proprietary"), 550, "proprietary"),
        (">=530", "turing", Installed("550.163.01", "2", "open"), 550, "open"),
        (">=530", "turing", Installed("620.70.06"), 620, "open"),
        (">=530", "turing", Installed("630.10.01"), 630, "open"),
        (">=530", "pascal", Installed("580.95.05", None, "open"), 580, "proprietary"),
        (">=530", "turing", Installed("470.256.02"), 580, "open"),
        (">=530", "volta", Installed("595.71.05"), 580, "proprietary"),
        ("580.95.05", "turing", Installed("580.95.05"), 580, "open"),
        ("550.163.01-2", "turing", Installed("550.163.01", "2", "open"), 550, "open"),
        ("lts", "turing", Installed("535.309.01", None, "open"), 535, "open"),
        ("production", "turing", Installed("580.95.05"), 595, "open"),
        (">=530", "unknown", Installed("580.95.05", None, "open"), 580, "open"),
        (">=530", "turing", Installed("N/A"), 580, "open"),
    ],
)
def test_installed(wish: str, card: str, installed: Installed, branch: int, flavour: str) -> None:
    choice = choose(wish, card, installed=installed, offered=[580, 595])
    assert (choice.branch, choice.flavour, choice.refused) == (branch, flavour, [])
    assert any(reason.endswith("it stays") for reason in choice.reasons) is installed.version.startswith(f"{branch}.")


def test_reasons() -> None:
    assert choose(">=530", "volta", "turing").reasons == [
        "580 is the newest supported long-term branch for >=530 that serves every GPU, supported until 2028-06",
        "595, 615, 620 would leave a GPU behind: Tesla V100-PCIE-32GB (volta) ends with branch 580",
        "kernel module: proprietary, the only one of branch 580 for Tesla V100-PCIE-32GB (volta)",
    ]
    assert choose(">=580.200", "turing").reasons == [
        "580 is the newest supported long-term branch for >=580.200 that serves every GPU, supported until 2028-06",
        "the newest version of branch 580 that our table knows, 580.178.04, is outside >=580.200",
        "kernel module: open, it serves every GPU here",
    ]
    assert choose(">=530", "volta", offered=[550, 595]).reasons[1:-1] == [
        "595 would leave a GPU behind: Tesla V100-PCIE-32GB (volta) ends with branch 580"
    ]
    assert choose("570", "ampere").reasons == [
        "570 is the branch that was asked for, a production one; the support of branch 570 ended in 2026-02; its successor is 580",
        "kernel module: proprietary, since the open one is recommended from branch 580 on",
    ]
    assert choose("470", "kepler").reasons[0].endswith("no supported long-term or production branch serves every GPU here")
    assert choose("production", "turing").reasons[0].startswith("595 is the newest supported production branch that serves")
    assert (
        choose(">=530", "unknown")
        .reasons[-1]
        .startswith("whether the branch serves NVIDIA Graphics Device is not known: its PCI id is unknown, newer than this table of 20")
    )


def test_reasons_of_what_stays() -> None:
    assert choose(">=530", "pascal", installed=Installed("570.211.01", "1", "open")).reasons == [
        "570.211.01 is installed, >=530 allows it and it serves every GPU: it stays",
        "the open kernel module that is installed does not drive every GPU",
        "the support of branch 570 ended in 2026-02; its successor is 580",
        "kernel module: proprietary, the only one of branch 570 for Tesla P100-PCIE-16GB (pascal)",
    ]


V100, B200 = "Tesla V100-PCIE-32GB (volta)", "NVIDIA B200 (blackwell)"
ONLY_NEW = "only new-feature branches are left of"


@pytest.mark.parametrize(
    ("wish", "cards", "options", "expected"),
    [
        ("595", ["volta", "turing"], {}, [f"{V100} ends with branch 580: use version 580, or <590"]),
        ("production", ["volta"], {}, [f"{V100} ends with branch 580: use version 580, or <590"]),
        (">=530", ["kepler"], {}, ["Tesla K80 (kepler) ends with branch 470: use version 470, or <495"]),
        ("<515", ["blackwell"], {}, [f"{B200} is served from branch 570 on: use version 580, or >=570"]),
        (
            "595",
            ["volta"],
            {"offered": [535, 550]},
            [f"{V100} ends with branch 580: use version 550, or <590"],
        ),
        (
            ">=530",
            ["volta", "blackwell", "turing"],
            {},
            [
                f"{V100} needs the proprietary kernel module, {B200} needs the open one, and a machine runs one driver:"
                " without it, use version 580",
                f"{B200} needs the open kernel module, {V100} needs the proprietary one, and a machine runs one driver:"
                " without it, use version 580",
            ],
        ),
        (
            ">=530",
            ["kepler", "blackwell"],
            {},
            [
                f"Tesla K80 (kepler) ends with branch 470, {B200} is served from branch 570 on, and a machine runs one driver:"
                " without it, use version 580",
                f"{B200} is served from branch 570 on, Tesla K80 (kepler) ends with branch 470, and a machine runs one driver:"
                " without it, use version 470",
            ],
        ),
        (
            ">=535,<560",
            ["GH200", "CMP 50HX"],
            {},
            [
                "NVIDIA GH200 480GB (hopper) needs the open kernel module: use version 580",
                "NVIDIA CMP 50HX (turing) has an open kernel module from branch 565 on: use version 580",
            ],
        ),
        (
            ">=530",
            ["celsius"],
            {},
            ["GeForce2 MX (celsius) ends with branch 96, and our table begins with branch 340: it needs another machine, or another card"],
        ),
        (
            ">=530",
            ["rubin"],
            {},
            [f"NVIDIA R100 (rubin) is served from branch 615 on, and {ONLY_NEW} >=530 (615, 620): use version 620, or channel new_feature"],
        ),
        (">=610", ["turing"], {}, [f"{ONLY_NEW} >=610 (610, 615, 620): use version 620, or channel new_feature"]),
        (">=530", ["turing"], {"offered": [610]}, [f"{ONLY_NEW} >=530 (610): use version 610"]),
        (
            ">=580",
            ["turing"],
            {"offered": [550, 535]},
            ["the package source offers 535, 550, and none that is in >=580 serves every GPU: use version 550, or another package source"],
        ),
        (
            ">=530",
            ["blackwell"],
            {"offered": [535, 550]},
            ["the package source offers 535, 550, none of which serves every GPU: use version 580, from another package source"],
        ),
        (
            ">=530",
            ["turing"],
            {"offered": []},
            ["the package source offers no branch: use version 580, from another package source"],
        ),
        ("lts", ["turing"], {"today": "2028-07-01"}, ["no branch of channel lts is supported on 2028-07-01: use version 595"]),
        ("580.10", ["turing"], {}, ["the first version of branch 580 is 580.65.06, which is newer than 580.10: use version 580"]),
    ],
)
def test_refused(wish: str, cards: list[str], options: dict[str, Any], expected: list[str]) -> None:
    choice = choose(wish, *cards, **options)
    assert (choice.branch, choice.flavour, choice.reasons) == (None, None, [])
    assert messages(choice) == expected


@pytest.mark.parametrize(("wish", "use"), [("600", ["595"]), (">=700", ["595"]), ("200", ["580"])])
def test_a_branch_that_nobody_knows(wish: str, use: list[str]) -> None:
    [entry] = choose(wish, "turing").refused
    assert entry["message"].startswith(f"our table of {nvidia.newest_table_date()} has no branch for {wish}, it knows 340 to 6")
    assert (entry["gpu"], entry["use"]) == (None, use)


def test_cards_of_one_model_are_one_entry() -> None:
    [entry] = choose("595", "volta", "turing", "volta").refused
    assert entry["gpu"] == "Tesla V100-PCIE-32GB"
    assert entry["architecture"] == "volta"
    assert entry["addresses"] == ["0000:01:00.0", "0000:03:00.0"]


def test_cards_without_name_or_without_pci_are_named_somehow() -> None:
    nameless = {**device("volta"), "name": None}
    bare = {"vendor": "nvidia", "pci": None, "architecture": "volta", "driver_support": device("volta")["driver_support"]}
    choice = choose_branch(Wish.parse("595"), [nameless, bare], today=TODAY)
    assert [message.partition(" ends")[0] for message in messages(choice)] == ["GPU 0000:01:00.0 (volta)", "GPU 1 (volta)"]


def test_what_a_card_asks_comes_from_its_id_where_the_facts_do_not_say() -> None:
    bare = {"vendor": "nvidia", "pci": {"device_id": "1db6"}}
    assert choose_branch(Wish.parse(">=530"), [bare], today=TODAY)[:2] == (580, "proprietary")


@pytest.mark.parametrize("devices", [[], [{"vendor": "amd", "pci": {"device_id": "74a1"}}]])
def test_no_nvidia_gpu(devices: list[dict[str, Any]]) -> None:
    choice = choose_branch(Wish.parse(">=530"), devices)
    assert choice == (None, None, ["no NVIDIA GPU is here: there is no driver to choose"], [])


def test_cards_recommended_with_either_module_are_recommended_with_the_open_one() -> None:
    """What _flavour takes for granted."""
    either = [row["name"] for row in json.loads(TABLE)["architectures"] if row["kernel_module"] == "open_or_proprietary"]
    for name in either:
        branch = nvidia.recommended_branch(name)
        since = nvidia.open_module_since(CARDS[name][0])
        assert branch is not None
        assert since is not None
        assert since <= branch


NUMBERS = [row.number for row in nvidia.branches()]
BOUNDS = st.sampled_from(NUMBERS + [row.latest for row in nvidia.branches() if row.latest]).map(str)
CLAUSES = st.tuples(st.sampled_from([">=", ">", "<=", "<", "==", "!="]), BOUNDS).map("".join)
TEXTS = st.lists(CLAUSES, min_size=1, max_size=3).map(",".join) | st.sampled_from([">=530", "lts", "production", "new_feature"])
MACHINES = st.lists(st.sampled_from(sorted(CARDS)), min_size=1, max_size=4)
OFFERS = st.none() | st.lists(st.sampled_from(NUMBERS), unique=True)
DRIVERS = st.none() | st.sampled_from([row.latest for row in nvidia.branches() if row.latest]).map(Installed)


def parsed(text: str) -> Wish | None:
    try:
        return Wish.parse(text)
    except WishError:
        return None


def drives(card: str, branch: int, flavour: str | None) -> bool:
    """Whether a branch drives a card by what the facts say of it."""
    support = device(card)["driver_support"]
    in_range = (support["first_branch"] or 0) <= branch <= (support["last_branch"] or branch)
    return in_range and (support["open_module"], flavour) not in (("required", "proprietary"), ("unsupported", "open"))


@given(TEXTS.map(parsed).filter(bool), MACHINES, OFFERS, DRIVERS)
def test_never_outside_the_wish_and_no_card_is_dropped(
    wish: Wish, cards: list[str], offered: list[int] | None, installed: Installed | None
) -> None:
    choice = choose(str(wish), *cards, offered=offered, installed=installed)
    assert bool(choice.refused) is (choice.branch is None)
    if choice.branch is None:
        return
    assert wish.allows(choice.branch)
    assert all(drives(card, choice.branch, choice.flavour) for card in cards)
    stays = installed is not None and wish.allows(installed.version) and choice.branch == nvidia.branch_of(installed.version)
    row = nvidia.branch(choice.branch)
    assert row is not None
    assert stays or offered is None or choice.branch in offered
    assert stays or row.type != "NFB" or wish.branch == choice.branch or wish.channel == "new_feature"


@given(TEXTS.map(parsed).filter(bool), MACHINES, OFFERS)
def test_what_is_advised_can_be_had(wish: Wish, cards: list[str], offered: list[int] | None) -> None:
    for entry in choose(str(wish), *cards, offered=offered).refused:
        elsewhere = entry["message"].endswith("from another package source")
        for use in entry["use"]:
            assert choose(use, *cards, offered=None if elsewhere else offered).branch is not None
            assert use in entry["message"]


@given(TEXTS.map(parsed).filter(bool), MACHINES)
def test_what_was_chosen_stays(wish: Wish, cards: list[str]) -> None:
    choice = choose(str(wish), *cards)
    row = nvidia.branch(choice.branch) if choice.branch else None
    if row is None or row.latest is None or not wish.allows(row.latest):
        return
    again = choose(str(wish), *cards, installed=Installed(row.latest, None, choice.flavour))
    assert again[:2] == choice[:2]
    assert again.reasons[0].endswith("it stays")
