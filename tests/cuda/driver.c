/* Stands in for libcuda.so.1 and libnvidia-ml.so.1 on a machine without a GPU: it answers what a driver is asked before anything is
   computed, as the variables DRIVER_ERROR (of cuInit), DRIVER_VERSION, DRIVER_GPUS (how many) and DRIVER_CAPABILITY (10 times) say.
   Memory and kernels it does not have: all of that fails.

       gcc -shared -fPIC tests/cuda/driver.c -o DIR/libcuda.so.1 && ln -s libcuda.so.1 DIR/libnvidia-ml.so.1 */
#include <stdlib.h>
#include <string.h>

static int number(const char *name, int otherwise) {
    const char *text = getenv(name);
    return text ? atoi(text) : otherwise;
}
static int gpus(void) { return number("DRIVER_GPUS", 1); }

int cuInit(unsigned flags) { return number("DRIVER_ERROR", 0); }
int cuDriverGetVersion(int *version) { *version = number("DRIVER_VERSION", 12020); return 0; }
int cuDeviceGetCount(int *count) { *count = gpus(); return 0; }
int cuDeviceGet(int *device, int index) { *device = index; return index < gpus() ? 0 : 101; }
int cuDeviceGetName(char *name, int length, int device) { strncpy(name, "Pretend GPU", length); return 0; }
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    int capability = number("DRIVER_CAPABILITY", 80);
    *value = attribute == 75 ? capability / 10 : attribute == 76 ? capability % 10 : 0;
    return 0;
}
int cuGetErrorName(int error, const char **text) { *text = error == 100 ? "CUDA_ERROR_NO_DEVICE" : "CUDA_ERROR_OTHER"; return 0; }
int cuGetErrorString(int error, const char **text) {
    *text = error == 100 ? "no CUDA-capable device is detected" : "something else";
    return 0;
}

#define MISSING(name) int name(void) { return 999; }
MISSING(cuCtxSetCurrent)
MISSING(cuDevicePrimaryCtxRetain)
MISSING(cuMemAddressFree)
MISSING(cuMemAddressReserve)
MISSING(cuMemCreate)
MISSING(cuMemGetAllocationGranularity)
MISSING(cuMemMap)
MISSING(cuMemRelease)
MISSING(cuMemSetAccess)
MISSING(cuMemUnmap)

int nvmlInitWithFlags(unsigned flags) { return 0; }
int nvmlInit_v2(void) { return 0; }
int nvmlShutdown(void) { return 0; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = gpus(); return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) { *handle = handle; return (int)index < gpus() ? 0 : 2; }
int nvmlDeviceGetName(void *handle, char *name, unsigned length) { strncpy(name, "Pretend GPU", length); return 0; }
const char *nvmlErrorString(int error) { return error == 2 ? "Invalid Argument" : "something else"; }
