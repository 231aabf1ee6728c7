/* The kernel layer's work on whole arrays: copies, reductions, softmax, random numbers, nll; against plain
 * loops, for every instruction set, and bit for bit the same for every number of threads. */
#include "tests/arrays.h"

#include "base/base.h"

#include <float.h>
#include <math.h>

/* Row-major strides of `shape`, in bytes, of dimensions in this order. */
static void strides_of(int ndim, const int64_t *shape, const int *order, int64_t size, int64_t *ret_stride) {
    for (int i = ndim - 1; i >= 0; i--) {
        ret_stride[order[i]] = size;
        size *= shape[order[i]];
    }
}

/* ---- copies ---- */

static void check_copy(int ndim, const int64_t *shape, ebb_dtype to, ebb_dtype from, const int *to_order,
                       const int *from_order) {
    int64_t total = 1, to_stride[4] = {0}, from_stride[4] = {0};
    for (int d = 0; d < ndim; d++) total *= shape[d];
    const int64_t to_size = (int64_t)ebb_dtype_size(to), from_size = (int64_t)ebb_dtype_size(from);
    strides_of(ndim, shape, to_order, to_size, to_stride);
    strides_of(ndim, shape, from_order, from_size, from_stride);
    char *src = random_array(from, total), *dst = calloc((size_t)total + 1, 8);
    ebb__copy(ndim, shape, to, dst, to_stride, from, src, from_stride);
    for (int64_t i = 0; i < total; i++) {
        int64_t rest = i, a = 0, b = 0;
        for (int d = ndim - 1; d >= 0; rest /= shape[d--])
            a += rest % shape[d] * to_stride[d], b += rest % shape[d] * from_stride[d];
        char want[8];
        ebb__loops_cast[to][from](1, (char *[]){want, src + b}, (int64_t[]){to_size, from_size}, NULL);
        if (memcmp(want, dst + a, (size_t)to_size) != 0) fail_msg("copy of %d dimensions, element %d", ndim, (int)i);
    }
    free(src);
    free(dst);
}

EBB_TEST(copies_of_all_layouts) {
    static const int64_t shapes[][4] = {{5, 7, 3, 2}, {64, 65, 1, 1}, {1, 130, 90, 2}, {2, 3, 60, 70}, {0, 3, 2, 2}};
    static const int orders[][4] = {{0, 1, 2, 3}, {3, 2, 1, 0}, {1, 0, 3, 2}, {0, 2, 1, 3}, {2, 0, 3, 1}};
    static const ebb_dtype pairs[][2] = {{EBB_F32, EBB_F32}, {EBB_F64, EBB_F64}, {EBB_U8, EBB_U8}, {EBB_F32, EBB_I64}};
    EACH_ISA(isa)
    for (int s = 0; s < 5; s++)
        for (int a = 0; a < 5; a++)
            for (int b = 0; b < 5; b++)
                for (int p = 0; p < 4; p++) check_copy(4, shapes[s], pairs[p][0], pairs[p][1], orders[a], orders[b]);
    float x = 3, y = 0;
    ebb__copy(0, NULL, EBB_F32, &y, NULL, EBB_F32, &x, NULL);
    CHECK(y == 3);
    float many[6];
    ebb__copy(2, (int64_t[]){2, 3}, EBB_F32, many, (int64_t[]){12, 4}, EBB_F32, &x, (int64_t[]){0, 0});
    for (int i = 0; i < 6; i++) CHECK(many[i] == 3);
}

/* So much that it goes past the caches: rows that begin and end inside of lines. */
EBB_TEST(copies_of_much) {
    enum { ROWS = 9, ROW = 1000003, APART = ROW + 13 };
    float *from = malloc(ROWS * ROW * sizeof *from), *to = malloc((ROWS * APART + 1) * sizeof *to);
    for (int i = 0; i < ROWS * ROW; i++) from[i] = (float)i;
    for (int i = 0; i <= ROWS * APART; i++) to[i] = -1;
    for (int threads = 1; threads < 3; threads++) {
        ebb_set_num_threads(threads);
        ebb__copy(2, (int64_t[]){ROWS, ROW}, EBB_F32, to + 1, (int64_t[]){APART * 4, 4}, EBB_F32, from,
                  (int64_t[]){ROW * 4, 4});
        for (int r = 0; r < ROWS; r++) {
            CHECK(memcmp(to + 1 + r * APART, from + r * ROW, ROW * sizeof *from) == 0);
            CHECK(to[r * APART] == -1 && to[1 + r * APART + ROW] == -1);
        }
        for (int r = 0; r < ROWS; r++) to[1 + r * APART + ROW / 2] = to[1 + r * APART] = 0;
    }
    ebb_set_num_threads(0);
    free(from), free(to);
}

/* ---- reductions ---- */

struct plan {
    int ndim;
    const int64_t *shape;
    int64_t src_stride[4], dst_stride[4], index_stride[4], total, outputs, held;
};

/* Elements lie `apart` times their size from each other, so that `held` are in memory. */
static struct plan make_plan(int ndim, const int64_t *shape, const int *order, unsigned reduced, int64_t size,
                             int64_t apart, int64_t out_size) {
    struct plan p = {.ndim = ndim, .shape = shape, .total = 1, .outputs = 1, .held = apart};
    strides_of(ndim, shape, order, size * apart, p.src_stride);
    for (int d = ndim - 1; d >= 0; d--) {
        p.total *= shape[d];
        p.held *= shape[d];
        if (reduced >> d & 1) continue;
        p.dst_stride[d] = p.outputs * out_size;
        p.index_stride[d] = p.outputs * 8;
        p.outputs *= shape[d];
    }
    return p;
}

static void locate(const struct plan *p, int64_t i, int64_t *ret_src, int64_t *ret_out, int64_t *ret_index) {
    int64_t position = 1;
    *ret_src = *ret_out = *ret_index = 0;
    for (int d = p->ndim - 1; d >= 0; i /= p->shape[d--]) {
        const int64_t at = i % p->shape[d];
        *ret_src += at * p->src_stride[d];
        *ret_out += at * p->index_stride[d] / 8;
        if (p->index_stride[d] == 0) *ret_index += at * position, position *= p->shape[d];
    }
}

static void check_sum(const struct plan *p, ebb_dtype in) {
    const ebb_dtype out = ebb_dtype_is_floating(in) ? in : EBB_I64;
    char *src = random_array(in, p->held), *dst = calloc((size_t)p->outputs, 8), *again = calloc((size_t)p->outputs, 8);
    double *want = calloc((size_t)p->outputs, 8), *size = calloc((size_t)p->outputs, 8);
    const int64_t width = (int64_t)ebb_dtype_size(in);
    for (int64_t i = 0; i < p->total; i++) {
        int64_t at, output, index;
        locate(p, i, &at, &output, &index);
        want[output] += get(in, src, at / width);
        size[output] += fabs(get(in, src, at / width));
    }
    ebb_set_num_threads(1);
    CHECK(!ebb__reduce_sum(p->ndim, p->shape, in, src, p->src_stride, out, dst, p->dst_stride));
    for (int64_t i = 0; i < p->outputs; i++) {
        const double got = get(out, dst, i), bound = (in == EBB_F64 ? 64 : 8) * epsilon(in) * size[i];
        if (!(fabs(got - want[i]) <= bound))
            fail_msg("sum %s %d of %d: %.17g, not %.17g", ebb_dtype_name(in), (int)i, (int)p->outputs, got, want[i]);
    }
    for (int threads = 2; threads < 5; threads++) {
        ebb_set_num_threads(threads);
        CHECK(!ebb__reduce_sum(p->ndim, p->shape, in, src, p->src_stride, out, again, p->dst_stride));
        CHECK(memcmp(dst, again, (size_t)p->outputs * ebb_dtype_size(out)) == 0);
    }
    ebb_set_num_threads(0);
    free(src), free(dst), free(again), free(want), free(size);
}

static long double folded(ebb__fold what, long double so_far, long double x, bool first) {
    switch (what) {
    case EBB__FOLD_PROD: return first ? x : so_far * x;
    case EBB__FOLD_COUNT: return so_far + (x != 0);
    case EBB__FOLD_NANSUM: return so_far + (isnan(x) ? 0 : x);
    case EBB__FOLD_ABS: return so_far + fabsl(x);
    case EBB__FOLD_SQUARES: return so_far + x * x;
    case EBB__FOLD_MAX_ABS: return fmaxl(so_far, fabsl(x));
    case EBB__FOLD_MIN_ABS: return first ? fabsl(x) : fminl(so_far, fabsl(x));
    default: return so_far + x;
    }
}

static void check_logsumexp(const struct plan *p, ebb_dtype in) {
    const int64_t width = (int64_t)ebb_dtype_size(in), most = p->outputs ? p->total / p->outputs : 0;
    char *src = random_array(in, p->held), *dst = calloc((size_t)p->outputs, 8), *again = calloc((size_t)p->outputs, 8);
    double *want = calloc((size_t)p->outputs, 8);
    /* from far below what has an exponential to far above: all of an output are moved alike */
    for (int64_t i = 0; i < p->held; i++) put(in, src, i, get(in, src, i) * 3 + 900);
    for (int64_t i = 0; i < p->total; i++) {
        int64_t at, output, index;
        locate(p, i, &at, &output, &index);
        want[output] += exp(get(in, src, at / width) - 900);
    }
    for (int threads = 1; threads < 4; threads++) {
        ebb_set_num_threads(threads);
        CHECK(!ebb__reduce_logsumexp(p->ndim, p->shape, in, src, p->src_stride, threads > 1 ? again : dst,
                                     p->dst_stride));
        CHECK(threads == 1 || memcmp(dst, again, (size_t)(p->outputs * width)) == 0);
    }
    ebb_set_num_threads(0);
    for (int64_t i = 0; i < p->outputs; i++) {
        const double got = get(in, dst, i), exact = most ? log(want[i]) + 900 : -INFINITY;
        if (!(fabs(got - exact) <= 4 * epsilon(in) * 900) && got != exact)
            fail_msg("logsumexp %s %d of %d: %.17g, not %.17g", ebb_dtype_name(in), (int)i, (int)p->outputs, got,
                     exact);
    }
    free(src), free(dst), free(again), free(want);
}

/* All folds but the sum. A product is checked where it is of few. */
static void check_fold(const struct plan *p, ebb__fold what, ebb_dtype in) {
    const ebb_dtype out = ebb_dtype_is_floating(in) && what != EBB__FOLD_COUNT ? in : EBB_I64;
    const int64_t width = (int64_t)ebb_dtype_size(in), most = p->outputs ? p->total / p->outputs : 0;
    const bool of_floats = what >= EBB__FOLD_NANSUM || what == EBB__FOLD_SQUARES;
    if ((!ebb_dtype_is_floating(in) && of_floats) || (what == EBB__FOLD_PROD && most > 6)) return;
    char *src = random_array(in, p->held), *dst = calloc((size_t)p->outputs, 8);
    long double *want = calloc((size_t)p->outputs, sizeof *want), *size = calloc((size_t)p->outputs, sizeof *size);
    bool *seen = calloc((size_t)p->outputs, 1);
    for (int64_t i = 0; i < p->held && (what == EBB__FOLD_NANSUM || what == EBB__FOLD_COUNT); i += 5)
        put(in, src, i, what == EBB__FOLD_NANSUM ? NAN : 0);
    for (int64_t i = 0; i < p->total; i++) {
        int64_t at, output, index;
        locate(p, i, &at, &output, &index);
        const long double x = get(in, src, at / width);
        want[output] = folded(what, want[output], x, !seen[output]);
        size[output] = folded(what, size[output], fabsl(x), !seen[output]);
        seen[output] = true;
    }
    CHECK(!ebb__reduce_fold(what, p->ndim, p->shape, in, src, p->src_stride, out, dst, p->dst_stride));
    for (int64_t i = 0; i < p->outputs; i++) {
        const double got = get(out, dst, i), bound = (in == EBB_F64 ? 512 : 16) * epsilon(in) * (double)size[i];
        if (!(fabs(got - (double)want[i]) <= bound))
            fail_msg("fold %d of %s: %.17g, not %.17g", (int)what, ebb_dtype_name(in), got, (double)want[i]);
    }
    free(src), free(dst), free(want), free(size), free(seen);
}

/* Against two passes over all. The distance from zero must not matter. */
static void check_var(const struct plan *p, ebb_dtype dtype) {
    const int64_t width = (int64_t)ebb_dtype_size(dtype);
    char *src = random_array(dtype, p->held), *dst = calloc((size_t)p->outputs, 8),
         *mid = calloc((size_t)p->outputs, 8);
    double *mean = calloc((size_t)p->outputs, 8), *var = calloc((size_t)p->outputs, 8), n = 0;
    for (int64_t i = 0; i < p->held; i++) put(dtype, src, i, get(dtype, src, i) + 100);
    for (int pass = 0; pass < 2; pass++) {
        for (int64_t i = 0; i < p->total; i++) {
            int64_t at, output, index;
            locate(p, i, &at, &output, &index);
            const double x = get(dtype, src, at / width), d = x - mean[output];
            if (pass) var[output] += d * d;
            else mean[output] += x;
        }
        n = p->outputs ? (double)(p->total / p->outputs) : 0;
        for (int64_t i = 0; i < p->outputs; i++) *(pass ? &var[i] : &mean[i]) /= n;
    }
    CHECK(!ebb__reduce_var(p->ndim, p->shape, dtype, src, p->src_stride, 0, false, dst, mid, p->dst_stride));
    for (int64_t i = 0; i < p->outputs; i++) {
        CHECK_CLOSE(get(dtype, mid, i), mean[i], dtype == EBB_F32 ? 1e-7 : 1e-14);
        if (!(fabs(get(dtype, dst, i) - var[i]) <= (dtype == EBB_F32 ? 1e-6 : 1e-11) * var[i] + 1e-20))
            fail_msg("variance %.17g, not %.17g", get(dtype, dst, i), var[i]);
    }
    free(src), free(dst), free(mid), free(mean), free(var);
}

static void check_extreme(const struct plan *p, ebb_dtype dtype, bool max, bool with_nan) {
    const int64_t width = (int64_t)ebb_dtype_size(dtype);
    char *src = random_array(dtype, p->held), *dst = calloc((size_t)p->outputs, 8),
         *plain = calloc((size_t)p->outputs, 8);
    int64_t *index = calloc((size_t)p->outputs, 8), *want_index = calloc((size_t)p->outputs, 8);
    double *want = calloc((size_t)p->outputs, 8);
    for (int64_t i = 0; i < p->outputs; i++) want_index[i] = -1;
    if (with_nan)
        for (int64_t i = 0; i < p->held; i += 7) put(dtype, src, i, NAN);
    for (int64_t i = 0; i < p->total; i++) {
        int64_t at, output, k;
        locate(p, i, &at, &output, &k);
        const double x = get(dtype, src, at / width), best = want[output];
        if (want_index[output] >= 0 && !((max ? x > best : x < best) || (x != x && best == best))) continue;
        want[output] = x;
        want_index[output] = k;
    }
    ebb_status (*reduce)(int, const int64_t *, ebb_dtype, const void *, const int64_t *, void *, const int64_t *,
                         int64_t *, const int64_t *) = max ? ebb__reduce_max : ebb__reduce_min;
    CHECK(!reduce(p->ndim, p->shape, dtype, src, p->src_stride, dst, p->dst_stride, index, p->index_stride));
    CHECK(!reduce(p->ndim, p->shape, dtype, src, p->src_stride, plain, p->dst_stride, NULL, NULL));
    for (int64_t i = 0; i < p->outputs; i++) {
        const double a = get(dtype, dst, i), b = get(dtype, plain, i);
        CHECK((a == want[i] || (a != a && want[i] != want[i])) && (b == want[i] || (b != b && want[i] != want[i])));
        CHECK(index[i] == want_index[i]);
    }
    memset(index, 0, (size_t)p->outputs * 8);
    CHECK(!reduce(p->ndim, p->shape, dtype, src, p->src_stride, NULL, NULL, index, p->index_stride));
    for (int64_t i = 0; i < p->outputs; i++) CHECK(index[i] == want_index[i]);
    free(src), free(dst), free(plain), free(index), free(want_index), free(want);
}

EBB_TEST(reductions_of_all_layouts) {
    static const int64_t shapes[][4] = {{3, 5, 7, 11},   {1, 40, 300, 1}, {2, 1, 1, 9000},
                                        {300, 2, 50, 1}, {1, 1, 1, 1},    {1, 2, 20, 800}};
    static const int orders[][4] = {{0, 1, 2, 3}, {3, 2, 1, 0}, {1, 0, 3, 2}, {2, 3, 0, 1}};
    EACH_ISA(isa)
    for (int s = 0; s < 6; s++)
        for (int o = 0; o < 4; o++)
            for (unsigned reduced = 0; reduced < 16; reduced += CHECK_STEP(5))
                for (int d = EBB_BOOL; d < EBB_DTYPE_COUNT; d++) {
                    if (d == EBB_F16 || d == EBB_BF16 || (s == 3 && (d < EBB_F32 || reduced % 3))) continue;
                    if (s == 5 && (d < EBB_F32 || o > 1)) continue;
                    const ebb_dtype dtype = (ebb_dtype)d;
                    const int64_t size = (int64_t)ebb_dtype_size(dtype), apart = 1 + (o + (int)reduced) % 2;
                    struct plan p = make_plan(4, shapes[s], orders[o], reduced, size, apart,
                                              ebb_dtype_is_floating(dtype) ? size : 8);
                    check_sum(&p, dtype);
                    for (ebb__fold fold = EBB__FOLD_PROD; fold < EBB__FOLDS; fold++) {
                        struct plan counted = make_plan(4, shapes[s], orders[o], reduced, size, apart, 8);
                        check_fold(fold == EBB__FOLD_COUNT ? &counted : &p, fold, dtype);
                    }
                    if (ebb_dtype_is_floating(dtype)) check_var(&p, dtype), check_logsumexp(&p, dtype);
                    p = make_plan(4, shapes[s], orders[o], reduced, size, apart, size);
                    check_extreme(&p, dtype, s & 1, false);
                    if (d >= EBB_F32) check_extreme(&p, dtype, o & 1, true);
                }
}

/* By rows and along runs, of few and of so many that parts of them are merged. */
EBB_TEST(logsumexp_at_the_edges) {
    static const struct {
        double first, others, want;
    } cases[] = {{-INFINITY, -INFINITY, -INFINITY},
                 {INFINITY, 0, INFINITY},
                 {INFINITY, INFINITY, INFINITY},
                 {INFINITY, -INFINITY, INFINITY},
                 {1000, -INFINITY, 1000},
                 {-1000, -INFINITY, -1000},
                 {NAN, 0, NAN},
                 {NAN, INFINITY, NAN},
                 {NAN, -INFINITY, NAN},
                 {FLT_MAX, -INFINITY, FLT_MAX},
                 {-FLT_MAX, -INFINITY, -FLT_MAX}};
    static const int64_t counts[] = {1, 2, 17, 100, 5000, 300000};
    double *x = malloc(2 * 300000 * sizeof *x);
    EACH_ISA(isa)
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++)
        for (int s = 0; s < 12; s++)
            for (int rows = 0; rows < 2; rows++)
                for (int64_t n = counts[s / 2], place = 0; place < n; place += n / 2 + 1) {
                    const ebb_dtype dtype = s % 2 ? EBB_F64 : EBB_F32;
                    const int64_t size = (int64_t)ebb_dtype_size(dtype);
                    const int64_t along = rows ? 2 * size : size, beside = rows ? size : size * n;
                    const double most = dtype == EBB_F64 ? DBL_MAX : FLT_MAX, first = cases[c].first;
                    double y[2] = {7, 7}, want = n == 1 ? first : cases[c].want;
                    if (isfinite(first) && fabs(first) > 1e4) want = copysign(most, first);
                    for (int64_t i = 0; i < 2 * n; i++) put(dtype, x, i, cases[c].others);
                    for (int k = 0; k < 2; k++)
                        put(dtype, x, (place * along + k * beside) / size,
                            isfinite(first) && fabs(first) > 1e4 ? copysign(most, first) : first);
                    CHECK(!ebb__reduce_logsumexp(2, (int64_t[]){n, 2}, dtype, x, (int64_t[]){along, beside}, y,
                                                 (int64_t[]){0, size}));
                    for (int k = 0; k < 2; k++)
                        if (!(isnan(want) ? isnan(get(dtype, y, k)) : get(dtype, y, k) == want))
                            fail_msg("logsumexp of %g and %d times %g: %g, not %g", first, (int)n - 1, cases[c].others,
                                     get(dtype, y, k), want);
                }
    free(x);
    CHECK(ebb__reduce_logsumexp(1, (int64_t[]){1}, EBB_I64, NULL, (int64_t[]){8}, NULL, (int64_t[]){0}) ==
          EBB_ERR_DTYPE);
    CHECK_ERROR(EBB_ERR_DTYPE, "int64");
}

EBB_TEST(reductions_of_much_and_of_nothing) {
    enum { MANY = 3000000 };
    float *x = malloc(MANY * sizeof *x), sum = 0;
    double exact = 0;
    for (int i = 0; i < MANY; i++) x[i] = (float)(uniform() + 1), exact += (double)x[i];
    CHECK(!ebb__reduce_sum(1, (int64_t[]){MANY}, EBB_F32, x, (int64_t[]){4}, EBB_F32, &sum, (int64_t[]){0}));
    CHECK_CLOSE((double)sum, exact, 2e-7);
    float columns[2], first[2] = {0};
    for (int threads = 1; threads < 9; threads++) { /* two columns of many rows: cut into parts */
        ebb_set_num_threads(threads);
        CHECK(!ebb__reduce_sum(2, (int64_t[]){MANY / 2, 2}, EBB_F32, x, (int64_t[]){8, 4}, EBB_F32, columns,
                               (int64_t[]){0, 4}));
        if (threads == 1) memcpy(first, columns, sizeof first);
        CHECK(memcmp(first, columns, sizeof first) == 0);
    }
    ebb_set_num_threads(0);
    free(x);
    float nothing[3] = {7, 7, 7};
    int64_t index[3];
    CHECK(!ebb__reduce_sum(2, (int64_t[]){3, 0}, EBB_F32, nothing, (int64_t[]){0, 4}, EBB_F32, nothing,
                           (int64_t[]){4, 0}));
    CHECK(nothing[0] == 0 && nothing[1] == 0 && nothing[2] == 0);
    CHECK(!ebb__reduce_sum(2, (int64_t[]){0, 4}, EBB_F32, nothing, (int64_t[]){16, 4}, EBB_F32, nothing,
                           (int64_t[]){4, 0}));
    CHECK(ebb__reduce_max(2, (int64_t[]){3, 0}, EBB_F32, nothing, (int64_t[]){4, 4}, nothing, (int64_t[]){4, 0}, index,
                          (int64_t[]){8, 0}) == EBB_ERR_SHAPE);
    CHECK_ERROR(EBB_ERR_SHAPE, "no elements");
    CHECK(ebb__reduce_sum(0, NULL, EBB_F32, nothing, NULL, EBB_F64, nothing, NULL) == EBB_ERR_DTYPE);
    CHECK_ERROR(EBB_ERR_DTYPE, "float32");
}

/* ---- softmax ---- */

static void check_softmax(ebb_dtype dtype, int64_t outer, int64_t n, int64_t inner) {
    const int64_t total = outer * n * inner;
    void *x = random_array(dtype, total), *g = random_array(dtype, total), *out[4];
    for (int i = 0; i < 4; i++) out[i] = calloc((size_t)total + 1, 8);
    CHECK(!ebb__softmax(dtype, outer, n, inner, x, out[0]));
    CHECK(!ebb__log_softmax(dtype, outer, n, inner, x, out[1]));
    CHECK(!ebb__softmax_backward(dtype, outer, n, inner, g, out[0], out[2]));
    CHECK(!ebb__log_softmax_backward(dtype, outer, n, inner, g, out[1], out[3]));
    const double tolerance = 8 * epsilon(dtype) * (1 + (double)n / 8);
    for (int64_t o = 0; o < outer; o++)
        for (int64_t j = 0; j < inner; j++) {
            double sum = 0, gy = 0, gs = 0;
            const int64_t at = o * n * inner + j;
            for (int64_t k = 0; k < n; k++)
                sum += exp(get(dtype, x, at + k * inner)), gs += get(dtype, g, at + k * inner);
            for (int64_t k = 0; k < n; k++)
                gy += get(dtype, g, at + k * inner) * exp(get(dtype, x, at + k * inner)) / sum;
            for (int64_t k = 0; k < n; k++) {
                const int64_t i = at + k * inner;
                const double y = exp(get(dtype, x, i)) / sum;
                CHECK_CLOSE(get(dtype, out[0], i), y, tolerance);
                CHECK_CLOSE(get(dtype, out[1], i), log(y), tolerance);
                CHECK_CLOSE(get(dtype, out[2], i), y * (get(dtype, g, i) - gy), tolerance);
                CHECK_CLOSE(get(dtype, out[3], i), get(dtype, g, i) - y * gs, tolerance);
            }
        }
    CHECK(!ebb__softmax(dtype, outer, n, inner, x, x)); /* in place */
    CHECK(memcmp(x, out[0], (size_t)total * ebb_dtype_size(dtype)) == 0);
    free(x), free(g);
    for (int i = 0; i < 4; i++) free(out[i]);
}

EBB_TEST(softmax_and_back) {
    static const int64_t shapes[][3] = {{3, 10, 1},  {1, 1, 1}, {2, 33, 5}, {400, 100, 1},
                                        {2, 7, 300}, {0, 3, 1}, {3, 0, 2}};
    EACH_ISA(isa)
    for (int i = 0; i < 7; i++)
        for (int d = EBB_F32; d <= EBB_F64; d++) check_softmax((ebb_dtype)d, shapes[i][0], shapes[i][1], shapes[i][2]);
    EACH_ISA(isa) {
        const double x[3] = {-INFINITY, 1000, -INFINITY};
        double y[3];
        CHECK(!ebb__softmax(EBB_F64, 1, 3, 1, x, y));
        CHECK(y[0] == 0 && y[1] == 1 && y[2] == 0);
        CHECK(!ebb__softmax(EBB_F64, 1, 2, 1, (double[]){NAN, 1}, y));
        CHECK(isnan(y[0]) && isnan(y[1]));
    }
    CHECK(ebb__softmax(EBB_I64, 1, 1, 1, NULL, NULL) == EBB_ERR_DTYPE);
    CHECK_ERROR(EBB_ERR_DTYPE, "int64");
}

/* ---- random numbers ---- */

EBB_TEST(random_numbers_by_position) {
    enum { MANY = 100001 };
    double *x = malloc(MANY * 8), *y = malloc(MANY * 8);
    float *f = malloc(MANY * 4);
    double mean = 0, square = 0;
    CHECK(ebb__random_blocks(EBB__UNIFORM, EBB_F32, 9) == 3 && ebb__random_blocks(EBB__NORMAL, EBB_F64, 9) == 5);
    CHECK(!ebb__random_uniform(EBB_F64, 42, 7, MANY, x));
    CHECK(!ebb__random_uniform(EBB_F32, 42, 7, MANY, f));
    for (int i = 0; i < MANY; i++) {
        CHECK(x[i] >= 0 && x[i] < 1 && f[i] >= 0 && f[i] < 1);
        mean += x[i] / MANY;
    }
    CHECK_CLOSE(mean, 0.5, 0.005);
    uint32_t words[4];
    ebb__philox(42, 7, words);
    CHECK(f[0] == (float)(words[0] >> 8) / 16777216.0f && f[3] == (float)(words[3] >> 8) / 16777216.0f);
    mean = 0;
    CHECK(!ebb__random_normal(EBB_F64, 42, 7, MANY, x));
    CHECK(!ebb__random_normal(EBB_F32, 42, 7, MANY, f));
    for (int i = 0; i < MANY; i++) {
        CHECK(isfinite(x[i]) && isfinite(f[i]));
        mean += x[i] / MANY;
        square += x[i] * x[i] / MANY;
    }
    CHECK_CLOSE(mean, 0, 0.015);
    CHECK_CLOSE(square, 1, 0.02);
    const double u = ((double)words[0] + 0.5) / 4294967296.0, v = words[1] / 4294967296.0; /* against libm */
    CHECK_CLOSE((double)f[0], sqrt(-2 * log(u)) * cos(6.283185307179586477 * v), 1e-7);
    CHECK_CLOSE((double)f[1], sqrt(-2 * log(u)) * sin(6.283185307179586477 * v), 1e-7);
    CHECK(!ebb__random_normal(EBB_F64, 42, 9, MANY - 4, y)); /* two blocks on: four elements on */
    CHECK(memcmp(x + 4, y, (MANY - 4) * 8) == 0);
    ebb_set_num_threads(1);
    CHECK(!ebb__random_normal(EBB_F64, 42, 7, MANY, y));
    CHECK(memcmp(x, y, MANY * 8) == 0);
    ebb_set_num_threads(0);
    free(x), free(y), free(f);
    CHECK(ebb__random_normal(EBB_I64, 1, 0, 1, &mean) == EBB_ERR_DTYPE);
    CHECK_ERROR(EBB_ERR_DTYPE, "int64");
}

EBB_TEST(random_integers) {
    enum { MANY = 60000 };
    static int64_t x[MANY];
    int64_t count[6] = {0};
    ebb__random_integer(3, 0, MANY, -2, 4, x);
    for (int i = 0; i < MANY; i++) {
        CHECK(x[i] >= -2 && x[i] < 4);
        count[x[i] + 2]++;
    }
    for (int i = 0; i < 6; i++) CHECK(llabs(count[i] - MANY / 6) < 500);
    ebb__random_integer(3, 0, MANY, INT64_MIN, INT64_MAX, x); /* a range whose rejection happens */
    ebb__random_integer(3, 0, MANY, INT64_MIN / 2 - 1, INT64_MAX / 2, x);
    for (int i = 0; i < MANY; i++) CHECK(x[i] >= INT64_MIN / 2 - 1 && x[i] < INT64_MAX / 2);
}

/* ---- negative log likelihood ---- */

EBB_TEST(nll_forward_and_back) {
    const float logp[6] = {-1, -2, -3, -4, -5, -6}, weight[3] = {1, 10, 100}, grad = 2;
    float loss[2], back[6];
    double sum, total;
    CHECK(ebb__nll_forward(EBB_F32, 2, 3, logp, (int64_t[]){1, 2}, weight, -100, loss, &sum, &total) == -1);
    CHECK(loss[0] == 20 && loss[1] == 600 && sum == 620 && total == 110);
    CHECK(ebb__nll_forward(EBB_F32, 2, 3, logp, (int64_t[]){-100, 0}, NULL, -100, loss, &sum, &total) == -1);
    CHECK(loss[0] == 0 && loss[1] == 4 && sum == 4 && total == 1);
    CHECK(ebb__nll_forward(EBB_F32, 2, 3, logp, (int64_t[]){0, 3}, NULL, -100, NULL, &sum, &total) == 1);
    CHECK(ebb__nll_forward(EBB_F32, 2, 3, logp, (int64_t[]){-1, 3}, NULL, -100, NULL, &sum, &total) == 0);
    ebb__nll_backward(EBB_F32, 2, 3, &grad, 0, 0.5, (int64_t[]){1, -100}, weight, -100, back);
    for (int i = 0; i < 6; i++) CHECK(back[i] == (i == 1 ? -10.0f : 0.0f));
}

EBB_TEST_MAIN
