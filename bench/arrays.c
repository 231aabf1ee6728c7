/* Operators that move more than they compute: elementwise, reductions, rows that are normalized, copies by index; from
 * a thousand elements to ten million, contiguous and strided. */
#include "bench/bench.h"

#include <string.h>

typedef struct entry {
    const char *name;
    ebb_tensor *(*compute)(bench_job *job);
} entry;

/* Sets job->compute to the entry that argument 0 names. */
static void choose(bench_job *job, const entry *entries, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (bench_arg_is(job, 0, entries[i].name)) job->compute = entries[i].compute;
    if (!job->compute) BENCH_UNKNOWN(job, 0);
}
#define CHOOSE(job, entries) choose(job, entries, sizeof(entries) / sizeof *(entries))

/* n elements as a matrix whose rows have 100 or 1,000. */
static ebb_dims matrix_of(int64_t n) {
    const int64_t columns = n <= 10000 ? 100 : 1000;
    return EBB_DIMS(n / columns, columns);
}

/* A matrix as tensor of the job, in a layout: contiguous, sliced (every second column of a wider one), transposed, row
 * (one row for all). */
static ebb_tensor *matrix(bench_job *job, const char *name, ebb_dims shape, const char *layout) {
    const int64_t r = shape.d[0], c = shape.d[1];
    ebb_tensor *x, *kept = NULL;
    if (!strcmp(layout, "contiguous")) return bench_input(job, name, EBB_F32, shape, 1.0);
    EBB_SCOPE {
        if (!strcmp(layout, "sliced")) {
            x = bench_data(name, EBB_F32, EBB_DIMS(r, 2 * c), 1.0);
            kept = bench_own(job, ebb_slice(x, 1, 0, 2 * c, .step = 2));
        } else if (!strcmp(layout, "transposed")) {
            x = bench_data(name, EBB_F32, EBB_DIMS(c, r), 1.0);
            kept = bench_own(job, ebb_transpose(x, 0, 1));
        } else {
            x = bench_data(name, EBB_F32, EBB_DIMS(c), 1.0);
            kept = bench_own(job, x);
        }
        (void)ebb_drop(x);
    }
    return kept;
}

/* ---- elementwise: x in the layout, y contiguous (a row for "row") ---- */

#define X job->t[0]
#define Y job->t[1]
static ebb_tensor *run_add(bench_job *job) { return ebb_add(X, Y); }
static ebb_tensor *run_mul(bench_job *job) { return ebb_mul(X, Y); }
static ebb_tensor *run_lt(bench_job *job) { return ebb_lt(X, Y); }
static ebb_tensor *run_where(bench_job *job) { return ebb_where(job->t[2], X, Y); }
static ebb_tensor *run_scale(bench_job *job) { return ebb_mul(X, 0.5); }
static ebb_tensor *run_relu(bench_job *job) { return ebb_relu(X); }
static ebb_tensor *run_exp(bench_job *job) { return ebb_exp(X); }
static ebb_tensor *run_log(bench_job *job) { return ebb_log(Y); }
static ebb_tensor *run_sin(bench_job *job) { return ebb_sin(X); }
static ebb_tensor *run_tanh(bench_job *job) { return ebb_tanh(X); }
static ebb_tensor *run_sigmoid(bench_job *job) { return ebb_sigmoid(X); }
static ebb_tensor *run_gelu(bench_job *job) { return ebb_gelu(X); }

static void elementwise_setup(bench_job *job) {
    static const entry entries[] = {{"add", run_add},     {"mul", run_mul},         {"lt", run_lt},
                                    {"where", run_where}, {"scale", run_scale},     {"relu", run_relu},
                                    {"exp", run_exp},     {"log", run_log},         {"sin", run_sin},
                                    {"tanh", run_tanh},   {"sigmoid", run_sigmoid}, {"gelu", run_gelu}};
    const int64_t n = bench_arg_size(job, 1);
    const char *layout = bench_arg(job, 2);
    const bool row = bench_arg_is(job, 2, "row"), binary = bench_arg_is(job, 0, "add") || bench_arg_is(job, 0, "mul") ||
                                                           bench_arg_is(job, 0, "lt") || bench_arg_is(job, 0, "where");
    CHOOSE(job, entries);
    (void)matrix(job, "x", matrix_of(n), row ? "contiguous" : layout);
    (void)matrix(job, "y", matrix_of(n), row ? "row" : "contiguous");
    EBB_SCOPE { (void)bench_own(job, ebb_gt(Y, 0.0)); }
    if (bench_arg_is(job, 0, "log")) (void)ebb_add_(Y, 2.0);
    job->bytes = 4.0 * (double)n * (binary && !row ? 3 : 2);
}

const struct bench_family bench_elementwise = {
    .name = "elementwise",
    .cases =
        (const char *const[]){
            "{add,mul,lt,where,scale,relu,exp,log,sin,tanh,sigmoid,gelu}/{1e3,1e4,1e5,1e6,1e7}/contiguous",
            "{add,relu,exp}/{1e4,1e6}/{sliced,transposed}", "add/{1e4,1e6}/row", NULL},
    .unit = "s",
    .tolerance = 2e-6,
    .setup = elementwise_setup,
    .once = bench_once,
    .check = bench_check,
};

/* ---- reductions: over all, each row (the last dimension), each column (the first) ---- */

static ebb_dims over(bench_job *job) {
    return bench_arg_is(job, 1, "all") ? EBB_NO_DIMS : bench_arg_is(job, 1, "last") ? EBB_DIMS(1) : EBB_DIMS(0);
}

static ebb_tensor *run_sum(bench_job *job) { return ebb_sum(X, .dim = over(job)); }
static ebb_tensor *run_amax(bench_job *job) { return ebb_amax(X, .dim = over(job)); }
static ebb_tensor *run_var(bench_job *job) { return ebb_var(X, .dim = over(job)); }
static ebb_tensor *run_logsumexp(bench_job *job) {
    return ebb_logsumexp(X, bench_arg_is(job, 1, "all") ? EBB_DIMS(0, 1) : over(job));
}
static ebb_tensor *run_argmax(bench_job *job) { return ebb_argmax(X, .dim = over(job)); }

static void reduce_setup(bench_job *job) {
    static const entry entries[] = {
        {"sum", run_sum}, {"amax", run_amax}, {"argmax", run_argmax}, {"var", run_var}, {"logsumexp", run_logsumexp}};
    const int64_t n = bench_arg_size(job, 2);
    CHOOSE(job, entries);
    (void)matrix(job, "x", matrix_of(n), bench_arg(job, 3));
    job->bytes = 4.0 * (double)n;
}

const struct bench_family bench_reduce = {
    .name = "reduce",
    .cases = (const char *const[]){"{sum,amax,argmax,var,logsumexp}/{all,last,first}/{1e3,1e4,1e5,1e6,1e7}/contiguous",
                                   "sum/{all,last,first}/1e6/{sliced,transposed}", NULL},
    .unit = "s",
    .tolerance = 5e-6,
    .setup = reduce_setup,
    .once = bench_once,
    .check = bench_check,
};

/* ---- rows: forward, or the gradient too ---- */

static ebb_tensor *forward_softmax(bench_job *job) { return ebb_softmax(X, 1); }
static ebb_tensor *forward_log_softmax(bench_job *job) { return ebb_log_softmax(X, 1); }
static ebb_tensor *forward_layer_norm(bench_job *job) {
    return ebb_layer_norm(X, EBB_DIMS(ebb_tensor_size(X, 1)), .weight = job->t[2], .bias = job->t[3]);
}
static ebb_tensor *forward_cross_entropy(bench_job *job) { return ebb_cross_entropy(X, job->t[4]); }

static ebb_tensor *row_result(bench_job *job) {
    static const entry entries[] = {{"softmax", forward_softmax},
                                    {"log_softmax", forward_log_softmax},
                                    {"layer_norm", forward_layer_norm},
                                    {"cross_entropy", forward_cross_entropy}};
    CHOOSE(job, entries);
    ebb_tensor *(*forward)(bench_job *) = job->compute;
    ebb_tensor *y = forward ? forward(job) : NULL, *dx = NULL;
    if (!bench_arg_is(job, 2, "gradient")) return y;
    (void)ebb_grad(EBB_LIST(y), EBB_LIST(X), &dx, .grad_outputs = EBB_LIST(ebb_tensor_ndim(y) ? Y : NULL));
    return dx;
}

static void rowwise_once(bench_job *job) {
    EBB_SCOPE { (void)row_result(job); }
}
static void rowwise_check(bench_job *job) {
    EBB_SCOPE { bench_note_tensor(job, row_result(job)); }
}

static void rowwise_setup(bench_job *job) {
    const int64_t n = bench_arg_size(job, 1);
    const ebb_dims shape = matrix_of(n);
    const bool gradient = bench_arg_is(job, 2, "gradient");
    (void)ebb_requires_grad_(bench_input(job, "x", EBB_F32, shape, 2.0), gradient);
    (void)bench_input(job, "g", EBB_F32, shape, 1.0);
    (void)ebb_requires_grad_(bench_input(job, "weight", EBB_F32, EBB_DIMS(shape.d[1]), 1.0), false);
    (void)bench_input(job, "bias", EBB_F32, EBB_DIMS(shape.d[1]), 1.0);
    (void)bench_input_indices(job, "target", shape.d[1], EBB_DIMS(shape.d[0]));
    const bool scalar = bench_arg_is(job, 0, "cross_entropy");
    job->bytes = 4.0 * (double)n * ((scalar ? 1 : 2) + (gradient ? scalar ? 2 : 3 : 0));
}

const struct bench_family bench_rowwise = {
    .name = "rowwise",
    .cases =
        (const char *const[]){"{softmax,log_softmax,layer_norm,cross_entropy}/{1e3,1e4,1e5,1e6,1e7}/{forward,gradient}",
                              NULL},
    .unit = "s",
    .tolerance = 1e-5,
    .setup = rowwise_setup,
    .once = rowwise_once,
    .check = rowwise_check,
};

/* ---- moving: X a matrix, Y another, t[2] places in rows, t[3] rows ---- */

static ebb_tensor *run_clone(bench_job *job) { return ebb_clone(X); }
static ebb_tensor *run_transpose(bench_job *job) { return ebb_contiguous(ebb_transpose(X, 0, 1)); }
static ebb_tensor *run_heads(bench_job *job) { /* what attention does to (batch, time, heads, width) */
    const int64_t r = ebb_tensor_size(X, 0), c = ebb_tensor_size(X, 1);
    return ebb_contiguous(ebb_permute(ebb_view(X, EBB_DIMS(r / 10, 10, 10, c / 10)), EBB_DIMS(0, 2, 1, 3)));
}
static ebb_tensor *run_cat(bench_job *job) { return ebb_cat(EBB_LIST(X, Y), 1); }
static ebb_tensor *run_gather(bench_job *job) { return ebb_gather(X, job->t[2], 1); }
static ebb_tensor *run_scatter_add(bench_job *job) { return ebb_scatter_add(Y, job->t[2], X, 1); }
static ebb_tensor *run_index_select(bench_job *job) { return ebb_index_select(X, job->t[3], 0); }
static ebb_tensor *run_index_add(bench_job *job) { return ebb_index_add(Y, job->t[3], X, 0); }

static void move_setup(bench_job *job) {
    static const entry entries[] = {{"clone", run_clone},
                                    {"transpose", run_transpose},
                                    {"heads", run_heads},
                                    {"cat", run_cat},
                                    {"gather", run_gather},
                                    {"scatter_add", run_scatter_add},
                                    {"index_select", run_index_select},
                                    {"index_add", run_index_add}};
    const int64_t n = bench_arg_size(job, 1);
    const ebb_dims shape = matrix_of(n);
    const bool places = bench_arg_is(job, 0, "gather") || bench_arg_is(job, 0, "scatter_add");
    const bool two = places || bench_arg_is(job, 0, "cat") || bench_arg_is(job, 0, "index_add");
    CHOOSE(job, entries);
    (void)bench_input(job, "x", EBB_F32, shape, 1.0);
    (void)bench_input(job, "y", EBB_F32, shape, 1.0);
    (void)bench_input_indices(job, "places", shape.d[1], shape);
    (void)bench_input_indices(job, "rows", shape.d[0], EBB_DIMS(shape.d[0]));
    job->bytes = (double)n * (places ? 4 * 2 + 8 : two ? 16 : 8);
}

const struct bench_family bench_move = {
    .name = "move",
    .cases =
        (const char *const[]){
            "{clone,transpose,heads,cat,gather,scatter_add,index_select,index_add}/{1e3,1e4,1e5,1e6,1e7}", NULL},
    .unit = "s",
    .tolerance = 1e-5,
    .setup = move_setup,
    .once = bench_once,
    .check = bench_check,
};
