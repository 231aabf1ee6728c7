/* Element types: names, sizes, promotion, and single elements as doubles. */
#include "tensor/tensor.h"
#include "base/half.h"
#include <math.h>
#include <string.h>

const uint8_t ebb__dtype_sizes[EBB_DTYPE_COUNT] = {[EBB_BOOL] = 1, [EBB_U8] = 1,   [EBB_I32] = 4, [EBB_I64] = 8,
                                                   [EBB_F16] = 2,  [EBB_BF16] = 2, [EBB_F32] = 4, [EBB_F64] = 8};

static const struct {
    const char *name, *alias;
} names[EBB_DTYPE_COUNT] = {
    [EBB_DTYPE_NONE] = {"none", "none"}, [EBB_BOOL] = {"bool", "bool"},  [EBB_U8] = {"uint8", "u8"},
    [EBB_I32] = {"int32", "i32"},        [EBB_I64] = {"int64", "i64"},   [EBB_F16] = {"float16", "f16"},
    [EBB_BF16] = {"bfloat16", "bf16"},   [EBB_F32] = {"float32", "f32"}, [EBB_F64] = {"float64", "f64"}};

const char *ebb_dtype_name(ebb_dtype dtype) { return (unsigned)dtype < EBB_DTYPE_COUNT ? names[dtype].name : "none"; }

ebb_dtype ebb_dtype_from_name(const char *name) {
    if (!name) return EBB_DTYPE_NONE;
    for (int i = 1; i < EBB_DTYPE_COUNT; i++)
        if (!strcmp(name, names[i].name) || !strcmp(name, names[i].alias)) return (ebb_dtype)i;
    return EBB_DTYPE_NONE;
}

size_t ebb_dtype_size(ebb_dtype dtype) { return (unsigned)dtype < EBB_DTYPE_COUNT ? ebb__dtype_sizes[dtype] : 0; }

bool ebb_dtype_is_floating(ebb_dtype dtype) { return ebb__is_floating((unsigned)dtype); }

/* The dtypes are numbered so that the wider one is the larger; of the two 16-bit ones neither holds the other. */
ebb_dtype ebb_promote_types(ebb_dtype a, ebb_dtype b) {
    if (a != b && ebb__is_half((unsigned)a) && ebb__is_half((unsigned)b)) return EBB_F32;
    return a > b ? a : b;
}

ebb_status(ebb_set_default_dtype)(ebb_dtype dtype) {
    if (!ebb_dtype_is_floating(dtype))
        return ebb__fail_op("set_default_dtype", EBB_ERR_DTYPE, "the default dtype must be floating point, not %s",
                            ebb_dtype_name(dtype));
    ebb__thread.default_dtype = (uint8_t)dtype;
    return EBB_OK;
}

ebb_dtype ebb_default_dtype(void) { return ebb__thread.default_dtype ? (ebb_dtype)ebb__thread.default_dtype : EBB_F32; }

double ebb__load(const char *p, ebb_dtype dtype) {
    switch (dtype) {
    case EBB_BOOL:
    case EBB_U8: return (double)*(const uint8_t *)p;
    case EBB_I32: return (double)*(const int32_t *)p;
    case EBB_I64: return (double)*(const int64_t *)p;
    case EBB_F16: return (double)ebb__f16_to_float(*(const uint16_t *)(const void *)p);
    case EBB_BF16: return (double)ebb__bf16_to_float(*(const uint16_t *)(const void *)p);
    case EBB_F32: return (double)*(const float *)p;
    case EBB_F64: return *(const double *)p;
    case EBB_DTYPE_NONE: break;
    }
    return NAN;
}

/* The nearest that the type holds; NaN becomes 0. A plain conversion of what is out of range is undefined. */
static int64_t to_integer(double value, double least, double end) {
    if (value != value) return 0;
    if (value < least) return (int64_t)least;
    return (int64_t)(value < end ? value : nextafter(end, 0));
}

int64_t ebb__to_i64(double value) { return to_integer(value, -0x1p63, 0x1p63); }

int64_t ebb__load_i64(const char *p, ebb_dtype dtype) {
    return dtype == EBB_I64 ? *(const int64_t *)p : ebb__to_i64(ebb__load(p, dtype));
}

void ebb__store(char *p, ebb_dtype dtype, double value) {
    switch (dtype) {
    case EBB_BOOL: *(uint8_t *)p = value != 0; break;
    case EBB_U8: *(uint8_t *)p = (uint8_t)ebb__to_i64(value); break;
    case EBB_I32: *(int32_t *)p = (int32_t)to_integer(value, -0x1p31, 0x1p31); break;
    case EBB_I64: *(int64_t *)p = ebb__to_i64(value); break;
    case EBB_F16: *(uint16_t *)(void *)p = ebb__f16_of_float((float)value); break;
    case EBB_BF16: *(uint16_t *)(void *)p = ebb__bf16_of_float((float)value); break;
    case EBB_F32: *(float *)p = (float)value; break;
    case EBB_F64: *(double *)p = value; break;
    case EBB_DTYPE_NONE: break;
    }
}

void ebb__store_i64(char *p, ebb_dtype dtype, int64_t value) {
    switch (dtype) {
    case EBB_BOOL: *(uint8_t *)p = value != 0; break;
    case EBB_U8: *(uint8_t *)p = (uint8_t)value; break;
    case EBB_I32: *(int32_t *)p = (int32_t)value; break;
    case EBB_I64: *(int64_t *)p = value; break;
    case EBB_F32: *(float *)p = (float)value; break;
    case EBB_F64: *(double *)p = (double)value; break;
    default: ebb__store(p, dtype, (double)value);
    }
}

void ebb__convert(char *to, ebb_dtype dtype, const char *from, ebb_dtype given) {
    if (ebb_dtype_is_floating(given)) ebb__store(to, dtype, ebb__load(from, given));
    else ebb__store_i64(to, dtype, ebb__load_i64(from, given));
}

void ebb__store_number(char *p, ebb_dtype dtype, const ebb_setting *number) {
    if (number->dtype == EBB_F64) ebb__store(p, dtype, number->value);
    else ebb__store_i64(p, dtype, number->whole);
}
