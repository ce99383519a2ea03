# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""data/*.yml: every file has a schema and keeps it; the tables agree with each other."""

from __future__ import annotations

import fnmatch
import functools
import json
import string
from pathlib import Path
from typing import Any

import pytest

yaml = pytest.importorskip("yaml", reason="reading data/ needs PyYAML")
jsonschema = pytest.importorskip("jsonschema", reason="the schemas need jsonschema")

DATA = Path(__file__).resolve().parents[3] / "data"
FILES = sorted(path.stem for path in DATA.glob("*.yml"))


@functools.cache
def _load(name: str) -> dict[str, Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    content: dict[str, Any] = yaml.load((DATA / f"{name}.yml").read_text(encoding="utf-8"), Loader=loader)
    return content


def _rows(name: str, table: str) -> Any:
    return _load(name)[table]["rows"]


def test_files_and_schemas_come_in_pairs() -> None:
    assert len(FILES) >= 14
    assert sorted(path.stem for path in (DATA / "schemas").glob("*.json")) == FILES


@pytest.mark.parametrize("name", FILES)
def test_schema(name: str) -> None:
    schema = json.loads((DATA / "schemas" / f"{name}.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    errors = [f"{list(e.absolute_path)}: {e.message[:200]}" for e in jsonschema.Draft202012Validator(schema).iter_errors(_load(name))]
    assert errors == []


@pytest.mark.parametrize("name", FILES)
def test_a_schema_refuses_a_file_without_sources(name: str) -> None:
    schema = json.loads((DATA / "schemas" / f"{name}.json").read_text(encoding="utf-8"))
    content = _load(name)
    tables = [key for key, value in content.items() if isinstance(value, dict) and "source" in value]
    for table in tables or ["checked"]:
        broken = {**content, table: {k: v for k, v in content[table].items() if k != "source"} if tables else None}
        assert not jsonschema.Draft202012Validator(schema).is_valid(broken), table


def test_no_file_has_a_key_twice() -> None:
    class Strict(yaml.SafeLoader):  # type: ignore[misc,name-defined]
        pass

    def mapping(loader: Any, node: Any) -> dict[Any, Any]:
        keys = [loader.construct_object(key, deep=True) for key, value in node.value if key.tag != "tag:yaml.org,2002:merge"]
        assert len(keys) == len(set(map(str, keys))), f"{node.start_mark}"
        loader.flatten_mapping(node)
        return dict(loader.construct_pairs(node, deep=True))

    Strict.add_constructor("tag:yaml.org,2002:map", mapping)
    for name in FILES:
        yaml.load((DATA / f"{name}.yml").read_text(encoding="utf-8"), Loader=Strict)


def _runs(table: str) -> list[tuple[str, str, str]]:
    return [(first, last, row["architecture"]) for row in _rows("nvidia_architectures", table) for first, last in row["pci"]]


def test_runs_of_chips_do_not_overlap_and_lie_in_their_blocks() -> None:
    runs, blocks = sorted(_runs("chips")), _runs("blocks")
    assert all(first <= last for first, last, architecture in runs)
    assert [run for before, run in enumerate(runs[1:]) if run[0] <= runs[before][1]] == []
    modern = {row["architecture"] for row in _rows("nvidia_architectures", "blocks")}
    for first, last, architecture in runs:
        if architecture in modern:
            hits = [name for low, high, name in blocks if low <= last and first <= high]
            assert set(hits) <= {architecture}, (first, last)


def test_architectures_and_branches_are_known_where_they_are_named() -> None:
    architectures = {row["name"]: row for row in _rows("nvidia_architectures", "architectures")}
    for row in _rows("nvidia_architectures", "chips"):
        capabilities = architectures[row["architecture"]]["compute_capabilities"]
        assert row["compute_capability"] is None or row["compute_capability"] in capabilities, row
    branches = {row["branch"] for row in _rows("nvidia_branches", "branches")}
    current = [row["last_branch"] for row in architectures.values() if row["last_branch"] and row["last_branch"] >= 340]
    assert set(current) <= branches
    assert {row["branch"] for row in _rows("nvidia_branches", "recommendation")} <= branches
    assert {row["branch"] for row in _rows("nvidia_architectures", "listed_since")} <= branches


def test_catalogue_agrees_with_the_chips() -> None:
    chips = _rows("nvidia_architectures", "chips")
    for card in _rows("gpu_catalog", "nvidia"):
        for device_id in card["pci"]:
            chip = next(row for row in chips if any(first <= device_id <= last for first, last in row["pci"]))
            assert (chip["architecture"], chip["compute_capability"]) == (card["architecture"], card["cc"]), card["name"]
    precisions = set(_rows("gpu_catalog", "precision_sets"))
    for table in ("nvidia", "amd"):
        assert {card["precision"] for card in _rows("gpu_catalog", table)} <= precisions


def test_amd_tables_agree() -> None:
    families = {row["codename"]: row for row in _rows("amd_gpus", "families")}
    by_id = {}
    for row in _rows("amd_gpus", "discrete"):
        assert families[row["codename"]]["gfx"] == row["gfx"], row
        by_id[row["id"]] = row["gfx"]
    by_id.update({row["id"]: row["gfx"] for row in _rows("amd_gpus", "apus")})
    for row in _rows("rocm_support", "gpu_support"):
        for key in row["pci"]:
            assert by_id[key[:4]] == row["gfx"], row["product"]
    for card in _rows("gpu_catalog", "amd"):
        for device_id in card["pci"]:
            assert by_id[device_id] == card["gfx"], card["name"]


def test_revisions_of_an_id_name_one_product_each() -> None:
    seen: set[tuple[str, str]] = set()
    for row in _rows("amd_gpus", "discrete"):
        for revision in row.get("rev", []):
            key = (row["id"], revision)
            # The one pair that libdrm gives two names (RX 6500 and RX 6500M).
            assert key not in seen or key == ("743f", "c3"), key
            seen.add(key)


def test_xid_steps_exist() -> None:
    steps = _rows("xids", "steps")
    assert {row["step"] for row in _rows("xids", "xids").values()} == set(steps)


def test_torch_variants_are_those_of_the_releases() -> None:
    named = {variant for row in _rows("torch_wheels", "releases") for variant in row["cuda"]}
    # cu129 wheels of 2.11 exist beside the advertised matrix; no other variant is in one table only.
    assert {row["variant"] for row in _rows("torch_wheels", "variants")} == named


@pytest.mark.parametrize("table", ["findings", "refusals"])
def test_texts_use_plain_words_in_braces(table: str) -> None:
    for code, row in _rows(table, table).items():
        for text in (row["message"], row["remedy"], *row.get("defaults", {}).values()):
            for _text, field, spec, conversion in string.Formatter().parse(text):
                assert field is None or (field.isidentifier() and not spec and conversion is None), (code, field)


def _words(text: str) -> set[str]:
    return {field for _text, field, _spec, _conversion in string.Formatter().parse(text) if field}


def test_words_with_a_default_are_used() -> None:
    for code, row in _rows("refusals", "refusals").items():
        for word, text in row.get("defaults", {}).items():
            assert word in _words(row["message"]) | _words(row["remedy"]), code
            assert word not in _words(text), code


def _fits(name: str, patterns: list[str]) -> bool:
    """Whether a name made of a template is among those that patterns cover."""
    plain = name.replace("{branch}", "580").replace("{kernel_flavour}", "default").replace("{version}", "580.95.05")
    return any(fnmatch.fnmatchcase(plain, pattern) for pattern in patterns)


def test_package_sets_are_of_deliverers_that_ask_for_their_names_and_hold_them() -> None:
    deliverers = _rows("nvidia_packages", "deliverers")
    sets = _rows("nvidia_packages", "package_sets")
    assert {row["origin"] for row in sets} == set(deliverers)
    for row in sets:
        mine = deliverers[row["origin"]]
        for name in (*row["install"], *row.get("essential", ()), row["core"]):
            assert _fits(name, mine["patterns"]), (row["origin"], name)
            # Modules for one kernel have the kernel's version, and a hold would keep the next kernel from its own.
            assert _fits(name, mine["hold_patterns"]) != name.startswith("linux-modules-"), (row["origin"], name)
        assert row.get("first", 0) <= row.get("last", 999), row
        assert all(any(version == one or one == "*" for known in mine["distributions"].values() for one in known)
                   for version in row.get("versions", ())), row


# What else lies in these repositories or beside them, and must not be held back with a driver.
NO_DRIVER = ("nvidia-container-toolkit", "nvidia-container-toolkit-base", "libnvidia-container1", "libnvidia-container-tools",
             "nvidia-cuda-toolkit", "nvidia-cuda-dev", "nvidia-cudnn", "firmware-nvidia-graphics", "nvidia-driver-assistant",
             "nvidia-prime", "nvidia-profiler", "nvidia-fs-dkms", "cuda-toolkit-13-0", "nvidia-vaapi-driver")


def test_deliverers() -> None:
    keys = _rows("nvidia_packages", "keys_of_nvidia")
    rows = _rows("nvidia_packages", "deliverers")
    for origin, row in rows.items():
        assert row["id"] == origin
        for entries in row["extras"].values():
            assert all(_fits(name, row["patterns"]) for entry in entries for name in entry["names"]), origin
        of_the_version = [name for role in row["extras"] if role != "nvlink5" for entry in row["extras"][role] for name in entry["names"]]
        assert all(_fits(name, row["hold_patterns"]) for name in of_the_version), origin
        # apt is told the names of the offer that the hold is for: what a hold covers has to be asked for.
        samples = [pattern.replace("[3-9][0-9][0-9]", "580").replace("*", "x") for pattern in row["hold_patterns"]]
        assert row["manager"] != "apt" or all(_fits(name, row["patterns"]) for name in samples), origin
        held = [name for name in NO_DRIVER if _fits(name, row["hold_patterns"])]
        # A pin of apt that fits no version of a package leaves it alone; a version lock shuts it out.
        assert held in ([], ["nvidia-driver-assistant"] if row["manager"] == "apt" else []), origin
        for folder in row["repository"].get("folders", ()):
            assert folder["key"] is None or not keys[folder["key"]].get("retired"), folder
            assert all(version in row["distributions"][name] for name in folder["distributions"] for version in folder["versions"])
    assert {name[: -len(".pub")] for name in (row["file"] for row in keys.values())} == set(keys)
    known = {name for row in rows.values() for name in row["distributions"]}
    known |= {name for row in _rows("rocm_packages", "deliverers").values() for name in row["distributions"]}
    assert {*_rows("distributions", "same_as").values(), *_rows("distributions", "by_major").values()} <= known


# Not AMD's, though the names are near; what a hold of ROCm or of the driver must leave alone.
NO_ROCM = ("rocksdb-tools", "librocksdb9", "hippo", "libhippomocks-dev", "rocs", "librocket1", "rockdodger", "linux-firmware",
           "firmware-amd-graphics", "amd-gpu-firmware", "kernel-firmware-amdgpu", "amdgpu-install", "libdrm-amdgpu1", "radeontop",
           "xserver-xorg-video-amdgpu", "linux-headers-generic", "kernel-devel", "dkms", "python3-torch-rocm", "hipercontracer", "rdcli",
           "halfempty")


def _filled(names: list[str]) -> list[str]:
    return [name.replace("{xy}", "10.1").replace("{gfx}", "gfx942") for name in names]


def test_deliverers_of_rocm() -> None:
    rows = _rows("rocm_packages", "deliverers")
    headers = _rows("distributions", "headers")
    for origin, row in rows.items():
        assert row["id"] == origin
        assert row["manager"] in headers
        for other in row["gone_first"]:
            assert rows[other]["manager"] == row["manager"], origin
            assert rows[other]["stream"] != row["stream"], origin
            assert origin in rows[other]["gone_first"], origin
        hold = [*row["hold_rocm"], *row["hold_driver"]]
        samples = [pattern.replace("[0-9]*", "6.3.1").replace("*", "x") for pattern in hold]
        assert row["manager"] != "apt" or all(_fits(name, row["patterns"]) for name in samples), origin
        assert [name for name in NO_ROCM if _fits(name, hold)] == [], origin
        assert not [name for name in ("amdgpu-dkms", "amdgpu-dkms-firmware") if _fits(name, row["hold_rocm"])], origin


def test_components_of_rocm_have_names_that_their_deliverers_ask_for_and_hold() -> None:
    deliverers = _rows("rocm_packages", "deliverers")
    rows = _rows("rocm_packages", "components")
    assert {origin for row in rows for origin in row["of"]} == set(deliverers)
    for row in rows:
        for origin in row["of"]:
            mine = deliverers[origin]
            for name in _filled([*row["install"], row["core"]]):
                assert _fits(name, mine["patterns"]), (origin, name)
                hold = mine["hold_driver"] if row["component"] in ("dkms", "firmware") else mine["hold_rocm"]
                # clinfo is of no maker of platforms, and no release of ROCm.
                loose = mine["kind"] == "distribution" and (row["component"] == "firmware" or name == "clinfo")
                assert _fits(name, hold) or loose, (origin, name)
                if mine["side_by_side"] == "{name}{release}" and row["component"] not in ("dkms", "firmware"):
                    assert _fits(f"{name}7.2.4", mine["hold_rocm"]), (origin, name)


def test_repositories_of_rocm() -> None:
    deliverers = _rows("rocm_packages", "deliverers")
    keys = _rows("rocm_packages", "keys_of_amd")
    rows = _rows("rocm_packages", "repositories")
    assert {origin for row in rows for origin in row["of"]} == {key for key, row in deliverers.items() if row["kind"] == "vendor"}
    for row in rows:
        assert row["key"] in keys
        assert row["base"].startswith("https://")
        for origin in row["of"]:
            apt = deliverers[origin]["manager"] == "apt"
            assert apt == ("components" in row) == ("suite" in row or "suites" in row), row
            for word in ("folders", "suites"):
                known = {name: set(versions) for name, versions in row.get(word, {}).items()}
                served = {name: set(versions) for name, versions in deliverers[origin]["distributions"].items()}
                # The driver's repository serves the new stream on more systems than the classic packages.
                assert not known or all(known[name] >= versions for name, versions in served.items()), (origin, word)
