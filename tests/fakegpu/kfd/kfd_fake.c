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
#include <stdint.h>
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

static int used; /* whether this process has opened a device: every program of a host has us in it */

/* An open device is a memory file whose name says what it is, so that copies of its descriptor are known as well. */
static enum device device_of(int descriptor, int *minor)
{
    char link[64], target[128];
    if (!used) return NONE;
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
    used = 1;
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

/* --- queues ------------------------------------------------------------------------------------------------------------ */

/* Packets of compute queues are taken in their order and reported as done (HSA Runtime Specification, "Architected Queuing
 * Language"; amd_signal_t of the runtime); what they ask for does not happen. */
enum { QUEUES = 64, PACKET = 64, INVALID = 1, SIGNAL_IN_PACKET = 56 };
struct signal {
    int64_t kind, value;
    uint64_t mailbox;
    uint32_t event;
};
static struct queue {
    uint32_t id, packets;
    uint8_t *ring;
    uint64_t *written, *read;
} queues[QUEUES];
static pthread_mutex_t queue_lock = PTHREAD_MUTEX_INITIALIZER;

static void finish(uint8_t *packet)
{
    struct signal *signal = (void *)*(uint64_t *)(packet + SIGNAL_IN_PACKET);
    __atomic_store_n((uint16_t *)packet, INVALID, __ATOMIC_RELEASE);
    if (!signal) return;
    __atomic_sub_fetch(&signal->value, 1, __ATOMIC_RELEASE);
    if (!signal->mailbox) return;
    *(uint64_t *)signal->mailbox = signal->event;
    announce_event();
}

static void take(struct queue *queue)
{
    uint64_t next = __atomic_load_n(queue->read, __ATOMIC_ACQUIRE);
    while (next < __atomic_load_n(queue->written, __ATOMIC_ACQUIRE)) {
        uint8_t *packet = queue->ring + next % queue->packets * PACKET;
        if ((__atomic_load_n((uint16_t *)packet, __ATOMIC_ACQUIRE) & 0xff) == INVALID) return; /* its header comes last */
        finish(packet);
        __atomic_store_n(queue->read, ++next, __ATOMIC_RELEASE);
    }
}

static void *take_all(void *nothing)
{
    for (;;) {
        pthread_mutex_lock(&queue_lock);
        for (int i = 0; i < QUEUES; i++)
            if (queues[i].id) take(queues + i);
        pthread_mutex_unlock(&queue_lock);
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    }
    return nothing;
}

static void create_queue(struct kfd_ioctl_create_queue_args *asked)
{
    static uint32_t created;
    static pthread_t taker;
    pthread_mutex_lock(&queue_lock);
    asked->queue_id = ++created;
    for (int i = 0; asked->queue_type == KFD_IOC_QUEUE_TYPE_COMPUTE_AQL && i < QUEUES; i++) {
        if (queues[i].id) continue;
        queues[i] = (struct queue){created, asked->ring_size / PACKET, (void *)asked->ring_base_address,
                                   (void *)asked->write_pointer_address, (void *)asked->read_pointer_address};
        if (!taker) pthread_create(&taker, NULL, take_all, NULL);
        break;
    }
    pthread_mutex_unlock(&queue_lock);
}

static void destroy_queue(const struct kfd_ioctl_destroy_queue_args *asked)
{
    pthread_mutex_lock(&queue_lock);
    for (int i = 0; i < QUEUES; i++)
        if (queues[i].id == asked->queue_id) queues[i].id = 0;
    pthread_mutex_unlock(&queue_lock);
}

/* By its number alone: later kernels have longer structures under the same one. */
#define IS(known) (_IOC_NR(request) == _IOC_NR(known))

static int kfd(unsigned long request, void *argument)
{
    static unsigned long handles;
    static unsigned events;
    if (IS(AMDKFD_IOC_GET_VERSION)) {
        *(struct kfd_ioctl_get_version_args *)argument = (struct kfd_ioctl_get_version_args){1, 14};
    } else if (IS(AMDKFD_IOC_GET_PROCESS_APERTURES_NEW)) {
        apertures(argument);
    } else if (IS(AMDKFD_IOC_ALLOC_MEMORY_OF_GPU)) {
        struct kfd_ioctl_alloc_memory_of_gpu_args *memory = argument;
        memory->handle = ++handles;
        memory->mmap_offset = handles << 24;
    } else if (IS(AMDKFD_IOC_CREATE_QUEUE)) {
        create_queue(argument);
    } else if (IS(AMDKFD_IOC_DESTROY_QUEUE)) {
        destroy_queue(argument);
    } else if (IS(AMDKFD_IOC_CREATE_EVENT)) {
        struct kfd_ioctl_create_event_args *event = argument;
        event->event_id = event->event_slot_index = event->event_trigger_data = ++events;
        event->event_page_offset = 1UL << 40;
    } else if (IS(AMDKFD_IOC_GET_CLOCK_COUNTERS)) {
        ((struct kfd_ioctl_get_clock_counters_args *)argument)->system_clock_freq = 1000000000;
    } else if (IS(AMDKFD_IOC_WAIT_EVENTS)) {
        wait_for_event(argument);
    } else if (IS(AMDKFD_IOC_SET_EVENT) || IS(AMDKFD_IOC_DESTROY_EVENT)) {
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

/* What the runtime's image library takes a chip for: family (amdgpu_drm.h), and external revision and layout of memory as the kernel
 * sets them (external_rev_id of nv.c, soc15.c, soc21.c; GB_ADDR_CONFIG of the gfx block). */
static const struct chip {
    unsigned device, family, revision, layout;
} CHIPS[] = {
    {0x73bf, AMDGPU_FAMILY_NV, 0x28, 0x00000545},  /* Sienna Cichlid */
    {0x73df, AMDGPU_FAMILY_NV, 0x32, 0x00000545},  /* Navy Flounder */
    {0x66af, AMDGPU_FAMILY_AI, 0x28, 0x2a114042},  /* Vega 20 */
    {0x740f, AMDGPU_FAMILY_AI, 0x3c, 0x2a114042},  /* Aldebaran */
    {0x74a1, AMDGPU_FAMILY_AI, 0x46, 0x2a114042},  /* Aqua Vanjaram */
    {0x744c, AMDGPU_FAMILY_GC_11_0_0, 0x01, 0x00000545},
    {0x1586, 150 /* FAMILY_GC_11_5_0 of later headers */, 0xc1, 0x00000545},
};

static const struct chip *chip_of(int minor)
{
    unsigned device = device_id_of(minor);
    for (size_t i = 0; i < sizeof CHIPS / sizeof *CHIPS; i++)
        if (CHIPS[i].device == device) return CHIPS + i;
    return CHIPS;
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
    const struct chip *chip = chip_of(minor);
    if (asked->query == AMDGPU_INFO_ACCEL_WORKING) memset(answer, 1, 1);
    if (asked->query == AMDGPU_INFO_READ_MMR_REG) memcpy(answer, &chip->layout, asked->return_size < 4 ? asked->return_size : 4);
    if (asked->query != AMDGPU_INFO_DEV_INFO) return;
    struct drm_amdgpu_info_device about = {
        .device_id = device_id_of(minor), .family = chip->family, .external_rev = chip->revision, .virtual_address_offset = 1 << 21, .virtual_address_max = 1UL << 47,
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
