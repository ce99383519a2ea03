# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fake libnvidia-ml.so.1, asked through the real pynvml in a process of its own."""
from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fakegpu import library

pytestmark = [
    pytest.mark.skipif(not library.available(), reason="needs the compiler in the wheel 'ziglang' (pip install ziglang)"),
    pytest.mark.skipif(not importlib.util.find_spec("pynvml"), reason="needs pynvml (pip install nvidia-ml-py)"),
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="the library is built for x86_64"),
]

CARD = """
# One H100 with two MIG instances, then a card without most features.
format = 1
driver_version=580.95.05
nvml_version=13.580.95.05
cuda_driver_version=13000
count=2
gpu.0.name=NVIDIA H100 80GB HBM3
gpu.0.uuid=GPU-11111111-2222-3333-4444-555555555555
gpu.0.serial=1654923010001
gpu.0.vbios=96.00.61.00.01
gpu.0.minor=0
gpu.0.architecture=9
gpu.0.compute_capability=9.0
gpu.0.pci_bus_id=00000000:1A:00.0
gpu.0.pci_device_id=0x233010DE
gpu.0.pci_subsystem_id=0x16C110DE
gpu.0.memory_total_mib=81559
gpu.0.memory_used_mib=1024
gpu.0.memory_reserved_mib=480
gpu.0.ecc_current=1
gpu.0.ecc_pending=0
gpu.0.ecc.volatile.corrected=3
gpu.0.ecc.aggregate.uncorrected=7
gpu.0.remapped.corrected=1
gpu.0.remapped.uncorrected=2
gpu.0.remapped.pending=1
gpu.0.remapped.failure=0
gpu.0.retired.single_bit=2
gpu.0.retired.pending=1
gpu.0.power_limit_mw=700000
gpu.0.power_min_mw=200000
gpu.0.power_max_mw=700000
gpu.0.temperature=29
gpu.0.temperature_memory=37
gpu.0.temperature_slowdown=87
gpu.0.clock.sm=345
gpu.0.max_clock.memory=2619
gpu.0.utilization.gpu=5
gpu.0.utilization.memory=6
gpu.0.throttle_reasons=0x48
gpu.0.pcie.gen_current=1
gpu.0.pcie.gen_device_max=5
gpu.0.nvlink.states=1101
gpu.0.fabric.state=3
gpu.0.fabric.clique=4
gpu.0.fabric.cluster_uuid=000102030405060708090a0b0c0d0e0f
gpu.0.recovery_action=1
gpu.0.gsp_firmware=580.95.05
gpu.0.process.count=2
gpu.0.process.0.pid=4242
gpu.0.process.0.name=python3
gpu.0.process.0.kind=compute
gpu.0.process.0.used_mib=1024
gpu.0.process.1.pid=17
gpu.0.process.1.name=Xorg
gpu.0.process.1.kind=graphics
gpu.0.mig_current=1
gpu.0.mig_pending=1
gpu.0.mig_max=7
gpu.0.mig.count=2
gpu.0.mig.0.uuid=MIG-aaaa
gpu.0.mig.0.name=NVIDIA H100 80GB HBM3 MIG 3g.40gb
gpu.0.mig.0.gpu_instance_id=1
gpu.0.mig.0.compute_instance_id=0
gpu.0.mig.0.memory_mib=40448
gpu.0.mig.0.slices=3
gpu.0.mig.1.uuid=MIG-bbbb
gpu.1.name=NVIDIA GeForce RTX 4090
gpu.1.uuid=GPU-99999999-2222-3333-4444-555555555555
gpu.1.pci_bus_id=00001580:B1:00.0
"""

# Runs an expression over pynvml; what NVML refuses comes back as {"nvml_error": code}.
ASK = """
import json, sys
from pynvml import *
def plain(value):
    if hasattr(value, "_fields_"):
        value = {name: getattr(value, name) for name, *_ in value._fields_}
    if hasattr(value, "__dict__") and not isinstance(value, dict):
        value = vars(value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, (list, tuple)) or hasattr(value, "_length_"):
        return [plain(item) for item in value]
    return value
def fabric(handle):
    info = c_nvmlGpuFabricInfo_v3_t()
    nvmlDeviceGetGpuFabricInfoV(handle, byref(info))
    return [info.state, info.status, info.cliqueId, bytes(info.clusterUuid).hex()]
try:
    nvmlInit()
    handles = []
    for number in range(nvmlDeviceGetCount()):
        try:
            handles.append(nvmlDeviceGetHandleByIndex(number))
        except NVMLError:
            handles.append(None)
    gpu, other = (handles + [None, None])[:2]
    answer = plain(eval(sys.argv[1]))
    nvmlShutdown()
except NVMLError as error:
    answer = {"nvml_error": error.value, "text": str(error)}
print(json.dumps(answer))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the library."""
    path = tmp_path_factory.mktemp("nvml")
    library.build(path / "libnvidia-ml.so.1")
    return path


def run(folder: Path, text: str | None, expression: str, timeout: float = 30) -> subprocess.CompletedProcess[str]:
    """Evaluate an expression against a configuration; None is no file at all."""
    config = folder / "nvml.conf"
    config.unlink(missing_ok=True)
    if text is not None:
        config.write_text(text, encoding="utf-8")
    environment = {"LD_LIBRARY_PATH": str(folder), "FAKEGPU_NVML_CONF": str(config), "PATH": os.environ["PATH"]}
    argv = [sys.executable, "-c", ASK, expression]
    return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=timeout, check=False)


def ask(folder: Path, text: str | None, expression: str) -> object:
    done = run(folder, text, expression)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(("expression", "answer"), [
    ("nvmlSystemGetDriverVersion()", "580.95.05"),
    ("nvmlSystemGetNVMLVersion()", "13.580.95.05"),
    ("nvmlSystemGetCudaDriverVersion_v2()", 13000),
    ("nvmlDeviceGetCount()", 2),
    ("nvmlDeviceGetName(gpu)", "NVIDIA H100 80GB HBM3"),
    ("nvmlDeviceGetUUID(gpu)", "GPU-11111111-2222-3333-4444-555555555555"),
    ("nvmlDeviceGetSerial(gpu)", "1654923010001"),
    ("nvmlDeviceGetVbiosVersion(gpu)", "96.00.61.00.01"),
    ("nvmlDeviceGetMinorNumber(gpu)", 0),
    ("nvmlDeviceGetArchitecture(gpu)", 9),
    ("nvmlDeviceGetCudaComputeCapability(gpu)", [9, 0]),
    ("nvmlDeviceGetGspFirmwareVersion(gpu)", "580.95.05"),
    ("nvmlDeviceGetPciInfo(gpu)",
     {"busIdLegacy": "0000:1A:00.0", "domain": 0, "bus": 26, "device": 0, "pciDeviceId": 0x233010DE,
      "pciSubSystemId": 0x16C110DE, "busId": "00000000:1A:00.0"}),
    ("nvmlDeviceGetPciInfo(other).domain", 0x1580),
    ("nvmlDeviceGetUUID(nvmlDeviceGetHandleByPciBusId('0000:1a:00.0'))", "GPU-11111111-2222-3333-4444-555555555555"),
    ("nvmlDeviceGetName(nvmlDeviceGetHandleByUUID('GPU-99999999-2222-3333-4444-555555555555'))", "NVIDIA GeForce RTX 4090"),
    ("nvmlDeviceGetMemoryInfo(gpu)", {"total": 81559 << 20, "free": 80055 << 20, "used": 1504 << 20}),
    ("[getattr(nvmlDeviceGetMemoryInfo(gpu, version=nvmlMemory_v2), key) >> 20"
     " for key in ('total', 'reserved', 'free', 'used')]",
     [81559, 480, 80055, 1024]),
    ("nvmlDeviceGetEccMode(gpu)", [1, 0]),
    ("nvmlDeviceGetTotalEccErrors(gpu, NVML_MEMORY_ERROR_TYPE_CORRECTED, NVML_VOLATILE_ECC)", 3),
    ("nvmlDeviceGetTotalEccErrors(gpu, NVML_MEMORY_ERROR_TYPE_UNCORRECTED, NVML_AGGREGATE_ECC)", 7),
    ("nvmlDeviceGetMemoryErrorCounter(gpu, NVML_MEMORY_ERROR_TYPE_CORRECTED, NVML_VOLATILE_ECC, NVML_MEMORY_LOCATION_DRAM)", 3),
    ("nvmlDeviceGetMemoryErrorCounter(gpu, NVML_MEMORY_ERROR_TYPE_CORRECTED, NVML_VOLATILE_ECC,"
     " NVML_MEMORY_LOCATION_L2_CACHE)", 0),
    ("nvmlDeviceGetRemappedRows(gpu)", [1, 2, 1, 0]),
    ("len(nvmlDeviceGetRetiredPages(gpu, 0))", 2),
    ("nvmlDeviceGetRetiredPagesPendingStatus(gpu)", 1),
    ("nvmlDeviceGetPowerManagementLimit(gpu)", 700000),
    ("nvmlDeviceGetPowerManagementLimitConstraints(gpu)", [200000, 700000]),
    ("nvmlDeviceGetTemperature(gpu, NVML_TEMPERATURE_GPU)", 29),
    ("nvmlDeviceGetTemperatureV(gpu, NVML_TEMPERATURE_GPU)", 29),
    ("nvmlDeviceGetTemperatureThreshold(gpu, NVML_TEMPERATURE_THRESHOLD_SLOWDOWN)", 87),
    ("nvmlDeviceGetClockInfo(gpu, NVML_CLOCK_SM)", 345),
    ("nvmlDeviceGetMaxClockInfo(gpu, NVML_CLOCK_MEM)", 2619),
    ("nvmlDeviceGetUtilizationRates(gpu)", {"gpu": 5, "memory": 6}),
    ("nvmlDeviceGetCurrentClocksEventReasons(gpu)", 0x48),
    ("nvmlDeviceGetCurrPcieLinkGeneration(gpu)", 1),
    ("nvmlDeviceGetGpuMaxPcieLinkGeneration(gpu)", 5),
    ("[nvmlDeviceGetNvLinkState(gpu, link) for link in range(4)]", [1, 1, 0, 1]),
    ("[(v.nvmlReturn, v.value.uiVal) for v in nvmlDeviceGetFieldValues(gpu, [82, 91, 230, 4711])]",
     [[0, 37], [0, 4], [0, 1], [3, 0]]),
    ("fabric(gpu)", [3, 0, 4, "000102030405060708090a0b0c0d0e0f"]),
    ("[(p.pid, p.usedGpuMemory) for p in nvmlDeviceGetComputeRunningProcesses(gpu)]", [[4242, 1024 << 20]]),
    ("[(p.pid, p.usedGpuMemory) for p in nvmlDeviceGetGraphicsRunningProcesses(gpu)]", [[17, None]]),
    ("nvmlDeviceGetComputeRunningProcesses(other)", []),
    ("nvmlSystemGetProcessName(4242)", "python3"),
    ("nvmlDeviceGetMigMode(gpu)", [1, 1]),
    ("nvmlDeviceGetMaxMigDeviceCount(gpu)", 7),
    ("nvmlDeviceGetName(nvmlDeviceGetMigDeviceHandleByIndex(gpu, 0))", "NVIDIA H100 80GB HBM3 MIG 3g.40gb"),
    ("nvmlDeviceGetMemoryInfo(nvmlDeviceGetMigDeviceHandleByIndex(gpu, 0)).total", 40448 << 20),
    ("nvmlDeviceGetGpuInstanceId(nvmlDeviceGetMigDeviceHandleByIndex(gpu, 0))", 1),
    ("[getattr(nvmlDeviceGetAttributes(nvmlDeviceGetMigDeviceHandleByIndex(gpu, 0)), key)"
     " for key in ('gpuInstanceSliceCount', 'memorySizeMB')]", [3, 40448]),
    ("nvmlDeviceGetUUID(nvmlDeviceGetDeviceHandleFromMigDeviceHandle(nvmlDeviceGetHandleByUUID('MIG-bbbb')))",
     "GPU-11111111-2222-3333-4444-555555555555"),
])
def test_answers(folder: Path, expression: str, answer: object) -> None:
    assert ask(folder, CARD, expression) == answer


@pytest.mark.parametrize(("expression", "code"), [
    ("nvmlDeviceGetSerial(other)", 3),
    ("nvmlDeviceGetMemoryInfo(other)", 3),
    ("nvmlDeviceGetEccMode(other)", 3),
    ("nvmlDeviceGetMigMode(other)", 3),
    ("nvmlDeviceGetMigDeviceHandleByIndex(other, 0)", 3),
    ("nvmlDeviceGetMigDeviceHandleByIndex(gpu, 2)", 6),
    ("nvmlDeviceGetNvLinkState(gpu, 4)", 2),
    ("nvmlDeviceGetNvLinkState(other, 0)", 3),
    ("nvmlDeviceGetHandleByIndex(2)", 2),
    ("nvmlDeviceGetHandleByUUID('GPU-0')", 6),
    ("nvmlDeviceGetEncoderCapacity(gpu, 0)", 3),
])
def test_refusals(folder: Path, expression: str, code: int) -> None:
    answer = ask(folder, CARD, expression)
    assert isinstance(answer, dict)
    assert answer["nvml_error"] == code


@pytest.mark.parametrize(("text", "code", "words"), [
    (None, 9, "Driver Not Loaded"),
    ("init_error=18\ncount=1\n", 18, "RM has detected an NVML/RM version mismatch."),
    ("init_error=999\n", 999, "Unknown Error"),
    ("init_error=4\n", 4, "Insufficient Permissions"),
])
def test_start_fails(folder: Path, text: str | None, code: int, words: str) -> None:
    assert ask(folder, text, "nvmlDeviceGetCount()") == {"nvml_error": code, "text": words}


def test_error_texts_of_nvml(folder: Path) -> None:
    assert ask(folder, CARD, "nvmlErrorString(18)") == "Driver/library version mismatch"
    assert ask(folder, CARD, "nvmlErrorString(15)") == "GPU is lost"


def test_lost_gpu(folder: Path) -> None:
    text = CARD + "gpu.0.lost=1\n"
    assert ask(folder, text, "nvmlDeviceGetName(gpu)") == "NVIDIA H100 80GB HBM3"
    assert ask(folder, text, "nvmlDeviceGetPciInfo(gpu).bus") == 26
    assert ask(folder, text, "nvmlDeviceGetMemoryInfo(gpu)") == {"nvml_error": 15, "text": "GPU is lost"}
    assert ask(folder, text, "nvmlDeviceGetName(other)") == "NVIDIA GeForce RTX 4090"


def test_handle_refused(folder: Path) -> None:
    text = CARD + "gpu.1.handle_error=15\n"
    assert ask(folder, text, "nvmlDeviceGetHandleByIndex(1)") == {"nvml_error": 15, "text": "GPU is lost"}
    assert ask(folder, text, "nvmlDeviceGetHandleByUUID('GPU-99999999-2222-3333-4444-555555555555')") == {
        "nvml_error": 15, "text": "GPU is lost"}


def test_every_public_name_is_there(folder: Path) -> None:
    missing = ("[name for name in __import__('re').findall('_nvmlGetFunctionPointer.\"(nvml[^\"]+)',"
               " open(__import__('pynvml').__file__).read())"
               " if not hasattr(__import__('ctypes').CDLL('libnvidia-ml.so.1'), name)]")
    assert ask(folder, CARD, missing) == []


def test_crash(folder: Path) -> None:
    done = run(folder, CARD + "crash_in=nvmlDeviceGetPowerUsage\n", "nvmlDeviceGetPowerUsage(gpu)")
    assert done.returncode == -signal.SIGSEGV


def test_hang(folder: Path) -> None:
    """A FIFO nobody writes to holds the caller; what not even SIGKILL ends is tested in a container."""
    fifo = folder / "hang"
    fifo.unlink(missing_ok=True)
    os.mkfifo(fifo)
    with pytest.raises(subprocess.TimeoutExpired):
        run(folder, f"hang_in=nvmlInit_v2\nhang_file={fifo}\n", "1", timeout=1)


def test_the_other_library_builds_and_an_unknown_one_is_refused(tmp_path: Path) -> None:
    """libfakekfd.so is used by Molecule, under AMD's real rocminfo; here it is only built, with warnings as errors."""
    built = library.build(tmp_path / "libfakekfd.so")
    assert built.read_bytes()[:4] == b"\x7fELF"
    with pytest.raises(library.BuildError, match=r"no library is called libfoo\.so, there are libnvidia-ml\.so\.1, libfakekfd\.so"):
        library.build(tmp_path / "libfoo.so")
