/* Copyright (c) 2026 gpufleet contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The text file behind the fake library: `key=value` lines, sorted once, found by bisection. */
#include "nvml_fake.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char DEFAULT_PATH[] = "/etc/fakegpu/nvml.conf";
static const size_t LARGEST_FILE = 1 << 22;

struct entry {
    const char *key, *value;
};
static struct entry *entries;
static size_t entry_count;
static char *text;

static int compare(const void *left, const void *right)
{
    return strcmp(((const struct entry *)left)->key, ((const struct entry *)right)->key);
}

static char *trim(char *from)
{
    while (isspace((unsigned char)*from)) from++;
    char *end = from + strlen(from);
    while (end > from && isspace((unsigned char)end[-1])) *--end = 0;
    return from;
}

static char *read_all(FILE *file)
{
    char *buffer = malloc(LARGEST_FILE + 1);
    size_t size = buffer ? fread(buffer, 1, LARGEST_FILE, file) : 0;
    if (buffer) buffer[size] = 0;
    return buffer;
}

static size_t lines_of(const char *from)
{
    size_t count = 1;
    for (; *from; from++) count += *from == '\n';
    return count;
}

/* Read the file anew: a test may have written another one since the last nvmlInit. */
int fake_load(void)
{
    const char *path = getenv("FAKEGPU_NVML_CONF");
    FILE *file = fopen(path ? path : DEFAULT_PATH, "r");
    if (!file) return DRIVER_NOT_LOADED;
    free(text);
    free(entries);
    text = read_all(file);
    fclose(file);
    entries = text ? calloc(lines_of(text), sizeof *entries) : NULL;
    entry_count = 0;
    if (!entries) return UNKNOWN;
    for (char *line = text, *next; line; line = next) {
        next = strchr(line, '\n');
        if (next) *next++ = 0;
        char *equals = strchr(line, '=');
        if (*trim(line) == '#' || !equals) continue;
        *equals = 0;
        entries[entry_count++] = (struct entry){trim(line), trim(equals + 1)};
    }
    qsort(entries, entry_count, sizeof *entries, compare);
    return OK;
}

const char *fake_get(const char *key)
{
    struct entry wanted = {key, NULL};
    struct entry *found = entry_count ? bsearch(&wanted, entries, entry_count, sizeof *entries, compare) : NULL;
    return found ? found->value : NULL;
}

static int parse(const char *value, u64 *out)
{
    char *end;
    if (!value || !*value) return NOT_SUPPORTED;
    u64 number = strtoull(value, &end, value[0] == '0' && (value[1] | 32) == 'x' ? 16 : 10);
    if (*end) return UNKNOWN;
    *out = number;
    return OK;
}

int fake_number(const char *key, u64 *value)
{
    return parse(fake_get(key), value);
}

/* What every NVML function with a text buffer does: all of it, with its zero, or INSUFFICIENT_SIZE. */
int fake_copy(const char *value, char *buffer, unsigned length)
{
    if (!buffer) return INVALID_ARGUMENT;
    if (!value) return NOT_SUPPORTED;
    if (strlen(value) >= length) return INSUFFICIENT_SIZE;
    strcpy(buffer, value);
    return OK;
}

const char *fake_get_of(device_t device, const char *key)
{
    char full[KEY_SIZE];
    if (device->mig < 0)
        snprintf(full, sizeof full, "gpu.%d.%s", device->gpu, key);
    else
        snprintf(full, sizeof full, "gpu.%d.mig.%d.%s", device->gpu, device->mig, key);
    return fake_get(full);
}

int fake_number_of(device_t device, const char *key, u64 *value)
{
    return value ? parse(fake_get_of(device, key), value) : INVALID_ARGUMENT;
}

int fake_unsigned_of(device_t device, const char *key, unsigned *value)
{
    u64 wide;
    if (!value) return INVALID_ARGUMENT;
    int code = fake_number_of(device, key, &wide);
    if (code == OK) *value = (unsigned)wide;
    return code;
}
