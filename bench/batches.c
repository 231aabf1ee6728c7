/* Many derivatives at once: a loop over directions or samples, and the same in one pass on a batch (ebb_vmap). The
 * network is tanh(W2 tanh(W1 x)) with square weights, in float64. */
#include "bench/bench.h"

enum { FIRST, SECOND, INPUT, SAMPLES };

static ebb_status network(ebb_list in, ebb_outputs *ret_out, void *context) {
    bench_job *job = context;
    ret_out->t[ret_out->n++] = ebb_tanh(ebb_mv(job->t[SECOND], ebb_tanh(ebb_mv(job->t[FIRST], in.t[0]))));
    return ebb_error_status();
}

static ebb_status energy(ebb_list in, ebb_outputs *ret_out, void *context) {
    if (network(in, ret_out, context)) return ebb_error_status();
    ret_out->t[0] = ebb_sum(ebb_square(ret_out->t[0]));
    return ebb_error_status();
}

/* The gradient of one sample's energy by both weights, which are the inputs, as is the sample. */
static ebb_status sample_energy(ebb_list in, ebb_outputs *ret_out, void *context) {
    (void)context;
    ebb_tensor *y = ebb_tanh(ebb_mv(in.t[1], ebb_tanh(ebb_mv(in.t[0], in.t[2]))));
    ret_out->t[ret_out->n++] = ebb_sum(ebb_square(y));
    return ebb_error_status();
}

static ebb_status sample_gradient(ebb_list in, ebb_outputs *ret_out, void *context) {
    ebb_tensor *g[3];
    if (ebb_value_and_grad(sample_energy, context, in, NULL, g, .argnums = EBB_DIMS(0, 1))) return ebb_error_status();
    ret_out->t[ret_out->n++] = g[0];
    ret_out->t[ret_out->n++] = g[1];
    return EBB_OK;
}

static ebb_tensor *sample_gradients(bench_job *job, bool batched) {
    ebb_tensor *samples = job->t[SAMPLES], *rows[1024];
    ebb_outputs out = {0};
    if (batched) {
        ebb_list in = EBB_LIST(job->t[FIRST], job->t[SECOND], samples);
        if (ebb_vmap(sample_gradient, NULL, in, &out, .in_dims = EBB_INTS(EBB_UNBATCHED, EBB_UNBATCHED, 0)))
            return NULL;
        return out.t[0];
    }
    int64_t n = ebb_tensor_size(samples, 0);
    for (int64_t i = 0; i < n && i < 1024; i++) {
        out.n = 0;
        ebb_list in = EBB_LIST(job->t[FIRST], job->t[SECOND], ebb_select(samples, 0, i));
        if (sample_gradient(in, &out, NULL)) return NULL;
        rows[i] = out.t[0];
    }
    return ebb_stack(((ebb_list){n, rows}), 0);
}

static ebb_tensor *evaluate(bench_job *job) {
    bool batched = bench_arg_is(job, 1, "vectorized");
    ebb_list list = {0}, x = EBB_LIST(job->t[INPUT]);
    ebb_status status = EBB_OK;
    if (bench_arg_is(job, 0, "samples")) return sample_gradients(job, batched);
    if (bench_arg_is(job, 0, "hessian")) status = ebb_hessian(energy, job, x, &list, .vectorize = batched);
    else
        status = ebb_jacobian(network, job, x, &list, .vectorize = batched,
                              .mode = bench_arg_is(job, 0, "forward") ? EBB_MODE_FORWARD : EBB_MODE_REVERSE);
    return status ? NULL : list.t[0];
}

static void once(bench_job *job) {
    EBB_SCOPE { (void)evaluate(job); }
}

static void check(bench_job *job) {
    EBB_SCOPE { bench_note_tensor(job, evaluate(job)); }
}

static void setup(bench_job *job) {
    int64_t n = 0;
    if (bench_arg_sizes(job, 2, &n, 1) != 1) {
        BENCH_UNKNOWN(job, 2);
        return;
    }
    (void)bench_input(job, "first", EBB_F64, EBB_DIMS(n, n), 0.2);
    (void)bench_input(job, "second", EBB_F64, EBB_DIMS(n, n), 0.2);
    (void)bench_input(job, "input", EBB_F64, EBB_DIMS(n), 1.0);
    (void)bench_input(job, "samples", EBB_F64, EBB_DIMS(n, n), 1.0);
    job->dtype = EBB_F64;
}

const struct bench_family bench_batches = {
    .name = "batches",
    .cases = (const char *const[]){"{reverse,forward,hessian,samples}/{loop,vectorized}/{8,64,256}", NULL},
    .unit = "s",
    .tolerance = 1e-9,
    .setup = setup,
    .once = once,
    .check = check,
};
