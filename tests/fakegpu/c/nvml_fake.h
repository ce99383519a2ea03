/* Copyright (c) 2026 gpufleet contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A stand-in for libnvidia-ml.so.1 that answers from a text file; ../README.md describes the file. Types have the layout of
 * NVML's public interface (https://docs.nvidia.com/deploy/nvml-api/, checked against nvidia-ml-py 13). */
#ifndef NVML_FAKE_H
#define NVML_FAKE_H

#include <stddef.h>

enum {
    OK = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NO_PERMISSION = 4, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7,
    DRIVER_NOT_LOADED = 9, GPU_IS_LOST = 15, LIBRARY_MISMATCH = 18, VERSION_MISMATCH = 25, UNKNOWN = 999
};
enum { MAX_GPUS = 64, MAX_MIG = 16, KEY_SIZE = 128, MIB = 1 << 20 };

typedef unsigned long long u64;

/* A handle of NVML points to one of these: a GPU (mig < 0) or one of its MIG instances. */
struct device {
    int gpu;
    int mig;
};
typedef const struct device *device_t;

#define EXPORT __attribute__((visibility("default")))

/* How an entry point begins. STILL_KNOWN queries go on answering where the GPU is lost. */
enum { NEEDS_GPU = 0, STILL_KNOWN = 1 };
#define ENTER_SYSTEM()                                   \
    do {                                                 \
        int code_ = fake_enter(__func__);                \
        if (code_ != OK) return code_;                   \
    } while (0)
#define ENTER(device, policy)                                     \
    do {                                                          \
        int code_ = fake_enter_device(__func__, device, policy);  \
        if (code_ != OK) return code_;                            \
    } while (0)

/* config.c: values of the file; NULL or NOT_SUPPORTED where a key is absent. */
int fake_load(void);
const char *fake_get(const char *key);
int fake_number(const char *key, u64 *value);
int fake_copy(const char *value, char *buffer, unsigned length);
const char *fake_get_of(device_t device, const char *key);
int fake_number_of(device_t device, const char *key, u64 *value);
int fake_unsigned_of(device_t device, const char *key, unsigned *value);

/* system.c */
int fake_enter(const char *function);
int fake_enter_device(const char *function, device_t device, int policy);
device_t fake_device(int gpu, int mig);
int fake_count(void);

#endif
