/* Copyright (c) 2026 gpufleet contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a card is: identity, PCI, memory and its errors, MIG. */
#include "nvml_fake.h"

#include <stdio.h>
#include <string.h>

#define TEXT(function, key, policy)                                       \
    EXPORT int function(device_t device, char *buffer, unsigned length)   \
    {                                                                     \
        ENTER(device, policy);                                            \
        return fake_copy(fake_get_of(device, key), buffer, length);       \
    }
#define NUMBER(function, key, policy)                       \
    EXPORT int function(device_t device, unsigned *value)   \
    {                                                       \
        ENTER(device, policy);                              \
        return fake_unsigned_of(device, key, value);        \
    }

TEXT(nvmlDeviceGetName, "name", STILL_KNOWN)
TEXT(nvmlDeviceGetUUID, "uuid", STILL_KNOWN)
TEXT(nvmlDeviceGetSerial, "serial", NEEDS_GPU)
TEXT(nvmlDeviceGetVbiosVersion, "vbios", NEEDS_GPU)
NUMBER(nvmlDeviceGetMinorNumber, "minor", STILL_KNOWN)
NUMBER(nvmlDeviceGetBrand, "brand", NEEDS_GPU)
NUMBER(nvmlDeviceGetArchitecture, "architecture", NEEDS_GPU)
NUMBER(nvmlDeviceGetPersistenceMode, "persistence", NEEDS_GPU)
NUMBER(nvmlDeviceGetComputeMode, "compute_mode", NEEDS_GPU)
NUMBER(nvmlDeviceGetDisplayActive, "display_active", NEEDS_GPU)
NUMBER(nvmlDeviceGetDisplayMode, "display_active", NEEDS_GPU)
NUMBER(nvmlDeviceGetVirtualizationMode, "virtualization_mode", NEEDS_GPU)
NUMBER(nvmlDeviceGetMaxMigDeviceCount, "mig_max", NEEDS_GPU)
NUMBER(nvmlDeviceGetGpuInstanceId, "gpu_instance_id", NEEDS_GPU)
NUMBER(nvmlDeviceGetComputeInstanceId, "compute_instance_id", NEEDS_GPU)
NUMBER(nvmlDeviceGetRetiredPagesPendingStatus, "retired.pending", NEEDS_GPU)

/* The one text function without a length: its buffer has 64 bytes. */
EXPORT int nvmlDeviceGetGspFirmwareVersion(device_t device, char *version)
{
    ENTER(device, NEEDS_GPU);
    return fake_copy(fake_get_of(device, "gsp_firmware"), version, 64);
}

EXPORT int nvmlDeviceGetGspFirmwareMode(device_t device, unsigned *enabled, unsigned *by_default)
{
    ENTER(device, NEEDS_GPU);
    if (!enabled || !by_default) return INVALID_ARGUMENT;
    *enabled = *by_default = fake_get_of(device, "gsp_firmware") != NULL;
    return OK;
}

EXPORT int nvmlDeviceGetIndex(device_t device, unsigned *index)
{
    ENTER(device, STILL_KNOWN);
    *index = (unsigned)(device->mig < 0 ? device->gpu : device->mig);
    return OK;
}

EXPORT int nvmlDeviceGetCudaComputeCapability(device_t device, int *major, int *minor)
{
    ENTER(device, NEEDS_GPU);
    const char *value = fake_get_of(device, "compute_capability");
    if (!value) return NOT_SUPPORTED;
    return sscanf(value, "%d.%d", major, minor) == 2 ? OK : UNKNOWN;
}

/* --- PCI --------------------------------------------------------------------------------------------------------------- */

struct pci_info {
    char bus_id_legacy[16];
    unsigned domain, bus, device, pci_device_id, pci_subsystem_id;
    char bus_id[32];
};
struct pci_info_v2 {
    char bus_id[16];
    unsigned domain, bus, device, pci_device_id, pci_subsystem_id, reserved[4];
};

EXPORT int nvmlDeviceGetPciInfo_v3(device_t device, struct pci_info *info)
{
    ENTER(device, STILL_KNOWN);
    const char *address = fake_get_of(device, "pci_bus_id");
    if (!info) return INVALID_ARGUMENT;
    if (!address) return NOT_SUPPORTED;
    memset(info, 0, sizeof *info);
    size_t length = strlen(address);
    snprintf(info->bus_id, sizeof info->bus_id, "%s", address);
    snprintf(info->bus_id_legacy, sizeof info->bus_id_legacy, "%s", length > 12 ? address + length - 12 : address);
    if (sscanf(address, "%x:%x:%x", &info->domain, &info->bus, &info->device) != 3) return UNKNOWN;
    fake_unsigned_of(device, "pci_device_id", &info->pci_device_id);
    fake_unsigned_of(device, "pci_subsystem_id", &info->pci_subsystem_id);
    return OK;
}

EXPORT int nvmlDeviceGetPciInfo_v2(device_t device, struct pci_info_v2 *info)
{
    struct pci_info full;
    int code = info ? nvmlDeviceGetPciInfo_v3(device, &full) : INVALID_ARGUMENT;
    if (code != OK) return code;
    *info = (struct pci_info_v2){.domain = full.domain, .bus = full.bus, .device = full.device,
                                 .pci_device_id = full.pci_device_id, .pci_subsystem_id = full.pci_subsystem_id};
    memcpy(info->bus_id, full.bus_id_legacy, sizeof info->bus_id);
    return OK;
}

EXPORT int nvmlDeviceGetPciInfo(device_t device, struct pci_info_v2 *info) { return nvmlDeviceGetPciInfo_v2(device, info); }

/* --- Memory ------------------------------------------------------------------------------------------------------------ */

struct memory {
    u64 total, free, used;
};
struct memory_v2 {
    unsigned version;
    u64 total, reserved, free, used;
};

static int memory_of(device_t device, struct memory_v2 *memory)
{
    u64 total, used = 0, reserved = 0;
    int code = fake_number_of(device, device->mig < 0 ? "memory_total_mib" : "memory_mib", &total);
    if (code != OK) return code;
    fake_number_of(device, "memory_used_mib", &used);
    fake_number_of(device, "memory_reserved_mib", &reserved);
    memory->total = total * MIB;
    memory->used = used * MIB;
    memory->reserved = reserved * MIB;
    memory->free = used + reserved < total ? (total - used - reserved) * MIB : 0;
    return OK;
}

EXPORT int nvmlDeviceGetMemoryInfo(device_t device, struct memory *memory)
{
    struct memory_v2 full;
    ENTER(device, NEEDS_GPU);
    int code = memory ? memory_of(device, &full) : INVALID_ARGUMENT;
    if (code == OK) *memory = (struct memory){full.total, full.free, full.used + full.reserved};
    return code;
}

EXPORT int nvmlDeviceGetMemoryInfo_v2(device_t device, struct memory_v2 *memory)
{
    ENTER(device, NEEDS_GPU);
    if (!memory) return INVALID_ARGUMENT;
    return memory->version == (sizeof *memory | 2U << 24) ? memory_of(device, memory) : VERSION_MISMATCH;
}

EXPORT int nvmlDeviceGetEccMode(device_t device, unsigned *current, unsigned *pending)
{
    ENTER(device, NEEDS_GPU);
    int code = fake_unsigned_of(device, "ecc_current", current);
    return code == OK ? fake_unsigned_of(device, "ecc_pending", pending) : code;
}

/* type: 0 corrected, 1 uncorrected; counter: 0 volatile, 1 aggregate. */
EXPORT int nvmlDeviceGetTotalEccErrors(device_t device, unsigned type, unsigned counter, u64 *count)
{
    static const char *const keys[2][2] = {{"ecc.volatile.corrected", "ecc.aggregate.corrected"},
                                           {"ecc.volatile.uncorrected", "ecc.aggregate.uncorrected"}};
    ENTER(device, NEEDS_GPU);
    return type < 2 && counter < 2 ? fake_number_of(device, keys[type][counter], count) : INVALID_ARGUMENT;
}

enum { LOCATION_DRAM = 2 };

EXPORT int nvmlDeviceGetMemoryErrorCounter(device_t device, unsigned type, unsigned counter, unsigned location, u64 *count)
{
    int code = nvmlDeviceGetTotalEccErrors(device, type, counter, count);
    if (code == OK && location != LOCATION_DRAM) *count = 0;
    return code;
}

EXPORT int nvmlDeviceGetRemappedRows(device_t device, unsigned *corrected, unsigned *uncorrected, unsigned *pending, unsigned *failure)
{
    ENTER(device, NEEDS_GPU);
    int code = fake_unsigned_of(device, "remapped.corrected", corrected);
    if (code == OK) code = fake_unsigned_of(device, "remapped.uncorrected", uncorrected);
    if (code == OK) code = fake_unsigned_of(device, "remapped.pending", pending);
    return code == OK ? fake_unsigned_of(device, "remapped.failure", failure) : code;
}

/* cause: 0 several single-bit errors, 1 a double-bit error. */
EXPORT int nvmlDeviceGetRetiredPages_v2(device_t device, unsigned cause, unsigned *count, u64 *addresses, u64 *times)
{
    unsigned pages, room = count ? *count : 0;
    ENTER(device, NEEDS_GPU);
    if (!count || cause > 1) return INVALID_ARGUMENT;
    int code = fake_unsigned_of(device, cause ? "retired.double_bit" : "retired.single_bit", &pages);
    if (code != OK) return code;
    *count = pages;
    if (pages > room) return INSUFFICIENT_SIZE;
    for (unsigned i = 0; i < pages; i++) {
        if (addresses) addresses[i] = 0;
        if (times) times[i] = 0;
    }
    return OK;
}

EXPORT int nvmlDeviceGetRetiredPages(device_t device, unsigned cause, unsigned *count, u64 *addresses)
{
    return nvmlDeviceGetRetiredPages_v2(device, cause, count, addresses, NULL);
}

/* --- MIG --------------------------------------------------------------------------------------------------------------- */

struct attributes {
    unsigned multiprocessors, copy_engines, decoders, encoders, jpegs, ofas, gpu_slices, compute_slices;
    u64 memory_mb;
};

EXPORT int nvmlDeviceGetMigMode(device_t device, unsigned *current, unsigned *pending)
{
    ENTER(device, NEEDS_GPU);
    int code = fake_unsigned_of(device, "mig_current", current);
    return code == OK ? fake_unsigned_of(device, "mig_pending", pending) : code;
}

EXPORT int nvmlDeviceGetMigDeviceHandleByIndex(device_t device, unsigned index, device_t *mig)
{
    u64 count = 0;
    ENTER(device, NEEDS_GPU);
    if (!mig) return INVALID_ARGUMENT;
    if (!fake_get_of(device, "mig_current")) return NOT_SUPPORTED;
    fake_number_of(device, "mig.count", &count);
    if (index >= count || index >= MAX_MIG) return NOT_FOUND;
    *mig = fake_device(device->gpu, (int)index);
    return OK;
}

EXPORT int nvmlDeviceIsMigDeviceHandle(device_t device, unsigned *is_mig)
{
    ENTER(device, STILL_KNOWN);
    *is_mig = device->mig >= 0;
    return OK;
}

EXPORT int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(device_t device, device_t *parent)
{
    ENTER(device, STILL_KNOWN);
    if (device->mig < 0) return INVALID_ARGUMENT;
    *parent = fake_device(device->gpu, -1);
    return OK;
}

EXPORT int nvmlDeviceGetAttributes_v2(device_t device, struct attributes *attributes)
{
    ENTER(device, NEEDS_GPU);
    if (!attributes) return INVALID_ARGUMENT;
    memset(attributes, 0, sizeof *attributes);
    int code = device->mig < 0 ? NOT_SUPPORTED : fake_unsigned_of(device, "slices", &attributes->gpu_slices);
    attributes->compute_slices = attributes->gpu_slices;
    return code == OK ? fake_number_of(device, "memory_mib", &attributes->memory_mb) : code;
}
