/* The NVIDIA driver: one device, whose compute capability a test may choose. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static int number(const char *name, int otherwise) {
    const char *value = getenv(name);
    return value ? atoi(value) : otherwise;
}

int cuInit(unsigned flags) { return number("STAND_IN_NO_DRIVER", 0) ? 999 : 0; }
int cuDeviceGetCount(int *n) { *n = 1; return 0; }
int cuDriverGetVersion(int *version) { *version = 13000; return 0; }
int cuDeviceGet(int *device, int index) { *device = index; return 0; }
int cuDeviceGetName(char *name, int length, int device) {
    strncpy(name, "Stand-in", length);
    return 0;
}
int cuDeviceTotalMem_v2(size_t *bytes, int device) { *bytes = 80ull << 30; return 0; }
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    int capability = number("STAND_IN_CAPABILITY", 90);
    /* 75 and 76 are the major and the minor version of the compute capability. */
    *value = attribute == 75 ? capability / 10 : attribute == 76 ? capability % 10 : 0;
    return 0;
}
