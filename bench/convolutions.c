/* Convolutions of ResNet-18's shapes, forward and either gradient; poolings and resamplings around them. A batch of
 * 8. */
#include "bench/bench.h"

enum { BATCH = 8 };
enum { IN, SIZE, OUT, KERNEL, STRIDE, GROUPS };

static bool wants_gradient(const bench_job *job) { return !bench_arg_is(job, 1, "forward"); }

/* The tensor whose gradient is asked for: the input, or the weight. */
static ebb_tensor *subject(const bench_job *job) { return job->t[bench_arg_is(job, 1, "weight")]; }

static ebb_tensor *convolve(bench_job *job) {
    int64_t s[6] = {0, 0, 0, 0, 1, 1};
    (void)bench_arg_sizes(job, 0, s, 6);
    return ebb_conv2d(job->t[0], job->t[1], .stride = EBB_DIMS(s[STRIDE]), .padding = EBB_DIMS(s[KERNEL] / 2),
                      .groups = s[GROUPS]);
}

/* Gradients are timed over a recorded result (t[3]), which is kept. */
static ebb_tensor *gradient(bench_job *job) {
    ebb_tensor *d = NULL;
    (void)ebb_grad(EBB_LIST(job->t[3]), EBB_LIST(subject(job)), &d, .grad_outputs = EBB_LIST(job->t[2]),
                   .retain_graph = true);
    return d;
}

static void prepare(bench_job *job, ebb_tensor *(*forward)(bench_job *)) {
    job->compute = wants_gradient(job) ? gradient : forward;
    if (wants_gradient(job)) (void)ebb_requires_grad_(subject(job), true);
    EBB_SCOPE {
        ebb_tensor *y = forward(job);
        const ebb_dims shape = ebb_tensor_shape(y);
        (void)bench_input(job, "g", EBB_F32, shape, 1.0);
        (void)bench_own(job, y);
        job->bytes = 4.0 * (double)(ebb_tensor_numel(job->t[0]) + ebb_tensor_numel(y));
    }
}

static void conv_setup(bench_job *job) {
    int64_t s[6] = {0, 0, 0, 0, 1, 1};
    if (bench_arg_sizes(job, 0, s, 6) < 5) {
        BENCH_UNKNOWN(job, 0);
        return;
    }
    const int64_t size = (s[SIZE] + 2 * (s[KERNEL] / 2) - s[KERNEL]) / s[STRIDE] + 1;
    (void)bench_input(job, "x", EBB_F32, EBB_DIMS(BATCH, s[IN], s[SIZE], s[SIZE]), 1.0);
    (void)bench_input(job, "weight", EBB_F32, EBB_DIMS(s[OUT], s[IN] / s[GROUPS], s[KERNEL], s[KERNEL]), 1.0);
    prepare(job, convolve);
    job->dtype = EBB_F32;
    const int64_t inputs = s[IN] / s[GROUPS] * s[KERNEL] * s[KERNEL]; /* of one output */
    job->flops = 2.0 * BATCH * (double)(s[OUT] * inputs * size * size);
}

const struct bench_family bench_conv = {
    .name = "conv",
    .cases =
        (const char *const[]){"{3x224x64x7x2,64x56x64x3x1,64x56x128x3x2,64x56x128x1x2,128x28x128x3x1,256x14x256x3x1,"
                              "512x7x512x3x1,256x56x64x1x1,128x28x128x3x1x128,64x32x64x3x1}/{forward,input,weight}",
                              NULL},
    .unit = "s",
    .tolerance = 3e-5,
    .setup = conv_setup,
    .once = bench_once,
    .check = bench_check,
};

/* ---- poolings and resamplings ---- */

static ebb_tensor *pool(bench_job *job) {
    ebb_tensor *x = job->t[0];
    if (bench_arg_is(job, 0, "max"))
        return ebb_max_pool2d(x, EBB_DIMS(3), .stride = EBB_DIMS(2), .padding = EBB_DIMS(1));
    if (bench_arg_is(job, 0, "average")) return ebb_avg_pool2d(x, EBB_DIMS(2));
    if (bench_arg_is(job, 0, "adaptive")) return ebb_adaptive_avg_pool2d(x, EBB_DIMS(1));
    if (bench_arg_is(job, 0, "nearest")) return ebb_interpolate(x, .scale_factor = EBB_FLOATS(2));
    if (bench_arg_is(job, 0, "bilinear"))
        return ebb_interpolate(x, .scale_factor = EBB_FLOATS(2), .mode = EBB_BILINEAR);
    BENCH_UNKNOWN(job, 0);
    return NULL;
}

static void pool_setup(bench_job *job) {
    const bool maximum = bench_arg_is(job, 0, "max"), adaptive = bench_arg_is(job, 0, "adaptive");
    const int64_t channels = adaptive ? 512 : 64, size = maximum ? 112 : adaptive ? 7 : 56;
    (void)bench_input(job, "x", EBB_F32, EBB_DIMS(BATCH, channels, size, size), 1.0);
    (void)bench_own(job, job->t[0]); /* where convolutions have their weight */
    prepare(job, pool);
}

const struct bench_family bench_pool = {
    .name = "pool",
    .cases = (const char *const[]){"{max,average,adaptive,nearest,bilinear}/{forward,input}", NULL},
    .unit = "s",
    .tolerance = 1e-5,
    .setup = pool_setup,
    .once = bench_once,
    .check = bench_check,
};
