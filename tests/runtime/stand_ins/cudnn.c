/* cuDNN: it plans convolutions by two engines, the first with tensor cores, and computes none.
 *
 * Of the backend's descriptors it keeps what tells the engines apart; the numbers are those of
 * cudnnBackendAttributeName_t.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    CONVOLUTION_POST_PADDINGS = 104, CONVOLUTION_PRE_PADDINGS = 105,
    HEURISTICS_RESULTS = 202, CONFIG_ENGINE = 300, CONFIG_KNOBS = 303, CONFIG_INTERMEDIATE = 304,
    PLAN_CONFIG = 401, PLAN_WORKSPACE = 402, TENSOR_TYPE = 901,
    ENGINE_INDEX = 1301, ENGINE_NOTES = 1303,
};
enum { HALF = 2, ENGINES = 2 };

typedef struct {
    int engine, type, uneven;
} descriptor;

/* Per thread: a graph is described, planned and run by one. */
static __thread int last_type, last_uneven;
static __thread int64_t before[4], after[4];
static int handles;
static long planned, uneven_pads, executed[2][2]; /* of single, half; plain, tensor cores */

int stand_in_handles(void) { return handles; }
long stand_in_planned(void) { return planned; }
long stand_in_uneven_pads(void) { return uneven_pads; }
long stand_in_executed(int half, int tensor_cores) { return executed[half][tensor_cores]; }

int cudnnCreate(void **handle) {
    *handle = malloc(1);
    __atomic_fetch_add(&handles, 1, __ATOMIC_SEQ_CST);
    return 0;
}
int cudnnDestroy(void *handle) {
    free(handle);
    __atomic_fetch_sub(&handles, 1, __ATOMIC_SEQ_CST);
    return 0;
}
size_t cudnnGetVersion(void) { return 91900; }
const char *cudnnGetErrorString(int status) { return "stand-in"; }
void cudnnGetLastErrorString(char *message, size_t size) { strncpy(message, "stand-in", size); }
int cudnnGetStream(void *handle, void **stream) { *stream = NULL; return 0; }

#define OPAQUE(name) \
    int cudnnCreate##name(void **made) { *made = calloc(1, 256); return 0; } \
    int cudnnDestroy##name(void *gone) { free(gone); return 0; }
OPAQUE(TensorDescriptor)
OPAQUE(PoolingDescriptor)
OPAQUE(ActivationDescriptor)
OPAQUE(FilterDescriptor)
OPAQUE(ConvolutionDescriptor)
OPAQUE(ReduceTensorDescriptor)
OPAQUE(DropoutDescriptor)

int cudnnBackendCreateDescriptor(int kind, descriptor **made) {
    *made = malloc(sizeof **made);
    **made = (descriptor){-1, last_type, last_uneven};
    return 0;
}
int cudnnBackendDestroyDescriptor(descriptor *gone) { free(gone); return 0; }
int cudnnBackendSetAttribute(descriptor *d, int attribute, int type, int64_t n, const void *value) {
    size_t size = (n < 4 ? n : 4) * sizeof(int64_t);
    if (attribute == TENSOR_TYPE) last_type = *(const int *)value;
    if (attribute == CONVOLUTION_POST_PADDINGS) memcpy(after, value, size);
    if (attribute == CONVOLUTION_PRE_PADDINGS) memcpy(before, value, size);
    if (attribute == PLAN_CONFIG) {
        d->engine = (*(descriptor *const *)value)->engine;
        d->type = last_type;
        d->uneven = memcmp(before, after, sizeof before) != 0;
    }
    return 0;
}
int cudnnBackendGetAttribute(descriptor *d, int attribute, int type, int64_t room, int64_t *count,
                             void *values) {
    int64_t n = 0;
    if (attribute == HEURISTICS_RESULTS) {
        n = ENGINES;
        if (!room) __atomic_fetch_add(&planned, 1, __ATOMIC_SEQ_CST);
        for (int i = 0; values && i < ENGINES && i < room; i++) ((descriptor **)values)[i]->engine = i;
    } else if (attribute == CONFIG_ENGINE) {
        n = 1;
        if (room && values) (*(descriptor **)values)->engine = d->engine;
    } else if (attribute == ENGINE_INDEX) {
        n = 1;
        if (values) *(int64_t *)values = d->engine;
    } else if (attribute == ENGINE_NOTES && d->engine == 0) {
        n = 1;
        if (room && values) *(int *)values = 0; /* CUDNN_NUMERICAL_NOTE_TENSOR_CORE */
    } else if (attribute == CONFIG_KNOBS || attribute == CONFIG_INTERMEDIATE) {
        n = 1;
        if (values) *(int *)values = 0;
    } else if (attribute == PLAN_WORKSPACE) {
        n = 1;
        if (values) *(int64_t *)values = 0;
    }
    if (count) *count = n;
    return 0;
}
int cudnnBackendExecute(void *handle, descriptor *plan, void *variants) {
    __atomic_fetch_add(&executed[plan->type == HALF][plan->engine == 0], 1, __ATOMIC_SEQ_CST);
    if (plan->uneven) __atomic_fetch_add(&uneven_pads, 1, __ATOMIC_SEQ_CST);
    return 0;
}
