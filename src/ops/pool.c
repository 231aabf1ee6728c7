/* The shapes and windows of pooling, by kernel sizes or adapted to the size of the output. */
#include "ops/pool.h"

static ebb_status check_input(const struct ebb__pooling *o, const ebb_dims *x) {
    if (x->n != o->n + 1 && x->n != o->n + 2)
        return ebb_fail(EBB_ERR_SHAPE, "expected an input of %d dimensions, or %d without a batch; got %d", o->n + 2,
                        o->n + 1, (int)x->n);
    /* What is adapted may lack whatever comes first, averages of one and two dimensions any channels. */
    int from = x->n - o->n - 1;
    if (o->adaptive) from = o->max || o->n == 3 ? 1 : x->n - o->n;
    for (int i = from; i < x->n; i++)
        if (x->d[i] == 0) return ebb_fail(EBB_ERR_SHAPE, "only the batch may be empty, not dimension %d", i);
    return EBB_OK;
}

static ebb_status adapted(const struct ebb__pooling *o, struct ebb__pool_sizes *s) {
    ebb_status status = ebb__spatial("output_size", &o->output_size, o->n, -1, 1, s->out);
    for (int d = 3 - o->n; d < 3 && !status; d++) {
        if (s->out[d] == -1) s->out[d] = s->in[d];
        if (s->out[d] < 0)
            status = ebb_fail(EBB_ERR_ARGUMENT, "output_size must not be negative, got %lld", (long long)s->out[d]);
    }
    if (!status && o->output_size.n == 0) status = ebb_fail(EBB_ERR_ARGUMENT, "output_size is empty");
    return status;
}

static ebb_status read_options(const struct ebb__pooling *o, struct ebb__pool_sizes *s) {
    if (o->kernel_size.n == 0) return ebb_fail(EBB_ERR_ARGUMENT, "kernel_size is empty");
    ebb_status status = ebb__spatial("kernel_size", &o->kernel_size, o->n, 1, 1, s->kernel);
    if (!status)
        status = o->stride.n ? ebb__spatial("stride", &o->stride, o->n, 1, 1, s->stride)
                             : ebb__spatial("kernel_size", &o->kernel_size, o->n, 1, 1, s->stride);
    if (!status) status = ebb__spatial("padding", &o->padding, o->n, 0, 0, s->padding);
    if (!status) status = ebb__spatial("dilation", &o->dilation, o->n, 1, 1, s->dilation);
    return status;
}

/* The number of windows along dimension d. With ceil_mode the last may reach beyond the end, but must begin before
 * it. */
static int64_t windows(const struct ebb__pooling *o, const struct ebb__pool_sizes *s, int d) {
    int64_t room = s->in[d] + 2 * s->padding[d] - s->dilation[d] * (s->kernel[d] - 1) - 1;
    if (o->ceil_mode) room += s->stride[d] - 1;
    if (room < 0) return 0;
    int64_t n = room / s->stride[d] + 1;
    return o->ceil_mode && (n - 1) * s->stride[d] >= s->in[d] + s->padding[d] ? n - 1 : n;
}

static ebb_status by_kernel(const struct ebb__pooling *o, struct ebb__pool_sizes *s) {
    ebb_status status = read_options(o, s);
    for (int d = 3 - o->n; d < 3 && !status; d++) {
        if (s->kernel[d] < 1 || s->stride[d] < 1 || s->dilation[d] < 1 || s->kernel[d] > INT32_MAX ||
            s->stride[d] > INT32_MAX || s->dilation[d] > INT32_MAX)
            status = ebb_fail(EBB_ERR_ARGUMENT, "kernel_size, stride and dilation must be greater than zero");
        else if (s->padding[d] < 0 || s->padding[d] > s->kernel[d] / 2)
            status = ebb_fail(EBB_ERR_ARGUMENT, "padding must be between 0 and half of kernel_size %lld, got %lld",
                              (long long)s->kernel[d], (long long)s->padding[d]);
        else if ((s->out[d] = windows(o, s, d)) < 1)
            status = ebb_fail(EBB_ERR_SHAPE, "no window of extent %lld fits into size %lld",
                              (long long)(s->dilation[d] * (s->kernel[d] - 1) + 1), (long long)s->in[d]);
    }
    return status;
}

ebb_status ebb__pool_sizes(const struct ebb__pooling *o, const ebb_dims *x, struct ebb__pool_sizes *ret_sizes) {
    struct ebb__pool_sizes *s = ret_sizes;
    ebb_status status = check_input(o, x);
    if (status) return status;
    for (int d = 0; d < 3; d++) {
        s->in[d] = d < 3 - o->n ? 1 : x->d[x->n - 3 + d];
        s->out[d] = s->kernel[d] = s->stride[d] = s->dilation[d] = 1;
        s->padding[d] = 0;
    }
    status = o->adaptive ? adapted(o, s) : by_kernel(o, s);
    s->result = *x;
    for (int d = 3 - o->n; d < 3; d++) s->result.d[x->n - 3 + d] = s->out[d];
    return status;
}

struct window {
    int64_t start, length, count;
};

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

static struct window window(const struct ebb__pooling *o, const struct ebb__pool_sizes *s, int d, int64_t i) {
    const int64_t in = s->in[d], out = s->out[d];
    if (o->adaptive) {
        const int64_t start = i / out * in + i % out * in / out, end = ((i + 1) * in + out - 1) / out;
        return (struct window){start, end - start, end - start};
    }
    const int64_t step = s->dilation[d], from = i * s->stride[d] - s->padding[d];
    const int64_t skipped = from < 0 ? (-from + step - 1) / step : 0, start = from + skipped * step;
    const int64_t fit = start < in ? (in - start - 1) / step + 1 : 0;
    const int64_t length = least(s->kernel[d] - skipped, fit);
    const int64_t padded = least(from + s->kernel[d], in + s->padding[d]) - from;
    return (struct window){start, length, o->count_include_pad ? padded : length};
}

void *ebb__pool_windows(const struct ebb__pooling *o, const ebb_dims *x, ebb_dtype dtype, ebb__pool *ret_pool,
                        size_t *ret_bytes) {
    struct ebb__pool_sizes s;
    if (ebb__pool_sizes(o, x, &s)) return NULL;
    *ret_bytes = (size_t)(s.out[0] + s.out[1] + s.out[2]) * 3 * sizeof(int64_t);
    int64_t *block = ebb__alloc(*ret_bytes), *at = block;
    if (!block) return NULL;
    bool empty = false;
    *ret_pool = (ebb__pool){.dtype = dtype, .planes = 1, .divisor = o->divisor};
    for (int i = 0; i < x->n - o->n; i++) ret_pool->planes *= x->d[i];
    for (int d = 0; d < 3; d++, at += 3 * s.out[d - 1]) {
        const int64_t n = s.out[d];
        for (int64_t i = 0; i < n; i++) {
            const struct window w = window(o, &s, d, i);
            empty = empty || w.length < 1;
            at[i] = w.start;
            at[n + i] = w.length;
            at[2 * n + i] = w.count;
        }
        ret_pool->w[d] = (ebb__windows){s.in[d], n, s.dilation[d], at, at + n, at + 2 * n};
    }
    if (empty) { /* between dilated taps */
        ebb_fail(EBB_ERR_ARGUMENT, "a window lies in the padding only");
        ebb__free(block, *ret_bytes);
        return NULL;
    }
    return block;
}
