# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which generated table is made of which tables and columns of data/."""

from __future__ import annotations

# module -> (title, [(key in the module, file of data/, table of it, kept columns)])
Section = tuple[str, str, str, tuple[str, ...]]
MODULES: dict[str, tuple[str, tuple[Section, ...]]] = {
    "nvidia_table": (
        "NVIDIA architectures and chips by PCI device id.",
        (
            (
                "architectures",
                "nvidia_architectures.yml",
                "architectures",
                ("name", "compute_capabilities", "first_branch", "last_branch", "kernel_module", "open_first_branch"),
            ),
            (
                "chips",
                "nvidia_architectures.yml",
                "chips",
                ("chip", "architecture", "compute_capability", "pci", "first_branch", "last_branch"),
            ),
            ("blocks", "nvidia_architectures.yml", "blocks", ("architecture", "pci")),
            ("listed_since", "nvidia_architectures.yml", "listed_since", ("branch", "ids")),
            (
                "exceptions",
                "nvidia_architectures.yml",
                "exceptions",
                ("ids", "last_branch", "open_first_branch", "open_module"),
            ),
            ("nvswitch", "nvidia_architectures.yml", "nvswitch", ("pci_id", "platform")),
        ),
    ),
    "nvidia_branches_table": (
        "NVIDIA driver branches, and the drivers that CUDA asks for.",
        (
            (
                "branches",
                "nvidia_branches.yml",
                "branches",
                ("branch", "type", "first", "latest", "eol", "supported", "cuda", "min_kernel", "newest_architecture"),
            ),
            ("recommendation", "nvidia_branches.yml", "recommendation", ("for", "branch", "module")),
            ("compatibility", "cuda_driver.yml", "compatibility", ("cuda_major", "minor_version_min_driver")),
            ("containers", "cuda_driver.yml", "containers", ("software", "min_driver")),
            ("toolkits", "cuda_driver.yml", "toolkits", ("toolkit", "driver", "branch")),
        ),
    ),
    "nvidia_kernels_table": (
        "Kernels that are too new for an NVIDIA driver.",
        (
            (
                "breaks",
                "nvidia_kernels.yml",
                "breaks",
                ("maker", "kernel", "until", "release", "branch", "flavour", "fails", "builds", "confidence"),
            ),
        ),
    ),
    "amd_table": (
        "AMD GPUs by PCI device id and revision, and their gfx targets.",
        (
            ("families", "amd_gpus.yml", "families", ("codename", "gfx", "architecture", "pci", "apu")),
            ("discrete", "amd_gpus.yml", "discrete", ("id", "rev", "name", "codename", "gfx", "vram_gib", "virtual")),
            ("apus", "amd_gpus.yml", "apus", ("id", "codename", "gfx", "architecture", "names")),
        ),
    ),
    "amd_firmware_table": (
        "How the names of the firmware files begin that amdgpu asks for.",
        (("firmware", "amd_gpus.yml", "firmware", ("gfx", "prefixes")),),
    ),
    "rocm_table": (
        "Which products ROCm supports, and the targets that stand in for others.",
        (
            ("gpu_support", "rocm_support.yml", "gpu_support", ("product", "family", "pci", "gfx", "from", "to", "supported")),
            ("hsa_override", "rocm_support.yml", "hsa_override", ("gfx", "value", "as", "confidence")),
        ),
    ),
    "rocm_matrix_table": (
        "Releases of ROCm, targets they are built for, systems that AMD lists, known trouble.",
        (
            ("releases", "rocm_support.yml", "releases", ("release", "date", "stream", "amdgpu", "confidence")),
            ("targets", "rocm_support.yml", "targets", ("stream", "first", "last", "gfx", "packages")),
            ("os_support", "rocm_support.yml", "os_support", ("first", "last", "families", "systems")),
            ("os_limits", "rocm_support.yml", "os_limits", ("first", "last", "products", "all_but", "only", "without")),
            (
                "troubles",
                "rocm_support.yml",
                "troubles",
                ("software", "gfx", "first", "last", "what", "mended", "mended_rocm", "remedy", "confidence"),
            ),
        ),
    ),
    "rocm_drivers_table": (
        "Drivers of AMD and of Linux, and the releases of ROCm that they serve.",
        (
            ("windows", "rocm_support.yml", "driver_windows", ("amdgpu", "rocm")),
            ("bases", "rocm_support.yml", "driver_bases", ("amdgpu", "kernel")),
            ("inbox", "rocm_support.yml", "inbox", ("gfx", "kernel", "needs", "backports")),
        ),
    ),
    "catalog_nvidia_table": (
        "NVIDIA cards commonly used for AI.",
        (
            (
                "cards",
                "gpu_catalog.yml",
                "nvidia",
                ("name", "pci", "vram_gib", "bandwidth_gbs", "precision", "form", "nvlink", "mig_max"),
            ),
            ("precision_sets", "gpu_catalog.yml", "precision_sets", ("native",)),
        ),
    ),
    "catalog_amd_table": (
        "AMD cards commonly used for AI.",
        (
            (
                "cards",
                "gpu_catalog.yml",
                "amd",
                ("name", "pci", "rev", "vram_gib", "bandwidth_gbs", "precision", "form", "xgmi"),
            ),
            ("precision_sets", "gpu_catalog.yml", "precision_sets", ("native",)),
        ),
    ),
    "torch_table": (
        "PyTorch wheels: variants, drivers, compute capabilities, gfx targets.",
        (
            ("releases", "torch_wheels.yml", "releases", ("torch", "cuda", "rocm", "pypi", "confidence")),
            (
                "variants",
                "torch_wheels.yml",
                "variants",
                ("variant", "min_driver", "full_driver", "sm", "aarch64", "confidence"),
            ),
            ("rocm", "torch_wheels.yml", "rocm", ("torch", "rocm", "gfx", "confidence")),
        ),
    ),
    "findings_table": (
        "Findings: severity, link of the chain, texts.",
        (("findings", "findings.yml", "findings", ("severity", "link", "message", "remedy", "reference")),),
    ),
    "refusals_table": (
        "Refusals: severity, texts, and words that have a default.",
        (("refusals", "refusals.yml", "refusals", ("severity", "message", "remedy", "reference", "defaults")),),
    ),
    "thresholds_table": (
        "Numbers that checks compare with.",
        (("thresholds", "thresholds.yml", "thresholds", ("value", "unit", "source")),),
    ),
    "xids_table": (
        "What the Xid numbers of the NVIDIA driver mean.",
        (
            ("xids", "xids.yml", "xids", ("class", "severity", "meaning", "step")),
            ("steps", "xids.yml", "steps", ()),
        ),
    ),
    "model_memory_table": (
        "Memory that a language model needs, by number format.",
        (
            ("formats", "model_memory.yml", "formats", ("bytes_per_weight", "precision")),
            ("uses", "model_memory.yml", "uses", ("factor",)),
        ),
    ),
}

# module -> (title, file of data/, tables of it, rendered with all columns that look-ups use)
DELIVERY = {
    "distributions_table": ("Distributions: which stand for which, code names, kernel headers.", "distributions.yml",
                            ("same_as", "by_major", "codenames", "headers")),
    "delivery_table": ("Who delivers NVIDIA drivers: repositories, names, holds.", "nvidia_packages.yml",
                       ("keys_of_nvidia", "deliverers", "hardware", "package_sets")),
    "rocm_delivery_table": ("Who delivers ROCm and AMD's driver: repositories, names, holds.", "rocm_packages.yml",
                            ("keys_of_amd", "deliverers", "repositories", "components")),
}
