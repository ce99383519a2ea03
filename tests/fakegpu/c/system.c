/* Copyright (c) 2026 gpufleet contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Start, end, versions, error texts and handles. */
#include "nvml_fake.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static struct device devices[MAX_GPUS][MAX_MIG + 1];
static int users;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Troubles on request: sleep in a file that never answers, or die of SIGSEGV. */
static void trouble(const char *function)
{
    const char *crash = fake_get("crash_in"), *hang = fake_get("hang_in"), *file = fake_get("hang_file");
    if (crash && !strcmp(crash, function)) raise(SIGSEGV);
    if (hang && file && !strcmp(hang, function)) {
        char byte;
        int descriptor = open(file, O_RDONLY);
        if (descriptor >= 0) {
            if (read(descriptor, &byte, 1) < 0) perror(file);
            close(descriptor);
        }
    }
}

int fake_enter(const char *function)
{
    if (!users) return UNINITIALIZED;
    trouble(function);
    return OK;
}

int fake_enter_device(const char *function, device_t device, int policy)
{
    u64 lost = 0;
    int code = fake_enter(function);
    if (code != OK) return code;
    if (device < &devices[0][0] || device > &devices[MAX_GPUS - 1][MAX_MIG] || device->gpu >= fake_count()) return INVALID_ARGUMENT;
    if (policy == NEEDS_GPU && fake_number_of(fake_device(device->gpu, -1), "lost", &lost) == OK && lost) return GPU_IS_LOST;
    return OK;
}

device_t fake_device(int gpu, int mig)
{
    struct device *device = &devices[gpu][mig + 1];
    device->gpu = gpu;
    device->mig = mig;
    return device;
}

int fake_count(void)
{
    u64 count = 0;
    fake_number("count", &count);
    return count > MAX_GPUS ? MAX_GPUS : (int)count;
}

/* Whether the driver's own library, which this one stands before, is of another version than the module. */
static int library_differs(void)
{
    const char *link = fake_get("library"), *driver = fake_get("driver_version");
    char path[PATH_MAX];
    const char *version = link && driver && realpath(link, path) ? strstr(path, ".so.") : NULL;
    return version && strcmp(version + strlen(".so."), driver) != 0;
}

EXPORT int nvmlInitWithFlags(unsigned flags)
{
    u64 error = OK;
    (void)flags;
    pthread_mutex_lock(&lock);
    int code = users ? OK : fake_load();
    if (code == OK) {
        trouble("nvmlInit_v2");
        if (library_differs()) error = LIBRARY_MISMATCH;
        fake_number("init_error", &error);
        code = (int)error;
    }
    users += code == OK;
    pthread_mutex_unlock(&lock);
    return code;
}

EXPORT int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
EXPORT int nvmlInit(void) { return nvmlInitWithFlags(0); }

EXPORT int nvmlShutdown(void)
{
    ENTER_SYSTEM();
    users--;
    return OK;
}

EXPORT const char *nvmlErrorString(int code)
{
    static const char *const texts[] = {
        "Success", "Uninitialized", "Invalid Argument", "Not Supported", "Insufficient Permissions", "Already Initialized",
        "Not Found", "Insufficient Size", "Insufficient External Power", "Driver Not Loaded", "Timeout", "Interrupt Request Issue",
        "NVML Shared Library Not Found", "Function Not Found", "Corrupted infoROM", "GPU is lost", "GPU requires reset",
        "The operating system has blocked the request.", "Driver/library version mismatch", "In use by another client",
        "Insufficient Memory", "No data", "The requested vgpu operation is not available on target device, because ECC is enabled",
        "Insufficient Resources", "Frequency not supported", "Argument version mismatch", "Deprecated", "Not ready", "GPU not found",
        "Invalid state", "Reset type not supported"};
    return code >= 0 && code < (int)(sizeof texts / sizeof *texts) ? texts[code] : "Unknown Error";
}

EXPORT int nvmlSystemGetDriverVersion(char *version, unsigned length)
{
    ENTER_SYSTEM();
    return fake_copy(fake_get("driver_version"), version, length);
}

EXPORT int nvmlSystemGetNVMLVersion(char *version, unsigned length)
{
    ENTER_SYSTEM();
    return fake_copy(fake_get("nvml_version"), version, length);
}

EXPORT int nvmlSystemGetCudaDriverVersion_v2(int *version)
{
    u64 value;
    ENTER_SYSTEM();
    if (!version) return INVALID_ARGUMENT;
    int code = fake_number("cuda_driver_version", &value);
    if (code == OK) *version = (int)value;
    return code;
}

EXPORT int nvmlSystemGetCudaDriverVersion(int *version) { return nvmlSystemGetCudaDriverVersion_v2(version); }

EXPORT int nvmlDeviceGetCount_v2(unsigned *count)
{
    ENTER_SYSTEM();
    if (!count) return INVALID_ARGUMENT;
    *count = (unsigned)fake_count();
    return OK;
}

EXPORT int nvmlDeviceGetCount(unsigned *count) { return nvmlDeviceGetCount_v2(count); }
EXPORT int nvmlUnitGetCount(unsigned *count)
{
    ENTER_SYSTEM();
    *count = 0;
    return OK;
}

static int hand_out(int gpu, int mig, device_t *device)
{
    u64 error = OK;
    fake_number_of(fake_device(gpu, -1), "handle_error", &error);
    if (error == OK) *device = fake_device(gpu, mig);
    return (int)error;
}

EXPORT int nvmlDeviceGetHandleByIndex_v2(unsigned index, device_t *device)
{
    ENTER_SYSTEM();
    if (!device || index >= (unsigned)fake_count()) return INVALID_ARGUMENT;
    return hand_out((int)index, -1, device);
}

EXPORT int nvmlDeviceGetHandleByIndex(unsigned index, device_t *device) { return nvmlDeviceGetHandleByIndex_v2(index, device); }

/* The GPU whose key has a value, compared from its end: 0000:1A:00.0 is 00000000:1a:00.0. */
static int find(const char *key, const char *value, device_t *device)
{
    if (!device || !value) return INVALID_ARGUMENT;
    for (int gpu = 0; gpu < fake_count(); gpu++) {
        const char *has = fake_get_of(fake_device(gpu, -1), key);
        size_t mine = has ? strlen(has) : 0, asked = strlen(value), common = mine < asked ? mine : asked;
        if (common && !strcasecmp(has + mine - common, value + asked - common)) return hand_out(gpu, -1, device);
    }
    return NOT_FOUND;
}

EXPORT int nvmlDeviceGetHandleByPciBusId_v2(const char *address, device_t *device)
{
    ENTER_SYSTEM();
    return find("pci_bus_id", address, device);
}

EXPORT int nvmlDeviceGetHandleByPciBusId(const char *address, device_t *device)
{
    return nvmlDeviceGetHandleByPciBusId_v2(address, device);
}

EXPORT int nvmlDeviceGetHandleBySerial(const char *serial, device_t *device)
{
    ENTER_SYSTEM();
    return find("serial", serial, device);
}

EXPORT int nvmlDeviceGetHandleByUUID(const char *uuid, device_t *device)
{
    ENTER_SYSTEM();
    for (int gpu = 0; device && uuid && gpu < fake_count(); gpu++)
        for (int mig = 0; mig < MAX_MIG; mig++) {
            const char *has = fake_get_of(fake_device(gpu, mig), "uuid");
            if (has && !strcmp(has, uuid)) return hand_out(gpu, mig, device);
        }
    return find("uuid", uuid, device);
}
