/* cuBLAS: a handle, and nothing that computes. */
#include <stdlib.h>

static int handles;

int stand_in_handles(void) { return handles; }
int cublasCreate_v2(void **handle) {
    *handle = malloc(1);
    __atomic_fetch_add(&handles, 1, __ATOMIC_SEQ_CST);
    return 0;
}
int cublasDestroy_v2(void *handle) {
    free(handle);
    __atomic_fetch_sub(&handles, 1, __ATOMIC_SEQ_CST);
    return 0;
}
const char *cublasGetStatusName(int status) { return "stand-in"; }
const char *cublasGetStatusString(int status) { return "stand-in"; }
