/* Matrix products: square, GPT-2's and those of perceptrons; every transpose; batches; float32 and float64. And the
 * built-in code alone, which runs where no library is. */
#include "bench/bench.h"
#include "kernel/isa.h"
#include "kernel/kernel.h"

enum { M, N, K };

static ebb_tensor *multiply(bench_job *job) { return ebb_matmul(job->t[0], job->t[1]); }

/* An operand (batch, rows, columns), or its transpose's transpose: 't' lies transposed in memory. */
static ebb_tensor *operand(bench_job *job, const char *name, char layout, int64_t batch, int64_t rows,
                           int64_t columns) {
    const bool t = layout == 't';
    const int64_t inner[2] = {t ? columns : rows, t ? rows : columns};
    ebb_tensor *x =
        bench_data(name, job->dtype, batch ? EBB_DIMS(batch, inner[0], inner[1]) : EBB_DIMS(inner[0], inner[1]), 1.0);
    ebb_tensor *kept = NULL;
    EBB_SCOPE { kept = bench_own(job, t ? ebb_transpose(x, -2, -1) : x); }
    (void)ebb_drop(x);
    return kept;
}

static void setup(bench_job *job, int64_t batch, const int64_t *size) {
    const char *layout = bench_arg(job, 1);
    job->dtype = bench_arg_dtype(job, 0);
    job->compute = multiply;
    (void)operand(job, "a", layout[0], batch, size[M], size[K]);
    (void)operand(job, "b", layout[1], batch, size[K], size[N]);
    const double count = batch ? (double)batch : 1;
    job->flops = 2 * count * (double)(size[M] * size[N] * size[K]);
    job->bytes = count * (double)ebb_dtype_size(job->dtype) *
                 (double)(size[M] * size[K] + size[K] * size[N] + size[M] * size[N]);
}

static void gemm_setup(bench_job *job) {
    int64_t size[3];
    if (bench_arg_sizes(job, 2, size, 3) == 3) setup(job, 0, size);
    else BENCH_UNKNOWN(job, 2);
}

static void bmm_setup(bench_job *job) {
    int64_t size[4];
    if (bench_arg_sizes(job, 2, size, 4) == 4) setup(job, size[0], size + 1);
    else BENCH_UNKNOWN(job, 2);
}

static void builtin_setup(bench_job *job) {
    gemm_setup(job);
    EBB_SCOPE {
        (void)bench_own(job, ebb_empty(EBB_DIMS(ebb_tensor_size(job->t[0], 0), ebb_tensor_size(job->t[1], 1)),
                                       .dtype = job->dtype));
    }
}

static void builtin_once(bench_job *job) {
    const ebb_dims a = ebb_tensor_strides(job->t[0]), b = ebb_tensor_strides(job->t[1]);
    const int64_t m = ebb_tensor_size(job->t[0], 0), k = ebb_tensor_size(job->t[0], 1),
                  n = ebb_tensor_size(job->t[1], 1);
    ebb__isa.gemm[job->dtype](m, n, k, ebb_tensor_data(job->t[0]), a.d[0], a.d[1], ebb_tensor_data(job->t[1]), b.d[0],
                              b.d[1], NULL, ebb_tensor_data(job->t[2]), n, NULL);
}

static void builtin_check(bench_job *job) {
    builtin_once(job);
    bench_note_tensor(job, job->t[2]);
}

const struct bench_family bench_gemm = {
    .name = "gemm",
    .cases =
        (const char *const[]){
            "f32/{nn,nt,tn}/{32x32x32,64x128x784,256x1024x1024,256x768x768,256x3072x768,1024x1024x1024}",
            "f32/tt/{256x768x768,1024x1024x1024}", "f32/{nn,nt,tn}/{32x1x32,1x1024x1024,1024x1x1024}",
            "f32/nt/256x50257x768",
            "bf16/{nn,nt,tn}/{32x32x32,64x128x784,256x1024x1024,256x768x768,256x3072x768,1024x1024x1024}",
            "bf16/nt/256x50257x768", "f64/{nn,nt,tn}/{32x32x32,512x512x512}", "f64/nn/{64x128x784,1024x1024x1024}",
            NULL},
    .unit = "s",
    .tolerance = 2e-5,
    .setup = gemm_setup,
    .once = bench_once,
    .check = bench_check,
};

const struct bench_family bench_bmm = {
    .name = "bmm",
    .cases = (const char *const[]){"f32/{nn,nt,tn}/{48x64x64x64,48x128x128x64,1000x8x8x8}",
                                   "f64/nn/{48x64x64x64,1000x8x8x8}", NULL},
    .unit = "s",
    .tolerance = 2e-5,
    .setup = bmm_setup,
    .once = bench_once,
    .check = bench_check,
};

const struct bench_family bench_builtin = {
    .name = "builtin",
    .cases = (const char *const[]){"{f32,f64}/{nn,nt,tn}/{32x32x32,256x768x768}", NULL},
    .unit = "s",
    .tolerance = 2e-5,
    .setup = builtin_setup,
    .once = builtin_once,
    .check = builtin_check,
};
