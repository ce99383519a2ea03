/* Copyright (c) 2026 gpufleet contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A stand-in for the amdgpu driver behind /dev/kfd and /dev/dri/renderD*, preloaded into programs that use AMD's own, real
 * runtime (libhsakmt, libhsa-runtime64). It answers as much of the kernel's interface (linux/kfd_ioctl.h, drm/amdgpu_drm.h) as
 * the runtime needs to start and describe its agents; what the agents are, the runtime reads from /sys. Nothing computes.
 * A device whose file may not be opened stays closed, so the runtime's refusals are real as well. */
#define _GNU_SOURCE
#include <drm/amdgpu_drm.h>
#include <drm/drm.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/kfd_ioctl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

enum device { NONE, KFD, RENDER };
enum { DRM_MAJOR = 226, AMDGPU_INTERFACE = 57 }; /* of Linux 6.8 */
static const char RENDER_PATH[] = "/dev/dri/renderD";
static const off_t ROOM = 1L << 46; /* of the sparse file that stands for a device's memory */

/* An open device is a memory file whose name says what it is, so that copies of its descriptor are known as well. */
static enum device device_of(int descriptor, int *minor)
{
    char link[64], target[128];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    long length = syscall(SYS_readlinkat, AT_FDCWD, link, target, sizeof target - 1);
    if (length <= 0) return NONE;
    target[length] = 0;
    if (!strncmp(target, "/memfd:fake-kfd", 15)) return KFD;
    if (strncmp(target, "/memfd:fake-drm", 15) != 0) return NONE;
    if (minor) *minor = atoi(target + 15);
    return RENDER;
}

/* 0 where the path is no device of ours. */
static int open_device(const char *path, int *descriptor)
{
    char name[64] = "fake-kfd";
    int render = !strncmp(path, RENDER_PATH, sizeof RENDER_PATH - 1);
    if (!render && strcmp(path, "/dev/kfd") != 0) return 0;
    *descriptor = -1;
    if (access(path, R_OK | W_OK) != 0) return 1;
    if (render) snprintf(name, sizeof name, "fake-drm%s", path + sizeof RENDER_PATH - 1);
    *descriptor = memfd_create(name, MFD_CLOEXEC);
    if (*descriptor >= 0 && ftruncate(*descriptor, ROOM) != 0) perror(path);
    return 1;
}

#define OPEN(function)                                                              \
    EXPORT int function(const char *path, int flags, ...)                           \
    {                                                                               \
        int descriptor;                                                             \
        va_list rest;                                                               \
        va_start(rest, flags);                                                      \
        unsigned mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, unsigned) : 0; \
        va_end(rest);                                                               \
        if (open_device(path, &descriptor)) return descriptor;                      \
        return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);               \
    }
OPEN(open)
#undef open64
OPEN(open64)

/* libdrm finds a device's folder in /sys by its number. */
EXPORT int fstat(int descriptor, struct stat *status)
{
    int minor = 0, code = (int)syscall(SYS_fstat, descriptor, status);
    if (code == 0 && device_of(descriptor, &minor) == RENDER) {
        status->st_mode = S_IFCHR | 0660;
        status->st_rdev = makedev(DRM_MAJOR, (unsigned)minor);
    }
    return code;
}

/* --- /dev/kfd ---------------------------------------------------------------------------------------------------------- */

static unsigned gpu_id_of(const char *path)
{
    unsigned id = 0;
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    if (fscanf(file, "%u", &id) != 1) id = 0;
    fclose(file);
    return id;
}

/* Address ranges as the kernel gives them to GFX9 and later (kfd_flat_memory.c). */
static void apertures(struct kfd_ioctl_get_process_apertures_new_args *asked)
{
    struct kfd_process_device_apertures *out = (void *)asked->kfd_process_device_apertures_ptr;
    glob_t found;
    unsigned count = 0;
    glob("/sys/class/kfd/kfd/topology/nodes/*/gpu_id", 0, NULL, &found);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        unsigned id = gpu_id_of(found.gl_pathv[i]);
        if (!id) continue;
        if (out && count < asked->num_of_nodes)
            out[count] = (struct kfd_process_device_apertures){
                .lds_base = 1UL << 48, .lds_limit = (1UL << 48) + 0xffffffff, .scratch_base = 1UL << 49,
                .scratch_limit = (1UL << 49) + 0xffffffff, .gpuvm_base = 0x4000, .gpuvm_limit = (1UL << 47) - 1, .gpu_id = id};
        count++;
    }
    asked->num_of_nodes = count;
    globfree(&found);
}

/* No GPU ever sends an event; the only ones are those that the runtime sends to itself, to end its own threads. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t announced = PTHREAD_COND_INITIALIZER;
static unsigned long announcements;

static void announce_event(void)
{
    pthread_mutex_lock(&lock);
    announcements++;
    pthread_cond_broadcast(&announced);
    pthread_mutex_unlock(&lock);
}

static void wait_for_event(struct kfd_ioctl_wait_events_args *asked)
{
    static _Thread_local unsigned long seen;
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 1; /* the runtime looks again by itself */
    pthread_mutex_lock(&lock);
    while (seen == announcements && pthread_cond_timedwait(&announced, &lock, &until) == 0) continue;
    asked->wait_result = seen == announcements ? KFD_IOC_WAIT_RESULT_TIMEOUT : KFD_IOC_WAIT_RESULT_COMPLETE;
    seen = announcements;
    pthread_mutex_unlock(&lock);
}

static int kfd(unsigned long request, void *argument)
{
    static unsigned long handles;
    static unsigned events;
    if (request == AMDKFD_IOC_GET_VERSION) {
        *(struct kfd_ioctl_get_version_args *)argument = (struct kfd_ioctl_get_version_args){1, 14};
    } else if (request == AMDKFD_IOC_GET_PROCESS_APERTURES_NEW) {
        apertures(argument);
    } else if (request == AMDKFD_IOC_ALLOC_MEMORY_OF_GPU) {
        struct kfd_ioctl_alloc_memory_of_gpu_args *memory = argument;
        memory->handle = ++handles;
        memory->mmap_offset = handles << 24;
    } else if (request == AMDKFD_IOC_CREATE_EVENT) {
        struct kfd_ioctl_create_event_args *event = argument;
        event->event_id = event->event_slot_index = event->event_trigger_data = ++events;
        event->event_page_offset = 1UL << 40;
    } else if (request == AMDKFD_IOC_GET_CLOCK_COUNTERS) {
        ((struct kfd_ioctl_get_clock_counters_args *)argument)->system_clock_freq = 1000000000;
    } else if (request == AMDKFD_IOC_WAIT_EVENTS) {
        wait_for_event(argument);
    } else if (request == AMDKFD_IOC_SET_EVENT || request == AMDKFD_IOC_DESTROY_EVENT) {
        announce_event();
    }
    return 0; /* everything else succeeds and changes nothing */
}

/* --- /dev/dri/renderD* ------------------------------------------------------------------------------------------------- */

static unsigned device_id_of(int minor)
{
    char path[96];
    unsigned id = 0;
    snprintf(path, sizeof path, "/sys/dev/char/%d:%d/device/device", DRM_MAJOR, minor);
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    if (fscanf(file, "%x", &id) != 1) id = 0;
    fclose(file);
    return id;
}

static void version(struct drm_version *out)
{
    out->version_major = 3;
    out->version_minor = AMDGPU_INTERFACE;
    if (out->name && out->name_len >= 6) memcpy(out->name, "amdgpu", 6);
    out->name_len = 6;
    out->date_len = out->desc_len = 0;
}

static void information(int minor, struct drm_amdgpu_info *asked)
{
    void *answer = (void *)asked->return_pointer;
    memset(answer, 0, asked->return_size);
    if (asked->query == AMDGPU_INFO_ACCEL_WORKING) memset(answer, 1, 1);
    if (asked->query != AMDGPU_INFO_DEV_INFO) return;
    struct drm_amdgpu_info_device about = {
        .device_id = device_id_of(minor), .virtual_address_offset = 1 << 21, .virtual_address_max = 1UL << 47,
        .virtual_address_alignment = 4096, .pte_fragment_size = 1 << 21, .gart_page_size = 4096,
        .high_va_offset = 0xffff800000000000, .high_va_max = 0xffffffffffe00000};
    memcpy(answer, &about, asked->return_size < sizeof about ? asked->return_size : sizeof about);
}

static int render(int minor, unsigned long request, void *argument)
{
    if (request == DRM_IOCTL_VERSION) version(argument);
    if (request == DRM_IOCTL_GET_CLIENT) ((struct drm_client *)argument)->auth = 1;
    if (_IOC_NR(request) == DRM_COMMAND_BASE + DRM_AMDGPU_INFO) information(minor, argument);
    return 0;
}

EXPORT int ioctl(int descriptor, unsigned long request, ...)
{
    int minor = 0;
    va_list rest;
    va_start(rest, request);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    switch (device_of(descriptor, &minor)) {
    case KFD: return kfd(request, argument);
    case RENDER: return render(minor, request, argument);
    default: return (int)syscall(SYS_ioctl, descriptor, request, argument);
    }
}
