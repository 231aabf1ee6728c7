/* DLPack: memory shared both ways, deleters called once, and what is refused. The other library's side is written here
 * from the standard's layout. */
#include "tests/check.h"
#include <ebb/ebb.h>

struct tensor {
    void *data;
    int32_t device_type, device_id, ndim;
    uint8_t code, bits;
    uint16_t lanes;
    int64_t *shape, *strides;
    uint64_t byte_offset;
};
struct DLManagedTensor {
    struct tensor tensor;
    void *context;
    void (*deleter)(struct DLManagedTensor *);
};
struct DLManagedTensorVersioned {
    uint32_t major, minor;
    void *context;
    void (*deleter)(struct DLManagedTensorVersioned *);
    uint64_t flags;
    struct tensor tensor;
};

static int deleted;
static void delete_plain(struct DLManagedTensor *m) { deleted += m != NULL; }
static void delete_versioned(struct DLManagedTensorVersioned *m) { deleted += m != NULL; }

EBB_TEST(there_and_back_without_a_copy) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_arange(0, 6, 1, .dtype = EBB_F32), *t = ebb_t(ebb_reshape(x, EBB_DIMS(2, 3)));
        struct DLManagedTensor *m = NULL;
        struct DLManagedTensorVersioned *v = NULL;
        CHECK(!ebb_to_dlpack(t, &m));
        CHECK(!ebb_to_dlpack_versioned(t, &v));
        CHECK(m->tensor.data == ebb_tensor_data(x) && m->tensor.code == 2 && m->tensor.bits == 32);
        CHECK(m->tensor.ndim == 2 && m->tensor.shape[0] == 3 && m->tensor.strides[0] == 1 && m->tensor.strides[1] == 3);
        CHECK(v->major == 1 && v->flags == 0 && v->tensor.data == m->tensor.data);
        ebb_tensor *a = ebb_from_dlpack(m), *b = ebb_from_dlpack_versioned(v);
        CHECK_VALUES(a, 0, 0, 3, 1, 4, 2, 5);
        ebb_mul_(b, 2);
        CHECK_VALUES(a, 0, 0, 6, 2, 8, 4, 10);
        CHECK_VALUES(x, 0, 0, 2, 4, 6, 8, 10);
    }
    CHECK_OK();
}

EBB_TEST(every_dtype) {
    for (int d = EBB_BOOL; d < EBB_DTYPE_COUNT; d++) EBB_SCOPE {
            struct DLManagedTensor *m = NULL;
            CHECK(!ebb_to_dlpack(ebb_ones(EBB_DIMS(2), .dtype = (ebb_dtype)d), &m));
            ebb_tensor *back = ebb_from_dlpack(m);
            CHECK(ebb_tensor_dtype(back) == (ebb_dtype)d);
            CHECK_VALUES(back, 0, 1, 1);
        }
}

EBB_TEST(the_deleter_is_called_once) {
    double data[] = {1, 2, 3, 4};
    int64_t shape[] = {2};
    struct DLManagedTensor m = {.tensor = {.data = data,
                                           .device_type = 1,
                                           .ndim = 1,
                                           .code = 2,
                                           .bits = 64,
                                           .lanes = 1,
                                           .shape = shape,
                                           .byte_offset = 16},
                                .deleter = delete_plain};
    struct DLManagedTensorVersioned v = {
        .major = 1, .minor = 3, .deleter = delete_versioned, .flags = 1, .tensor = m.tensor};
    deleted = 0;
    EBB_SCOPE {
        ebb_tensor *kept = ebb_keep(ebb_select(ebb_from_dlpack(&m), 0, 1));
        CHECK(deleted == 0);
        CHECK_CLOSE(ebb_item(kept), 4, 0);
        ebb_drop(kept);
    }
    CHECK(deleted == 1);
    EBB_SCOPE { /* what may only be read is copied */
        ebb_tensor *copy = ebb_from_dlpack_versioned(&v);
        CHECK(deleted == 2);
        ebb_zero_(copy);
        CHECK(data[2] == 3);
    }
    CHECK(deleted == 2);
    CHECK_OK();
}

EBB_TEST(what_is_refused_stays_the_callers) {
    float data[8] = {0};
    int64_t shape[] = {2, 3}, negative[] = {-3, 1};
    const struct tensor good = {
        .data = data, .device_type = 1, .ndim = 2, .code = 2, .bits = 32, .lanes = 1, .shape = shape};
    struct DLManagedTensor m = {.tensor = good, .deleter = delete_plain};
    deleted = 0;
#define REFUSED(field, value, status, text) \
    do { \
        m.tensor = good; \
        m.tensor.field = value; \
        CHECK(ebb_from_dlpack(&m) == NULL); \
        CHECK_ERROR(status, text); \
    } while (0)
    REFUSED(device_type, 2, EBB_ERR_UNSUPPORTED, "device 2");
    REFUSED(lanes, 4, EBB_ERR_UNSUPPORTED, "4 lanes");
    REFUSED(bits, 8, EBB_ERR_DTYPE, "code 2 with 8 bits");
    REFUSED(ndim, 9, EBB_ERR_SHAPE, "9 dimensions");
    REFUSED(strides, negative, EBB_ERR_SHAPE, "negative");
    REFUSED(byte_offset, 2, EBB_ERR_ARGUMENT, "not aligned");
    REFUSED(data, NULL, EBB_ERR_ARGUMENT, "data");
    struct DLManagedTensorVersioned v = {.major = 2, .tensor = good, .deleter = delete_versioned};
    CHECK(ebb_from_dlpack_versioned(&v) == NULL);
    CHECK_ERROR(EBB_ERR_UNSUPPORTED, "version 2.0");
    CHECK(deleted == 0);
    struct DLManagedTensor *out = NULL;
    EBB_SCOPE CHECK(ebb_to_dlpack(ebb_ones(EBB_DIMS(2), .requires_grad = true), &out) != EBB_OK);
    CHECK_ERROR(EBB_ERR_GRAPH, "ebb_detach");
    CHECK(out == NULL);
}

EBB_TEST_MAIN
