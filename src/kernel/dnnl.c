/* oneDNN's C API of versions 2 and 3 under one face: its functions are found by name at run time. */
#include "kernel/dnnl.h"

#include "kernel/blas.h"

#if (defined(EBB_HAVE_DNNL)) && (defined(__unix__) || defined(__APPLE__))
#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

/* From dnnl_types.h, alike in both versions. */
enum { F32 = 3, ANY = 1, CPU = 1, IN_ORDER = 1, FORWARD = 64, DIRECT = 1, SCRATCHPAD_USER = 1, QUERY_SCRATCHPAD = 136 };
enum { QUERY_SRC = 129, QUERY_DIFF_SRC, QUERY_WEIGHTS, QUERY_DIFF_WEIGHTS, QUERY_DST, QUERY_DIFF_DST };
enum { ARG_SRC = 1, ARG_DST = 17, ARG_WEIGHTS = 33, ARG_DIFF_SRC = 129, ARG_DIFF_DST = 145, ARG_DIFF_WEIGHTS = 161 };

struct version {
    int major;
};
struct argument {
    int what;
    void *memory;
};

typedef const int64_t *dims;
/* clang-format off */
#define FUNCTIONS(X) \
    X(int, engine_create, (void **engine, int kind, size_t index)) \
    X(int, stream_create, (void **stream, void *engine, unsigned flags)) \
    X(int, stream_wait, (void *stream)) \
    X(int, stream_destroy, (void *stream)) \
    X(int, primitive_attr_create, (void **attr)) \
    X(int, primitive_attr_set_scratchpad_mode, (void *attr, int mode)) \
    X(const void *, primitive_desc_query_md, (const void *recipe, int what, int index)) \
    X(int, primitive_desc_destroy, (void *recipe)) \
    X(int, primitive_create, (void **primitive, const void *recipe)) \
    X(int, primitive_execute, (const void *primitive, void *stream, int n, const struct argument *arguments)) \
    X(int, primitive_destroy, (void *primitive)) \
    X(int, memory_create, (void **memory, const void *array, void *engine, void *data)) \
    X(int, memory_destroy, (void *memory)) \
    X(size_t, memory_desc_get_size, (const void *array)) \
    X(int, memory_desc_equal, (const void *a, const void *b)) \
    X(int, reorder_primitive_desc_create, (void **recipe, const void *from, void *from_engine, const void *to, \
                                           void *to_engine, const void *attr))
#define FUNCTIONS_2(X) \
    X(int, memory_desc_init_by_strides, (void *array, int n, dims sizes, int dtype, dims strides)) \
    X(int, memory_desc_init_by_tag, (void *array, int n, dims sizes, int dtype, int tag)) \
    X(int, primitive_desc_create, (void **recipe, const void *what, const void *attr, void *engine, \
                                   const void *forward)) \
    X(int, dilated_convolution_forward_desc_init, \
      (void *what, int kind, int algorithm, const void *x, const void *w, const void *bias, const void *y, \
       dims strides, dims dilates, dims front, dims end)) \
    X(int, dilated_convolution_backward_data_desc_init, \
      (void *what, int algorithm, const void *x, const void *w, const void *y, dims strides, dims dilates, dims front, \
       dims end)) \
    X(int, dilated_convolution_backward_weights_desc_init, \
      (void *what, int algorithm, const void *x, const void *w, const void *bias, const void *y, dims strides, \
       dims dilates, dims front, dims end))
#define FUNCTIONS_3(X) \
    X(int, memory_desc_create_with_strides, (void **array, int n, dims sizes, int dtype, dims strides)) \
    X(int, memory_desc_create_with_tag, (void **array, int n, dims sizes, int dtype, int tag)) \
    X(int, memory_desc_destroy, (void *array)) \
    X(int, convolution_forward_primitive_desc_create, \
      (void **recipe, void *engine, int kind, int algorithm, const void *x, const void *w, const void *bias, \
       const void *y, dims strides, dims dilates, dims front, dims end, const void *attr)) \
    X(int, convolution_backward_data_primitive_desc_create, \
      (void **recipe, void *engine, int algorithm, const void *x, const void *w, const void *y, dims strides, \
       dims dilates, dims front, dims end, const void *forward, const void *attr)) \
    X(int, convolution_backward_weights_primitive_desc_create, \
      (void **recipe, void *engine, int algorithm, const void *x, const void *w, const void *bias, const void *y, \
       dims strides, dims dilates, dims front, dims end, const void *forward, const void *attr))
/* clang-format on */

static struct {
    bool ready;
    int version;
    void *engine, *attr;
#define MEMBER(type, name, arguments) type(*name) arguments;
    FUNCTIONS(MEMBER) FUNCTIONS_2(MEMBER) FUNCTIONS_3(MEMBER)
} api;

/* ISO C has no conversion from void * to a function; POSIX promises this one. */
static bool find(void *library, const char *symbol, void *ret_function) {
    void *address = dlsym(library, symbol);
    if (address) *(void **)ret_function = address;
    return address != NULL;
}

static void load(void) {
    void *library = ebb__blas_dnnl();
    const struct version *(*version)(void);
    if (!library || !find(library, "dnnl_version", &version)) return;
    bool all = true;
#define FIND(type, name, arguments) all = all && find(library, "dnnl_" #name, &api.name);
    FUNCTIONS(FIND)
    api.version = version()->major;
    if (api.version == 2) {
        FUNCTIONS_2(FIND)
    } else if (api.version == 3) {
        FUNCTIONS_3(FIND)
    } else {
        return;
    }
    api.ready = all && !api.engine_create(&api.engine, CPU, 0) && !api.primitive_attr_create(&api.attr) &&
                !api.primitive_attr_set_scratchpad_mode(api.attr, SCRATCHPAD_USER);
}

static bool ready(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, load);
    return api.ready;
}

/* ---- arrays ---- */

bool ebb__dnnl_describe(ebb__dnnl_array *ret_array, int ndim, const int64_t *sizes, const int64_t *strides) {
    if (!ready()) return false;
    if (api.version == 3)
        return strides ? !api.memory_desc_create_with_strides(&ret_array->u.pointer, ndim, sizes, F32, strides)
                       : !api.memory_desc_create_with_tag(&ret_array->u.pointer, ndim, sizes, F32, ANY);
    return strides ? !api.memory_desc_init_by_strides(ret_array->u.value, ndim, sizes, F32, strides)
                   : !api.memory_desc_init_by_tag(ret_array->u.value, ndim, sizes, F32, ANY);
}

void ebb__dnnl_forget(ebb__dnnl_array *array) {
    if (api.version == 3 && array->u.pointer) (void)api.memory_desc_destroy(array->u.pointer);
    array->u.pointer = NULL;
}

const void *ebb__dnnl_of(const ebb__dnnl_array *array) {
    return api.version == 3 ? array->u.pointer : (const void *)array->u.value;
}

size_t ebb__dnnl_bytes(const void *array) { return api.memory_desc_get_size(array); }

bool ebb__dnnl_same(const void *a, const void *b) { return api.memory_desc_equal(a, b); }

/* ---- recipes ---- */

static void *create(enum ebb__dnnl_result result, const void *const a[3], const void *bias, dims s, dims d, dims f,
                    dims e, const void *forward) {
    const void *x = a[EBB__DNNL_X], *w = a[EBB__DNNL_W], *y = a[EBB__DNNL_Y];
    void *recipe = NULL;
    int status;
    if (api.version == 3) {
        status = result == EBB__DNNL_Y ? api.convolution_forward_primitive_desc_create(
                                             &recipe, api.engine, FORWARD, DIRECT, x, w, bias, y, s, d, f, e, api.attr)
                 : result == EBB__DNNL_X
                     ? api.convolution_backward_data_primitive_desc_create(&recipe, api.engine, DIRECT, x, w, y, s, d,
                                                                           f, e, forward, api.attr)
                     : api.convolution_backward_weights_primitive_desc_create(&recipe, api.engine, DIRECT, x, w, NULL,
                                                                              y, s, d, f, e, forward, api.attr);
        return status ? NULL : recipe;
    }
    _Alignas(16) char what[8192]; /* a dnnl_convolution_desc_t has 5976 bytes */
    status = result == EBB__DNNL_Y
                 ? api.dilated_convolution_forward_desc_init(what, FORWARD, DIRECT, x, w, bias, y, s, d, f, e)
             : result == EBB__DNNL_X
                 ? api.dilated_convolution_backward_data_desc_init(what, DIRECT, x, w, y, s, d, f, e)
                 : api.dilated_convolution_backward_weights_desc_init(what, DIRECT, x, w, NULL, y, s, d, f, e);
    if (!status) status = api.primitive_desc_create(&recipe, what, api.attr, api.engine, forward);
    return status ? NULL : recipe;
}

void *ebb__dnnl_convolution(enum ebb__dnnl_result result, const void *const array[3], const void *bias,
                            const int64_t *strides, const int64_t *dilations, const int64_t *padding_front,
                            const int64_t *padding_end) {
    if (result == EBB__DNNL_Y) return create(result, array, bias, strides, dilations, padding_front, padding_end, NULL);
    void *forward = create(EBB__DNNL_Y, array, NULL, strides, dilations, padding_front, padding_end, NULL), *recipe;
    if (!forward) return NULL;
    recipe = create(result, array, NULL, strides, dilations, padding_front, padding_end, forward);
    (void)api.primitive_desc_destroy(forward);
    return recipe;
}

void *ebb__dnnl_reorder(const void *from, const void *to) {
    void *recipe = NULL;
    return api.reorder_primitive_desc_create(&recipe, from, api.engine, to, api.engine, api.attr) ? NULL : recipe;
}

const void *ebb__dnnl_chosen(void *recipe, enum ebb__dnnl_result result, enum ebb__dnnl_result which) {
    static const int query[3][3] = {
        [EBB__DNNL_Y] = {[EBB__DNNL_X] = QUERY_SRC, [EBB__DNNL_W] = QUERY_WEIGHTS, [EBB__DNNL_Y] = QUERY_DST},
        [EBB__DNNL_X] = {[EBB__DNNL_X] = QUERY_DIFF_SRC, [EBB__DNNL_W] = QUERY_WEIGHTS, [EBB__DNNL_Y] = QUERY_DIFF_DST},
        [EBB__DNNL_W] = {[EBB__DNNL_X] = QUERY_SRC, [EBB__DNNL_W] = QUERY_DIFF_WEIGHTS, [EBB__DNNL_Y] = QUERY_DIFF_DST},
    };
    return api.primitive_desc_query_md(recipe, query[result][which], 0);
}

const void *ebb__dnnl_scratch(void *recipe) { return api.primitive_desc_query_md(recipe, QUERY_SCRATCHPAD, 0); }

void ebb__dnnl_forget_recipe(void *recipe) {
    if (recipe) (void)api.primitive_desc_destroy(recipe);
}

void *ebb__dnnl_primitive(void *recipe) {
    void *primitive = NULL;
    return recipe && !api.primitive_create(&primitive, recipe) ? primitive : NULL;
}

/* ---- running ---- */

int ebb__dnnl_operand(enum ebb__dnnl_result result, enum ebb__dnnl_result which) {
    static const int operand[3][3] = {
        [EBB__DNNL_Y] = {[EBB__DNNL_X] = ARG_SRC, [EBB__DNNL_W] = ARG_WEIGHTS, [EBB__DNNL_Y] = ARG_DST},
        [EBB__DNNL_X] = {[EBB__DNNL_X] = ARG_DIFF_SRC, [EBB__DNNL_W] = ARG_WEIGHTS, [EBB__DNNL_Y] = ARG_DIFF_DST},
        [EBB__DNNL_W] = {[EBB__DNNL_X] = ARG_SRC, [EBB__DNNL_W] = ARG_DIFF_WEIGHTS, [EBB__DNNL_Y] = ARG_DIFF_DST},
    };
    return operand[result][which];
}

bool ebb__dnnl_run(const void *primitive, int n, const struct ebb__dnnl_argument *arguments) {
    struct argument a[EBB__DNNL_ARGUMENTS];
    void *stream = NULL;
    int made = 0;
    bool ok = !api.stream_create(&stream, api.engine, IN_ORDER);
    for (; made < n && ok; made++) {
        a[made] = (struct argument){arguments[made].what, NULL};
        void *data;
        memcpy(&data, &arguments[made].data, sizeof data); /* what is read is never written */
        if (api.memory_create(&a[made].memory, arguments[made].array, api.engine, data)) ok = false;
        if (!ok) break;
    }
    if (ok) ok = !api.primitive_execute(primitive, stream, n, a) && !api.stream_wait(stream);
    for (int i = 0; i < made; i++) (void)api.memory_destroy(a[i].memory);
    if (stream) (void)api.stream_destroy(stream);
    return ok;
}

#endif
