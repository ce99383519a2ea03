/* Copyright (c) 2026 gpufleet contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a card does: power, heat, clocks, links, processes, field values. */
#include "nvml_fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER(function, key)                               \
    EXPORT int function(device_t device, unsigned *value)   \
    {                                                       \
        ENTER(device, NEEDS_GPU);                           \
        return fake_unsigned_of(device, key, value);        \
    }
#define WIDE(function, key)                            \
    EXPORT int function(device_t device, u64 *value)   \
    {                                                  \
        ENTER(device, NEEDS_GPU);                      \
        return fake_number_of(device, key, value);     \
    }

NUMBER(nvmlDeviceGetPowerManagementLimit, "power_limit_mw")
NUMBER(nvmlDeviceGetEnforcedPowerLimit, "power_limit_mw")
NUMBER(nvmlDeviceGetPowerManagementDefaultLimit, "power_default_mw")
NUMBER(nvmlDeviceGetPowerUsage, "power_draw_mw")
NUMBER(nvmlDeviceGetFanSpeed, "fan_percent")
NUMBER(nvmlDeviceGetPerformanceState, "pstate")
NUMBER(nvmlDeviceGetPowerState, "pstate")
NUMBER(nvmlDeviceGetCurrPcieLinkGeneration, "pcie.gen_current")
NUMBER(nvmlDeviceGetMaxPcieLinkGeneration, "pcie.gen_max")
NUMBER(nvmlDeviceGetGpuMaxPcieLinkGeneration, "pcie.gen_device_max")
NUMBER(nvmlDeviceGetCurrPcieLinkWidth, "pcie.width_current")
NUMBER(nvmlDeviceGetMaxPcieLinkWidth, "pcie.width_max")
NUMBER(nvmlDeviceGetPcieReplayCounter, "pcie.replays")
WIDE(nvmlDeviceGetCurrentClocksEventReasons, "throttle_reasons")
WIDE(nvmlDeviceGetCurrentClocksThrottleReasons, "throttle_reasons")

EXPORT int nvmlDeviceGetPowerManagementLimitConstraints(device_t device, unsigned *lowest, unsigned *highest)
{
    ENTER(device, NEEDS_GPU);
    int code = fake_unsigned_of(device, "power_min_mw", lowest);
    return code == OK ? fake_unsigned_of(device, "power_max_mw", highest) : code;
}

struct utilization {
    unsigned gpu, memory;
};

EXPORT int nvmlDeviceGetUtilizationRates(device_t device, struct utilization *rates)
{
    ENTER(device, NEEDS_GPU);
    if (!rates) return INVALID_ARGUMENT;
    int code = fake_unsigned_of(device, "utilization.gpu", &rates->gpu);
    return code == OK ? fake_unsigned_of(device, "utilization.memory", &rates->memory) : code;
}

/* --- Heat and clocks --------------------------------------------------------------------------------------------------- */

struct temperature {
    unsigned version, sensor;
    int celsius;
};

EXPORT int nvmlDeviceGetTemperature(device_t device, unsigned sensor, unsigned *celsius)
{
    ENTER(device, NEEDS_GPU);
    return sensor ? INVALID_ARGUMENT : fake_unsigned_of(device, "temperature", celsius);
}

EXPORT int nvmlDeviceGetTemperatureV(device_t device, struct temperature *reading)
{
    if (!reading) return INVALID_ARGUMENT;
    if (reading->version != (sizeof *reading | 1U << 24)) return VERSION_MISMATCH;
    return nvmlDeviceGetTemperature(device, reading->sensor, (unsigned *)&reading->celsius);
}

EXPORT int nvmlDeviceGetTemperatureThreshold(device_t device, unsigned threshold, unsigned *celsius)
{
    static const char *const keys[] = {"temperature_shutdown", "temperature_slowdown"};
    ENTER(device, NEEDS_GPU);
    return threshold < 2 ? fake_unsigned_of(device, keys[threshold], celsius) : NOT_SUPPORTED;
}

static int clock_of(device_t device, const char *group, unsigned type, unsigned *mhz)
{
    static const char *const names[] = {"graphics", "sm", "memory", "video"};
    char key[KEY_SIZE];
    if (type >= sizeof names / sizeof *names) return INVALID_ARGUMENT;
    snprintf(key, sizeof key, "%s.%s", group, names[type]);
    return fake_unsigned_of(device, key, mhz);
}

EXPORT int nvmlDeviceGetClockInfo(device_t device, unsigned type, unsigned *mhz)
{
    ENTER(device, NEEDS_GPU);
    return clock_of(device, "clock", type, mhz);
}

EXPORT int nvmlDeviceGetMaxClockInfo(device_t device, unsigned type, unsigned *mhz)
{
    ENTER(device, NEEDS_GPU);
    return clock_of(device, "max_clock", type, mhz);
}

/* --- NVLink and fabric ------------------------------------------------------------------------------------------------- */

EXPORT int nvmlDeviceGetNvLinkState(device_t device, unsigned link, unsigned *active)
{
    ENTER(device, NEEDS_GPU);
    const char *states = fake_get_of(device, "nvlink.states");
    if (!states) return NOT_SUPPORTED;
    if (link >= strlen(states) || !active) return INVALID_ARGUMENT;
    *active = states[link] == '1';
    return OK;
}

EXPORT int nvmlDeviceGetNvLinkVersion(device_t device, unsigned link, unsigned *version)
{
    unsigned active;
    int code = nvmlDeviceGetNvLinkState(device, link, &active);
    return code == OK ? fake_unsigned_of(device, "nvlink.version", version) : code;
}

struct fabric {
    unsigned char cluster[16];
    unsigned status, clique;
    unsigned char state;
};
/* Versions 2 and 3 begin with the version and go on behind the state. */
struct fabric_v {
    unsigned version;
    unsigned char cluster[16];
    unsigned status, clique;
    unsigned char state;
    unsigned health_mask;
    unsigned char health_summary;
};

EXPORT int nvmlDeviceGetGpuFabricInfo(device_t device, struct fabric *info)
{
    u64 value = 0;
    unsigned byte;
    ENTER(device, NEEDS_GPU);
    if (!info) return INVALID_ARGUMENT;
    memset(info, 0, sizeof *info);
    int code = fake_number_of(device, "fabric.state", &value);
    info->state = (unsigned char)value;
    fake_unsigned_of(device, "fabric.status", &info->status);
    fake_unsigned_of(device, "fabric.clique", &info->clique);
    const char *cluster = fake_get_of(device, "fabric.cluster_uuid");
    for (size_t i = 0; cluster && i < sizeof info->cluster && sscanf(cluster + 2 * i, "%2x", &byte) == 1; i++)
        info->cluster[i] = (unsigned char)byte;
    return code;
}

EXPORT int nvmlDeviceGetGpuFabricInfoV(device_t device, struct fabric_v *info)
{
    struct fabric base;
    if (!info) return INVALID_ARGUMENT;
    unsigned version = info->version;
    if (version != 0x02000024 && version != (sizeof *info | 3U << 24)) return VERSION_MISMATCH;
    int code = nvmlDeviceGetGpuFabricInfo(device, &base);
    if (code != OK) return code;
    memcpy(info->cluster, base.cluster, sizeof base.cluster);
    info->status = base.status;
    info->clique = base.clique;
    info->state = base.state;
    info->health_mask = 0;
    if (version >> 24 == 3) info->health_summary = 0;
    return OK;
}

/* --- Processes --------------------------------------------------------------------------------------------------------- */

struct process_v1 {
    unsigned pid;
    u64 memory;
};
struct process {
    unsigned pid;
    u64 memory;
    unsigned gpu_instance, compute_instance;
};

static int processes(device_t device, const char *kind, unsigned *count, struct process *out, struct process_v1 *old)
{
    u64 total = 0, pid, mib;
    char key[KEY_SIZE];
    if (!count) return INVALID_ARGUMENT;
    unsigned room = out || old ? *count : 0, found = 0;
    fake_number_of(device, "process.count", &total);
    for (unsigned i = 0; i < total; i++) {
        snprintf(key, sizeof key, "process.%u.kind", i);
        const char *is = fake_get_of(device, key);
        if (!is || strcmp(is, kind)) continue;
        snprintf(key, sizeof key, "process.%u.pid", i);
        if (fake_number_of(device, key, &pid) != OK) continue;
        snprintf(key, sizeof key, "process.%u.used_mib", i);
        u64 memory = fake_number_of(device, key, &mib) == OK ? mib * MIB : ~0ULL;
        if (found < room && out) out[found] = (struct process){(unsigned)pid, memory, ~0U, ~0U};
        if (found < room && old) old[found] = (struct process_v1){(unsigned)pid, memory};
        found++;
    }
    *count = found;
    return found > room ? INSUFFICIENT_SIZE : OK;
}

#define PROCESSES(function, kind)                                                          \
    EXPORT int function##_v3(device_t device, unsigned *count, struct process *out)        \
    {                                                                                      \
        ENTER(device, NEEDS_GPU);                                                          \
        return processes(device, kind, count, out, NULL);                                  \
    }                                                                                      \
    EXPORT int function##_v2(device_t device, unsigned *count, struct process *out)        \
    {                                                                                      \
        return function##_v3(device, count, out);                                          \
    }                                                                                      \
    EXPORT int function(device_t device, unsigned *count, struct process_v1 *out)          \
    {                                                                                      \
        ENTER(device, NEEDS_GPU);                                                          \
        return processes(device, kind, count, NULL, out);                                  \
    }
PROCESSES(nvmlDeviceGetComputeRunningProcesses, "compute")
PROCESSES(nvmlDeviceGetGraphicsRunningProcesses, "graphics")
PROCESSES(nvmlDeviceGetMPSComputeRunningProcesses, "mps")

EXPORT int nvmlSystemGetProcessName(unsigned pid, char *name, unsigned length)
{
    ENTER_SYSTEM();
    for (int gpu = 0; gpu < fake_count(); gpu++) {
        device_t device = fake_device(gpu, -1);
        u64 total = 0, has;
        char key[KEY_SIZE];
        fake_number_of(device, "process.count", &total);
        for (unsigned i = 0; i < total; i++) {
            snprintf(key, sizeof key, "process.%u.pid", i);
            if (fake_number_of(device, key, &has) != OK || has != pid) continue;
            snprintf(key, sizeof key, "process.%u.name", i);
            return fake_copy(fake_get_of(device, key), name, length);
        }
    }
    return NOT_FOUND;
}

/* --- Field values: numbers by id, each with its own answer ------------------------------------------------------------- */

struct field {
    unsigned id, scope;
    long long timestamp, latency;
    unsigned type;
    int code;
    u64 value;
};
enum { LINK_COUNT = 91 };

static int field_value(device_t device, unsigned id, u64 *value)
{
    static const struct { unsigned id; const char *key; } known[] = {
        {1, "ecc_current"}, {2, "ecc_pending"}, {31, "retired.pending"}, {82, "temperature_memory"}, {94, "pcie.replays"},
        {142, "remapped.corrected"}, {143, "remapped.uncorrected"}, {144, "remapped.pending"}, {145, "remapped.failure"},
        {185, "power_draw_mw"}, {186, "power_draw_mw"}, {190, "power_limit_mw"}, {230, "recovery_action"}};
    const char *links = fake_get_of(device, "nvlink.states");
    if (id == LINK_COUNT && links) *value = strlen(links);
    if (id == LINK_COUNT) return links ? OK : NOT_SUPPORTED;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].id == id) return fake_number_of(device, known[i].key, value);
    return NOT_SUPPORTED;
}

EXPORT int nvmlDeviceGetFieldValues(device_t device, int count, struct field *fields)
{
    enum { TYPE_UNSIGNED = 1 };
    ENTER(device, NEEDS_GPU);
    if (count < 1 || !fields) return INVALID_ARGUMENT;
    for (int i = 0; i < count; i++) {
        fields[i].value = 0;
        fields[i].type = TYPE_UNSIGNED;
        fields[i].timestamp = fields[i].latency = 0;
        fields[i].code = field_value(device, fields[i].id, &fields[i].value);
    }
    return OK;
}
