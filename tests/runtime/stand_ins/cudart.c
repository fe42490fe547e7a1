/* The CUDA runtime on a device that is malloc, and as late as CUDA allows.
 *
 * A copy or a kernel waits in its stream until something waits for the stream: what a program reads
 * or overwrites too early is seen to be wrong. Kernels do nothing, but for the cast of pixels.
 */
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OUT_OF_MEMORY = 2, DEVICE_LOST = 46, SPOILT = 1 << 20 };

/* Set and read by tests, by stand_in_set and stand_in_get. */
static struct {
    const char *name;
    int64_t value;
} table[] = {
    {"fail_at", -1},     /* the allocation that fails, counted down; -1: none */
    {"limit", -1},       /* bytes that the device holds; -1: no bound */
    {"lost_after", -1},  /* launches until the driver is gone; -1: it stays */
    {"free", 70ll << 30}, /* bytes that the device calls free */
    {"device_bytes", 0}, {"device_blocks", 0}, {"host_blocks", 0}, {"streams", 0},
    {"streams_made", 0}, {"host_blocks_made", 0}, {"waiting", 0},
};
enum { FAIL_AT, LIMIT, LOST_AFTER, FREE, DEVICE_BYTES, DEVICE_BLOCKS, HOST_BLOCKS, STREAMS,
       STREAMS_MADE, HOST_BLOCKS_MADE, WAITING, LENGTH };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int64_t *entry(const char *name) {
    for (int i = 0; i < LENGTH; i++)
        if (!strcmp(table[i].name, name)) return &table[i].value;
    fprintf(stderr, "no such entry: %s\n", name);
    abort();
}
void stand_in_set(const char *name, int64_t value) {
    pthread_mutex_lock(&lock);
    *entry(name) = value;
    pthread_mutex_unlock(&lock);
}
int64_t stand_in_get(const char *name) {
    pthread_mutex_lock(&lock);
    int64_t value = *entry(name);
    pthread_mutex_unlock(&lock);
    return value;
}

/* --- memory --- */

typedef struct block {
    char *start;
    size_t size;
    struct block *next;
} block;
static block *device_blocks, *host_blocks;

static void *take(block **blocks, size_t size) {
    block *made = malloc(sizeof *made);

    *made = (block){aligned_alloc(4096, (size / 4096 + 1) * 4096), size, *blocks};
    /* Fresh memory holds anything; that of large blocks is left to the host, untouched. */
    memset(made->start, 0xEE, size < SPOILT ? size : SPOILT);
    *blocks = made;
    return made->start;
}
static size_t give_back(block **blocks, const void *start) {
    for (block **at = blocks; *at; at = &(*at)->next)
        if ((*at)->start == start) {
            block *gone = *at;
            size_t size = gone->size;
            *at = gone->next;
            free(gone->start);
            free(gone);
            return size;
        }
    fprintf(stderr, "freed what was not allocated: %p\n", start);
    abort();
}
static int holds(const block *blocks, const void *pointer) {
    for (; blocks; blocks = blocks->next)
        if ((char *)pointer >= blocks->start && (char *)pointer < blocks->start + blocks->size) return 1;
    return 0;
}
static int lost(void) { return table[LOST_AFTER].value == 0 ? DEVICE_LOST : 0; }

/* --- streams --- */

typedef struct work {
    enum { COPY, SET, CAST } kind;
    void *to;
    const void *from;
    void *staged;
    size_t size;
    int value;
    struct work *next;
} work;
typedef struct stream {
    work *first, **end;
    struct stream *next;
} stream;
static stream *streams;

static void perform(const work *w) {
    if (w->kind == COPY) memmove(w->to, w->staged ? w->staged : w->from, w->size);
    if (w->kind == SET) memset(w->to, w->value, w->size);
    if (w->kind == CAST)
        for (size_t i = 0; i < w->size; i++) ((float *)w->to)[i] = ((const uint8_t *)w->from)[i];
}
static void finish(stream *s) {
    for (work *w; s && (w = s->first);) {
        perform(w);
        s->first = w->next;
        free(w->staged);
        free(w);
        table[WAITING].value--;
    }
    if (s) s->end = &s->first;
}
static void finish_all(void) {
    for (stream *s = streams; s; s = s->next) finish(s);
}
static void submit(stream *s, work w) {
    if (!s) {
        /* The default stream waits for no stream that is not blocking, as all of the provider's. */
        perform(&w);
        free(w.staged);
        return;
    }
    work *made = malloc(sizeof *made);
    *made = w;
    made->next = NULL;
    *s->end = made;
    s->end = &made->next;
    table[WAITING].value++;
}

#define LOCKED(...) \
    pthread_mutex_lock(&lock); \
    int status = lost(); \
    if (!status) { __VA_ARGS__ } \
    pthread_mutex_unlock(&lock); \
    return status;

int cudaMalloc(void **pointer, size_t size) {
    LOCKED(
        if (table[FAIL_AT].value > 0) table[FAIL_AT].value--;
        int64_t limit = table[LIMIT].value;
        *pointer = NULL;
        if (table[FAIL_AT].value == 0 ||
            (limit >= 0 && table[DEVICE_BYTES].value + (int64_t)size > limit)) {
            status = OUT_OF_MEMORY;
        } else {
            *pointer = take(&device_blocks, size);
            table[DEVICE_BYTES].value += size;
            table[DEVICE_BLOCKS].value++;
        })
}
int cudaMallocAsync(void **pointer, size_t size, void *s) { return cudaMalloc(pointer, size); }
int cudaMallocFromPoolAsync(void **pointer, size_t size, void *pool, void *s) {
    return cudaMalloc(pointer, size);
}
int cudaFree(void *pointer) {
    pthread_mutex_lock(&lock);
    finish_all();
    if (pointer) {
        table[DEVICE_BYTES].value -= give_back(&device_blocks, pointer);
        table[DEVICE_BLOCKS].value--;
    }
    pthread_mutex_unlock(&lock);
    return 0;
}
int cudaFreeAsync(void *pointer, void *s) { return cudaFree(pointer); }
int cudaMallocHost(void **pointer, size_t size) {
    LOCKED(
        *pointer = take(&host_blocks, size);
        table[HOST_BLOCKS].value++;
        table[HOST_BLOCKS_MADE].value++;)
}
int cudaHostAlloc(void **pointer, size_t size, unsigned flags) { return cudaMallocHost(pointer, size); }
int cudaFreeHost(void *pointer) {
    pthread_mutex_lock(&lock);
    finish_all();
    give_back(&host_blocks, pointer);
    table[HOST_BLOCKS].value--;
    pthread_mutex_unlock(&lock);
    return 0;
}
int cudaMemGetInfo(size_t *available, size_t *total) {
    LOCKED(*available = table[FREE].value; *total = 80ull << 30;)
}

int cudaMemcpy(void *to, const void *from, size_t size, int kind) {
    LOCKED(memmove(to, from, size);)
}
int cudaMemcpyAsync(void *to, const void *from, size_t size, int kind, stream *s) {
    LOCKED(
        work w = {COPY, to, from, NULL, size};
        enum { TO_DEVICE = 1, TO_HOST = 2 };
        /* Memory that is not page-locked is staged, or waited for, before the call returns. */
        if (kind == TO_DEVICE && !holds(host_blocks, from)) w.staged = memcpy(malloc(size), from, size);
        submit(s, w);
        if (kind == TO_HOST && !holds(host_blocks, to)) finish(s);)
}
int cudaMemset(void *to, int value, size_t size) { LOCKED(memset(to, value, size);) }
int cudaMemsetAsync(void *to, int value, size_t size, stream *s) {
    LOCKED(submit(s, (work){SET, to, NULL, NULL, size, value});)
}

int cudaStreamCreateWithFlags(stream **made, unsigned flags) {
    LOCKED(
        *made = calloc(1, sizeof **made);
        (*made)->end = &(*made)->first;
        (*made)->next = streams;
        streams = *made;
        table[STREAMS].value++;
        table[STREAMS_MADE].value++;)
}
int cudaStreamCreate(stream **made) { return cudaStreamCreateWithFlags(made, 0); }
int cudaStreamDestroy(stream *s) {
    pthread_mutex_lock(&lock);
    finish(s);
    for (stream **at = &streams; *at; at = &(*at)->next)
        if (*at == s) {
            *at = s->next;
            free(s);
            table[STREAMS].value--;
            break;
        }
    pthread_mutex_unlock(&lock);
    return 0;
}
int cudaStreamSynchronize(stream *s) { LOCKED(finish(s);) }
int cudaDeviceSynchronize(void) { LOCKED(finish_all();) }
int cudaStreamIsCapturing(stream *s, int *capturing) { *capturing = 0; return 0; }
/* A recorded graph is empty. */
int cudaStreamEndCapture(stream *s, void **graph) { static int one; *graph = &one; return 0; }
int cudaGraphInstantiate(void **made, void *graph) { *made = graph; return 0; }

/* An event's past is done when somebody asks for it: early is allowed, late would not be. */
int cudaEventCreateWithFlags(void **made, unsigned flags) { *made = calloc(1, sizeof(stream *)); return 0; }
int cudaEventCreate(void **made) { return cudaEventCreateWithFlags(made, 0); }
int cudaEventDestroy(void *event) { free(event); return 0; }
int cudaEventRecord(stream **event, stream *s) { *event = s; return 0; }
int cudaEventSynchronize(stream **event) { LOCKED(finish(*event);) }
int cudaEventQuery(stream **event) { return cudaEventSynchronize(event); }
int cudaStreamWaitEvent(stream *s, stream **event, unsigned flags) { LOCKED(finish(*event);) }
int cudaEventElapsedTime(float *milliseconds, void *from, void *to) { *milliseconds = 1; return 0; }

/* --- kernels --- */

static const void *cast_of_pixels;

void **__cudaRegisterFatBinary(void *binary) { return calloc(1, 64); }
void __cudaRegisterFunction(void **binary, const char *host, char *device, const char *name) {
    /* OP_Cast from uint8 to float: (const uint8 *in, float *out, functor, long n). */
    if (strstr(name, "17_UnaryElementWiseIhfNS0_7OP_CastIhf")) cast_of_pixels = host;
}
int __cudaGetKernel(const void **kernel, const void *host) { *kernel = host; return 0; }

typedef struct { unsigned x, y, z; } dim3;

int cudaLaunchKernel(const void *kernel, dim3 grid, dim3 threads, void **arguments, size_t shared,
                     stream *s) {
    LOCKED(
        if (table[LOST_AFTER].value > 0) table[LOST_AFTER].value--;
        if (kernel == cast_of_pixels)
            submit(s, (work){CAST, *(void **)arguments[1], *(void **)arguments[0], NULL,
                             *(long *)arguments[3]});)
}
int __cudaLaunchKernel(const void *kernel, dim3 grid, dim3 threads, void **arguments, size_t shared,
                       stream *s) {
    return cudaLaunchKernel(kernel, grid, threads, arguments, shared, s);
}
int cudaFuncGetAttributes(char *attributes, const void *kernel) {
    memset(attributes, 0, 64);
    *(int *)(attributes + 24) = 1024; /* maxThreadsPerBlock */
    return 0;
}
int cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *blocks, const void *kernel, int size,
                                                           size_t shared, unsigned flags) {
    *blocks = 2;
    return 0;
}
/* What <<<...>>> pushes before a kernel's own function launches it. */
static __thread struct { dim3 grid, threads; size_t shared; void *stream; } pushed;
unsigned __cudaPushCallConfiguration(dim3 grid, dim3 threads, size_t shared, void *s) {
    pushed.grid = grid, pushed.threads = threads, pushed.shared = shared, pushed.stream = s;
    return 0;
}
int __cudaPopCallConfiguration(dim3 *grid, dim3 *threads, size_t *shared, void **s) {
    *grid = pushed.grid, *threads = pushed.threads, *shared = pushed.shared, *s = pushed.stream;
    return 0;
}

/* --- the device --- */

int cudaGetDeviceCount(int *n) { *n = 1; return lost(); }
int cudaGetDevice(int *device) { *device = 0; return lost(); }
int cudaSetDevice(int device) { return lost(); }
int cudaDeviceGetAttribute(int *value, int attribute, int device) {
    switch (attribute) {
    case 1: *value = 1024; break;   /* threads in a block */
    case 8: *value = 49152; break;  /* bytes of shared memory in a block */
    case 16: *value = 132; break;   /* multiprocessors */
    case 75: *value = 9; break;     /* compute capability, major and minor */
    case 76: *value = 0; break;
    case 97: *value = 232448; break; /* bytes of shared memory in a block, asked for */
    default: *value = 1;
    }
    return 0;
}
/* The first fields of CUDA 13's cudaDeviceProp, by their offset. */
int cudaGetDeviceProperties(char *p, int device) {
    memset(p, 0, 900);
    strcpy(p, "Stand-in");
    *(size_t *)(p + 288) = 80ull << 30;       /* totalGlobalMem */
    *(size_t *)(p + 296) = 49152;             /* sharedMemPerBlock */
    *(int *)(p + 304) = 65536;                /* regsPerBlock */
    *(int *)(p + 308) = 32;                   /* warpSize */
    *(int *)(p + 320) = 1024;                 /* maxThreadsPerBlock */
    *(int *)(p + 324) = *(int *)(p + 328) = 1024, *(int *)(p + 332) = 64; /* maxThreadsDim */
    *(int *)(p + 336) = 2147483647;           /* maxGridSize */
    *(int *)(p + 340) = *(int *)(p + 344) = 65535;
    *(size_t *)(p + 352) = 65536;             /* totalConstMem */
    *(int *)(p + 360) = 9, *(int *)(p + 364) = 0; /* major, minor */
    *(int *)(p + 384) = 132;                  /* multiProcessorCount */
    return 0;
}
int cudaPointerGetAttributes(char *attributes, const void *pointer) {
    memset(attributes, 0, 32);
    pthread_mutex_lock(&lock);
    *(int *)attributes = holds(device_blocks, pointer) ? 2 : holds(host_blocks, pointer) ? 1 : 0;
    pthread_mutex_unlock(&lock);
    return 0;
}
int cudaRuntimeGetVersion(int *version) { *version = 13000; return 0; }
int cudaDriverGetVersion(int *version) { *version = 13000; return 0; }
int cudaGetLastError(void) { return lost(); }
int cudaPeekAtLastError(void) { return lost(); }
int cudaGetDriverEntryPointByVersion(const char *name, void **function) { *function = NULL; return 0; }
const char *cudaGetErrorString(int error) {
    return error == OUT_OF_MEMORY ? "out of memory" : error ? "the device is gone" : "no error";
}
const char *cudaGetErrorName(int error) {
    return error == OUT_OF_MEMORY ? "cudaErrorMemoryAllocation" : "cudaErrorDevicesUnavailable";
}
