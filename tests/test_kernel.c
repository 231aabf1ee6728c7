/* The kernel layer's elementwise loops: every loop, dtype, layout and instruction set against plain scalar formulas. */
#include "tests/check.h"

#include "base/half.h"
#include "kernel/kernel.h"

#include <ebb/opdef.h>

#include <float.h>
#include <math.h>

static const char *const isas[] = {"baseline", "avx2", "avx512"};

/* ---- formulas: in long double for floating dtypes, in wrapping 64 bits for integers ---- */

typedef long double real;
static const ebb_setting alpha = {.value = 0.75, .dtype = EBB_F64, .given = true};
#define REAL(name, expr) \
    static real real_##name(real a, real b) { \
        (void)a, (void)b; \
        return expr; \
    }
#define WHOLE(name, expr) \
    static int64_t whole_##name(int64_t a, int64_t b) { \
        (void)a, (void)b; \
        return expr; \
    }
static int64_t wrap_add(int64_t a, int64_t b) { return (int64_t)((uint64_t)a + (uint64_t)b); }
static int64_t wrap_mul(int64_t a, int64_t b) { return (int64_t)((uint64_t)a * (uint64_t)b); }
static int64_t wrap_neg(int64_t a) { return (int64_t)(0 - (uint64_t)a); }
static int64_t power(int64_t a, int64_t b) {
    if (b < 0) return a == 1 ? 1 : a == -1 ? (b % 2 ? -1 : 1) : 0;
    if (b == 0) return 1;
    const int64_t half = power(a, b / 2);
    return wrap_mul(wrap_mul(half, half), b % 2 ? a : 1);
}
/* clang-format off */
REAL(neg, -a)
WHOLE(neg, wrap_neg(a))
REAL(abs, fabsl(a))
WHOLE(abs, a < 0 ? wrap_neg(a) : a)
REAL(relu, a <= 0 ? 0 : a)
WHOLE(relu, a > 0 ? a : 0)
REAL(square, a *a)
WHOLE(square, wrap_mul(a, a))
REAL(sign, (a > 0) - (a < 0))
WHOLE(sign, (a > 0) - (a < 0))
REAL(sqrt, sqrtl(a))
REAL(rsqrt, 1 / sqrtl(a))
REAL(reciprocal, 1 / a)
REAL(floor, floorl(a))
REAL(exp, expl(a))
REAL(log, logl(a))
REAL(sin, sinl(a))
REAL(cos, cosl(a))
REAL(tanh, tanhl(a))
REAL(erf, erfl(a))
REAL(sigmoid, 1 / (1 + expl(-a)))
REAL(gelu, a / 2 * (1 + erfl(a * 0.70710678118654752440L)))
REAL(add, a + b)
WHOLE(add, wrap_add(a, b))
REAL(sub, a - b)
WHOLE(sub, wrap_add(a, wrap_neg(b)))
REAL(mul, a *b)
WHOLE(mul, wrap_mul(a, b))
REAL(div, a / b)
REAL(pow, b == 0.5L ? sqrtl(a) : powl(a, b))
WHOLE(pow, power(a, b))
REAL(maximum, a != a ? a : b != b ? b : a > b ? a : b)
WHOLE(maximum, a > b ? a : b)
REAL(minimum, a != a ? a : b != b ? b : a < b ? a : b)
WHOLE(minimum, a < b ? a : b)
REAL(add_scaled, a + alpha.value * b)
WHOLE(add_scaled, a)
REAL(threshold_backward, b <= 0 ? 0 : a)
REAL(sigmoid_backward, a *(1 - b) * b)
REAL(tanh_backward, a *(1 - b * b))
REAL(gelu_backward, a *((1 + erfl(b * 0.70710678118654752440L)) / 2 + b * expl(-b * b / 2) * 0.39894228040143267794L))
REAL(eq, a == b)
WHOLE(eq, a == b)
REAL(ne, a != b)
WHOLE(ne, a != b)
REAL(lt, a < b)
WHOLE(lt, a < b)
REAL(le, a <= b)
WHOLE(le, a <= b)
REAL(gt, a > b)
WHOLE(gt, a > b)
REAL(ge, a >= b)
WHOLE(ge, a >= b)
WHOLE(logical_not, a == 0)
WHOLE(logical_and, a != 0 && b != 0)
WHOLE(logical_or, a != 0 || b != 0)
WHOLE(logical_xor, (a != 0) != (b != 0))
/* clang-format on */

/* What an error is measured by where cancellation makes the result small. */
static real size_add_scaled(real a, real b) { return fabsl(a) + fabsl(alpha.value * b); }
static real size_gelu(real a, real b) {
    (void)b;
    return fabsl(a) / 2;
}
static real size_tanh_backward(real a, real b) { return fabsl(a) * (1 + b * b); }
static real size_gelu_backward(real a, real b) {
    return fabsl(a) * (1 + fabsl(b) * (1 + b * b) * expl(-b * b / 2)); /* b^2 rounded, in the exponent */
}
/* Where tanh(u) is not 1 yet, 1 - tanh(u)^2 has its rounding. */
static real size_gelu_tanh_backward(real a, real b) {
    return fabsl(a) * (1 + (fabsl(b) < 9 ? fabsl(b) * (1 + b * b / 8) : 0));
}
static real real_gelu_tanh_backward(real a, real b) {
    const real t = tanhl(0.79788456080286535588L * b * (1 + 0.044715L * b * b));
    return a * ((1 + t) / 2 + b * (1 - t * t) / 2 * 0.79788456080286535588L * (1 + 0.134145L * b * b));
}
static real size_sigmoid_backward(real a, real b) { return fabsl(a) * (1 + fabsl(b)) * (1 + fabsl(b)); }

enum { FLOATS = 1, INTS = 2, BOOL = 4, NUMBERS = FLOATS | INTS, ALL = NUMBERS | BOOL };
static const struct entry {
    const char *name;
    ebb__loop *table;
    int inputs, dtypes;
    bool to_bool;
    double ulps;
    real (*real)(real, real);
    int64_t (*whole)(int64_t, int64_t);
    real (*size)(real, real);
} entries[] = {
#define FLOAT(name, inputs, ulps, size) \
    { #name, ebb__loops_##name, inputs, FLOATS, false, ulps, real_##name, NULL, size }
#define ANY(name, inputs, dtypes) \
    { #name, ebb__loops_##name, inputs, dtypes, false, 0.51, real_##name, whole_##name, NULL }
#define TEST(name, inputs) \
    { #name, ebb__loops_##name, inputs, ALL, true, 0, real_##name, whole_##name, NULL }
#define LOGIC(name, inputs) \
    { #name, ebb__loops_##name, inputs, BOOL, true, 0, NULL, whole_##name, NULL }
    ANY(neg, 1, NUMBERS),
    ANY(abs, 1, NUMBERS),
    ANY(relu, 1, NUMBERS),
    ANY(square, 1, NUMBERS),
    ANY(sign, 1, ALL),
    FLOAT(sqrt, 1, 0.51, NULL),
    FLOAT(rsqrt, 1, 1.5, NULL),
    FLOAT(reciprocal, 1, 0.51, NULL),
    FLOAT(floor, 1, 0, NULL),
    FLOAT(exp, 1, 1.05, NULL),
    FLOAT(log, 1, 1.01, NULL),
    FLOAT(sin, 1, 1.6, NULL),
    FLOAT(cos, 1, 1.6, NULL),
    FLOAT(tanh, 1, 2.5, NULL),
    FLOAT(erf, 1, 1.6, NULL),
    FLOAT(sigmoid, 1, 2.5, NULL),
    FLOAT(gelu, 1, 4, size_gelu),
    FLOAT(div, 2, 0.51, NULL),
    ANY(add, 2, ALL),
    ANY(sub, 2, NUMBERS),
    ANY(mul, 2, ALL),
    ANY(maximum, 2, ALL),
    ANY(minimum, 2, ALL),
    {"pow", ebb__loops_pow, 2, NUMBERS, false, 1.01, real_pow, whole_pow, NULL},
    {"add_scaled", ebb__loops_add_scaled, 2, ALL, false, 1.01, real_add_scaled, whole_add_scaled, size_add_scaled},
    FLOAT(threshold_backward, 2, 0, NULL),
    FLOAT(sigmoid_backward, 2, 2, size_sigmoid_backward),
    FLOAT(tanh_backward, 2, 2, size_tanh_backward),
    FLOAT(gelu_backward, 2, 4, size_gelu_backward),
    FLOAT(gelu_tanh_backward, 2, 4, size_gelu_tanh_backward),
    TEST(eq, 2),
    TEST(ne, 2),
    TEST(lt, 2),
    TEST(le, 2),
    TEST(gt, 2),
    TEST(ge, 2),
    LOGIC(logical_not, 1),
    LOGIC(logical_and, 2),
    LOGIC(logical_or, 2),
    LOGIC(logical_xor, 2),
};
enum { N_ENTRIES = sizeof entries / sizeof entries[0] };

/* ---- values ---- */

static uint32_t random_state = 1;
static uint32_t next_random(void) { return random_state = random_state * 1664525u + 1013904223u; }

static real get(ebb_dtype dtype, const void *p) {
    switch (dtype) {
    case EBB_I32: return *(const int32_t *)p;
    case EBB_I64: return (real) * (const int64_t *)p;
    case EBB_F16: return (real)ebb__f16_to_float(*(const uint16_t *)p);
    case EBB_BF16: return (real)ebb__bf16_to_float(*(const uint16_t *)p);
    case EBB_F32: return (real) * (const float *)p;
    case EBB_F64: return (real) * (const double *)p;
    default: return *(const uint8_t *)p;
    }
}

static void put(ebb_dtype dtype, void *p, real value) {
    switch (dtype) {
    case EBB_I32: *(int32_t *)p = (int32_t)(uint32_t)(int64_t)value; break;
    case EBB_I64: *(int64_t *)p = (int64_t)value; break;
    case EBB_F16: *(uint16_t *)p = ebb__f16_of_float((float)value); break;
    case EBB_BF16: *(uint16_t *)p = ebb__bf16_of_float((float)value); break;
    case EBB_F32: *(float *)p = (float)value; break;
    case EBB_F64: *(double *)p = (double)value; break;
    case EBB_U8: *(uint8_t *)p = (uint8_t)(int64_t)value; break;
    default: *(uint8_t *)p = value != 0; break;
    }
}

/* Mostly moderate numbers, with everything odd among them. */
static void put_any(ebb_dtype dtype, void *p) {
    static const real odd[] = {0,         -0.0L, 1,     -1,     2,      3,      0.5L,    INFINITY,
                               -INFINITY, NAN,   1e30L, -1e30L, 1e5L,   -300,   126.5L,  4e4L,
                               1e-40L,    16.5L, 2e14L, 88.5L,  -87.0L, 709.5L, 1e-310L, 0.25L};
    const uint32_t pick = next_random() >> 8;
    const real uniform = (real)(next_random() >> 8) / 8388608.0L - 1;
    if (dtype == EBB_I64 || dtype == EBB_I32) {
        const uint64_t bits = (uint64_t)next_random() << 32 | next_random();
        const int64_t whole = pick % 8 ? (int64_t)(uniform * 20) : (int64_t)bits;
        if (dtype == EBB_I64) {
            *(int64_t *)p = whole;
        } else {
            *(int32_t *)p = (int32_t)(uint32_t)whole;
        }
    } else if (ebb_dtype_is_floating(dtype)) {
        put(dtype, p,
            pick % 6 == 0 ? odd[pick / 6 % (sizeof odd / sizeof odd[0])] : uniform * (pick % 5 == 0 ? 50 : 4));
    } else {
        put(dtype, p, dtype == EBB_U8 ? (real)(pick & 255) : (real)(pick & 1));
    }
}

static double ulp_of(ebb_dtype dtype, real x) {
    x = fabsl(x);
    if (dtype == EBB_F32) {
        const float f = (float)x;
        return f >= FLT_MAX ? (double)(FLT_MAX - nextafterf(FLT_MAX, 0)) : (double)(nextafterf(f, INFINITY) - f);
    }
    const double f = (double)x;
    return f >= DBL_MAX ? DBL_MAX - nextafter(DBL_MAX, 0) : nextafter(f, INFINITY) - f;
}

/* got is the dtype's number nearest to want, or within `ulps` of it; overflow to infinity is right beyond the range. */
static bool close_to(ebb_dtype dtype, real got, real want, double ulps, real size) {
    if (got == want || (got != got && want != want)) return true;
    const real largest = dtype == EBB_F32 ? (real)FLT_MAX : (real)DBL_MAX;
    if (isinf((double)got)) return fabsl(want) > largest * (1 - 1e-7L) && (got > 0) == (want > 0);
    /* Below the normal numbers, half of an ulp may become a whole one. */
    const real least = dtype == EBB_F32 ? (real)FLT_MIN : (real)DBL_MIN;
    const double unit = ulp_of(dtype, fabsl(want) > size ? want : size);
    return fabsl(got - want) <= (real)unit * (fabsl(want) < 2 * least && ulps > 0 ? ulps + 1 : ulps);
}

/* 16-bit dtypes are converted, and computed in float32. */
static bool has_loops(int dtype) { return dtype != EBB_F16 && dtype != EBB_BF16; }

static int dtype_kind(ebb_dtype dtype) {
    return dtype == EBB_BOOL ? BOOL : ebb_dtype_is_floating(dtype) ? FLOATS : INTS;
}

/* ---- one element at a time against the formula ---- */

static void check_value(const struct entry *e, ebb_dtype dtype, const void *a, const void *b, const void *out) {
    const ebb_dtype out_dtype = e->to_bool ? EBB_BOOL : dtype;
    const real got = get(out_dtype, out);
    bool right;
    if (dtype_kind(dtype) == FLOATS) {
        const real x = get(dtype, a), y = get(dtype, b), size = e->size ? e->size(x, y) : 0;
        const bool cube = e->table == ebb__loops_pow && y == 3; /* x * x * x */
        const double ulps = cube ? 2.2 : e->ulps;
        right = close_to(out_dtype == EBB_BOOL ? EBB_F64 : dtype, got, e->real(x, y), ulps, size);
        if (e->size && !(size < (dtype == EBB_F32 ? (real)1e30L : (real)1e300L))) right = true; /* inner overflow, */
        if (e->size && fabsl(x) < 1e-30L) right = true;                                         /* or underflow */
    } else {
        real want = 0;
        char cut[8];
        put(out_dtype, cut, (real)e->whole((int64_t)get(dtype, a), (int64_t)get(dtype, b)));
        want = get(out_dtype, cut);
        right = got == want;
    }
    if (!right)
        fail_msg("%s %s, %s: (%.9Lg, %.9Lg) gives %.17Lg, not %.17Lg", ebb__kernel_isa(), e->name,
                 ebb_dtype_name(dtype), get(dtype, a), get(dtype, b), got,
                 dtype_kind(dtype) == FLOATS ? e->real(get(dtype, a), get(dtype, b)) : (real)0);
}

enum { N = 1000, ROOM = 3 * N * 8 };
static _Alignas(64) char buffer[4][ROOM], single[8];

static bool same_bits(ebb_dtype dtype, const void *a, const void *b) {
    const real x = get(dtype, a), y = get(dtype, b);
    return memcmp(a, b, ebb_dtype_size(dtype)) == 0 || (x != x && y != y);
}

/* One exponent for all is a root in pow: that of -inf is NaN and that of -0 is -0; the powers themselves are inf and
 * 0. */
static bool root_and_no_power(const struct entry *e, ebb_dtype dtype, const char *a, const char *b) {
    return e->table == ebb__loops_pow && dtype_kind(dtype) == FLOATS &&
           (get(dtype, a) == -INFINITY || get(dtype, a) == 0) && fabsl(get(dtype, b)) == 0.5L;
}

/* Every layout gives bit for bit what a call for one element gives. */
static void check_layout(const struct entry *e, ebb_dtype dtype, int64_t n, const int *steps) {
    const ebb_dtype out_dtype = e->to_bool ? EBB_BOOL : dtype;
    const int64_t size = (int64_t)ebb_dtype_size(dtype), out_size = (int64_t)ebb_dtype_size(out_dtype);
    const int64_t stride[3] = {steps[0] * out_size, steps[1] * size, steps[2] * size};
    char *p[3];
    for (int i = 0; i < 3; i++) p[i] = buffer[i] + (stride[i] < 0 ? -stride[i] * (N - 1) : 0);
    memset(buffer[0], 0x55, ROOM);
    e->table[dtype](n, p, stride, &alpha);
    for (int64_t i = 0; i < n; i++) {
        char *const q[3] = {single, p[1] + i * stride[1], p[2] + i * stride[2]};
        e->table[dtype](1, q, stride, &alpha);
        if (!same_bits(out_dtype, single, p[0] + i * stride[0]) && !root_and_no_power(e, dtype, q[1], q[2]))
            fail_msg("%s %s, %s: element %d of %d, steps %d %d %d, is %.17Lg, alone %.17Lg", ebb__kernel_isa(), e->name,
                     ebb_dtype_name(dtype), (int)i, (int)n, steps[0], steps[1], steps[2],
                     get(out_dtype, p[0] + i * stride[0]), get(out_dtype, single));
    }
    if (steps[0] == 1) CHECK((unsigned char)p[0][n * out_size] == 0x55); /* nothing behind the end was written */
}

static void check_in_place(const struct entry *e, ebb_dtype dtype) {
    const int64_t size = (int64_t)ebb_dtype_size(dtype), stride[3] = {size, size, size};
    memcpy(buffer[0], buffer[1], ROOM);
    e->table[dtype](N, (char *[]){buffer[0], buffer[0], buffer[2]}, stride, &alpha);
    e->table[dtype](N, (char *[]){buffer[3], buffer[1], buffer[2]}, stride, &alpha);
    for (int64_t i = 0; i < N; i++) CHECK(same_bits(dtype, buffer[0] + i * size, buffer[3] + i * size));
}

static void check_entry(const struct entry *e, ebb_dtype dtype) {
    static const int layouts[][3] = {{1, 1, 1}, {1, 1, 0}, {1, 0, 1},  {1, 0, 0},  {2, 1, 1}, {1, 2, 1},
                                     {1, 1, 3}, {3, 2, 1}, {1, -1, 1}, {-1, 1, 2}, {2, 0, 3}};
    static const int64_t counts[] = {0, 1, 3, 17, N};
    const size_t size = ebb_dtype_size(dtype);
    CHECK((e->table[dtype] != NULL) == ((e->dtypes & dtype_kind(dtype)) != 0));
    if (!e->table[dtype]) return;
    e->table[dtype](0, (char *[3]){NULL}, (int64_t[3]){0}, &alpha); /* an empty array has no first element */
    for (int i = 1; i < 3; i++)
        for (size_t j = 0; j < ROOM / size; j++) put_any(dtype, buffer[i] + j * size);
    for (size_t j = 0; j < 3 * N; j++) {
        char *const p[3] = {single, buffer[1] + j * size, buffer[2] + j * size};
        const int64_t none[3] = {0};
        if (strcmp(e->name, "add_scaled") == 0 && dtype_kind(dtype) != FLOATS) break; /* alpha becomes 0 */
        e->table[dtype](1, p, none, &alpha);
        check_value(e, dtype, p[1], p[2], single);
    }
    for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++)
        for (size_t j = 0; j < sizeof counts / sizeof counts[0]; j++) check_layout(e, dtype, counts[j], layouts[i]);
    if (!e->to_bool) check_in_place(e, dtype);
}

EBB_TEST(every_loop_in_every_layout) {
    for (int i = 0; i < 3; i++) {
        if (!ebb__kernel_use(isas[i])) continue;
        for (int j = 0; j < N_ENTRIES; j++)
            for (int d = EBB_BOOL; d < EBB_DTYPE_COUNT; d++)
                if (has_loops(d)) check_entry(&entries[j], (ebb_dtype)d);
    }
}

/* ---- the loops of another form ---- */

EBB_TEST(where_chooses) {
    for (int isa = 0; isa < 3; isa++) {
        if (!ebb__kernel_use(isas[isa])) continue;
        for (int d = EBB_BOOL; d < EBB_DTYPE_COUNT; d++) {
            if (!has_loops(d)) continue;
            const int64_t size = (int64_t)ebb_dtype_size((ebb_dtype)d);
            for (int64_t j = 0; j < ROOM / size; j++) {
                put_any((ebb_dtype)d, buffer[2] + j * size);
                put_any((ebb_dtype)d, buffer[3] + j * size);
            }
            for (int j = 0; j < N; j++) put_any(EBB_BOOL, buffer[1] + j);
            for (int layout = 0; layout < 8; layout++) {
                const int64_t n = 317, out = layout & 4 ? 2 * size : size;
                const int64_t stride[4] = {out, layout == 7 ? 0 : 1, layout & 1 ? 0 : size,
                                           layout & 2 ? 0 : 2 * size / (1 + (layout != 0))};
                ebb__loops_where[d](n, (char *[]){buffer[0], buffer[1], buffer[2], buffer[3]}, stride, NULL);
                for (int64_t j = 0; j < n; j++) {
                    const int from = buffer[1][j * stride[1]] ? 2 : 3;
                    CHECK(memcmp(buffer[0] + j * out, buffer[from] + j * stride[from], (size_t)size) == 0);
                }
            }
        }
    }
}

EBB_TEST(fill_fills) {
    for (int isa = 0; isa < 3; isa++) {
        if (!ebb__kernel_use(isas[isa])) continue;
        for (int d = EBB_BOOL; d < EBB_DTYPE_COUNT; d++) {
            if (!has_loops(d)) continue;
            const int64_t size = (int64_t)ebb_dtype_size((ebb_dtype)d);
            for (int64_t step = 1; step <= 2; step++) {
                put((ebb_dtype)d, single, 7);
                memset(buffer[0], 0, ROOM);
                ebb__loops_fill[d](19, (char *[]){buffer[0]}, (int64_t[]){step * size}, single);
                for (int64_t j = 0; j < 19; j++) CHECK(memcmp(buffer[0] + j * step * size, single, (size_t)size) == 0);
                CHECK(get((ebb_dtype)d, buffer[0] + 19 * step * size) == 0);
            }
        }
    }
}

/* What C, PyTorch and x86 agree on; the out-of-range rule of kernel.h is spelled out. */
static real converted(ebb_dtype to, ebb_dtype from, real x) {
    if (to == EBB_BOOL) return x != 0;
    if (to == EBB_F64) return (real)(double)x;
    if (to == EBB_F16) return (real)ebb__f16_to_float(ebb__f16_of_float((float)x));
    if (to == EBB_BF16) return (real)ebb__bf16_to_float(ebb__bf16_of_float((float)x));
    if (to == EBB_F32) return from == EBB_F64 ? (real)(float)(double)x : (real)(float)x;
    if (dtype_kind(from) != FLOATS) {
        const uint64_t bits = (uint64_t)(int64_t)x;
        return to == EBB_U8 ? (real)(bits & 255) : to == EBB_I32 ? (real)(int32_t)(uint32_t)bits : x;
    }
    if (to == EBB_I64) return x >= -0x1p63L && x < 0x1p63L ? truncl(x) : -0x1p63L;
    const real whole = truncl(x) >= -0x1p31L && truncl(x) < 0x1p31L ? truncl(x) : -0x1p31L;
    return to == EBB_I32 ? whole : (real)((uint64_t)(int64_t)whole & 255);
}

EBB_TEST(casts_between_all_pairs) {
    for (int isa = 0; isa < 3; isa++) {
        if (!ebb__kernel_use(isas[isa])) continue;
        for (int from = EBB_BOOL; from < EBB_DTYPE_COUNT; from++) {
            const int64_t size = (int64_t)ebb_dtype_size((ebb_dtype)from);
            for (int64_t j = 0; j < ROOM / size; j++) put_any((ebb_dtype)from, buffer[1] + j * size);
            for (int to = EBB_BOOL; to < EBB_DTYPE_COUNT; to++) {
                const int64_t out = (int64_t)ebb_dtype_size((ebb_dtype)to);
                for (int layout = 0; layout < 4; layout++) {
                    const int64_t stride[2] = {out * (1 + (layout & 1)), layout == 3 ? 0 : size * (1 + (layout >> 1))};
                    ebb__loops_cast[to][from](N, (char *[]){buffer[0], buffer[1]}, stride, NULL);
                    for (int64_t j = 0; j < N; j++) {
                        const real x = get((ebb_dtype)from, buffer[1] + j * stride[1]);
                        const real got = get((ebb_dtype)to, buffer[0] + j * stride[0]);
                        const real want = converted((ebb_dtype)to, (ebb_dtype)from, x);
                        if (got != want && !(got != got && want != want))
                            fail_msg("%s to %s: %.20Lg gives %.20Lg, not %.20Lg", ebb_dtype_name((ebb_dtype)from),
                                     ebb_dtype_name((ebb_dtype)to), x, got, want);
                    }
                }
            }
        }
    }
}

EBB_TEST(add_scaled_integers) {
    const ebb_setting three = {3, 3, EBB_I64, true};
    int64_t out[5], a[5] = {1, 2, 3, 4, INT64_MAX}, b[5] = {10, 20, -30, 0, 1};
    ebb__loops_add_scaled[EBB_I64](5, (char *[]){(char *)out, (char *)a, (char *)b}, (int64_t[]){8, 8, 8}, &three);
    CHECK(out[0] == 31 && out[1] == 62 && out[2] == -87 && out[3] == 4 && out[4] == INT64_MIN + 2);
}

EBB_TEST(an_unknown_instruction_set_is_refused) {
    const char *before = ebb__kernel_isa();
    CHECK(!ebb__kernel_use("sse9"));
    CHECK(strcmp(before, ebb__kernel_isa()) == 0);
}

EBB_TEST_MAIN
