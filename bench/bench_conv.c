/* Convolutions as in ResNet-18 and around it: forward, and both gradients together, in GFLOP/s of the arithmetic that
 * the definition asks for; poolings and resamplings in GB/s of what is read and written. */
#include "bench/bench.h"
#include <ebb/ebb.h>

enum { BATCH = 8, REPEATS = 7 };

static void report(const char *name, const char *what, double *seconds, double amount, const char *unit) {
    char label[96];
    (void)snprintf(label, sizeof label, "%s, %s", name, what);
    bench_sort(seconds, REPEATS);
    bench_report(label, amount / seconds[REPEATS / 2] * 1e-9, amount / seconds[REPEATS - 1] * 1e-9, unit);
}

static void check(ebb_status status) {
    if (status) exit(ebb_perror("bench_conv"));
}

static void convolution(int64_t in, int64_t size, int64_t out, int64_t kernel, int64_t stride, int64_t groups) {
    const int64_t result = (size + 2 * (kernel / 2) - kernel) / stride + 1;
    const double work = 2.0 * BATCH * (double)(out * (in / groups) * kernel * kernel * result * result);
    double forward[REPEATS], backward[REPEATS];
    char name[64];
    (void)snprintf(name, sizeof name, "%lldx%lldx%lld, %lldx%lld to %lld%s%s", (long long)in, (long long)size,
                   (long long)size, (long long)kernel, (long long)kernel, (long long)out,
                   stride > 1 ? ", stride 2" : "", groups > 1 ? ", depthwise" : "");
    for (int i = -2; i < REPEATS; i++) {
        EBB_SCOPE {
            ebb_tensor *x = ebb_randn(EBB_DIMS(BATCH, in, size, size), .requires_grad = true);
            ebb_tensor *w = ebb_randn(EBB_DIMS(out, in / groups, kernel, kernel), .requires_grad = true);
            ebb_tensor *g = ebb_randn(EBB_DIMS(BATCH, out, result, result));
            double start = bench_now();
            ebb_tensor *y =
                ebb_conv2d(x, w, .stride = EBB_DIMS(stride), .padding = EBB_DIMS(kernel / 2), .groups = groups);
            double middle = bench_now();
            check(ebb_backward(y, .gradient = g));
            if (i < 0) break;
            forward[i] = middle - start;
            backward[i] = bench_now() - middle;
        }
    }
    report(name, "forward", forward, work, "GFLOP/s");
    report(name, "backward", backward, 2 * work, "GFLOP/s");
}

enum { MAX_POOL, AVERAGE, ADAPTIVE, BILINEAR, NEAREST };

static ebb_tensor *layer(ebb_tensor *x, int kind) {
    switch (kind) {
    case MAX_POOL: return ebb_max_pool2d(x, EBB_DIMS(3), .stride = EBB_DIMS(2), .padding = EBB_DIMS(1));
    case AVERAGE: return ebb_avg_pool2d(x, EBB_DIMS(2));
    case ADAPTIVE: return ebb_adaptive_avg_pool2d(x, EBB_DIMS(1));
    case BILINEAR: return ebb_interpolate(x, .scale_factor = EBB_FLOATS(2), .mode = EBB_BILINEAR);
    default: return ebb_interpolate(x, .scale_factor = EBB_FLOATS(2));
    }
}

static void streaming(const char *name, int64_t channels, int64_t size, int kind) {
    double forward[REPEATS], backward[REPEATS], bytes = 0;
    for (int i = -2; i < REPEATS; i++) {
        EBB_SCOPE {
            ebb_tensor *x = ebb_randn(EBB_DIMS(BATCH, channels, size, size), .requires_grad = true);
            double start = bench_now();
            ebb_tensor *y = layer(x, kind);
            double middle = bench_now();
            ebb_tensor *g = ebb_ones_like(y);
            bytes = 4.0 * (double)(ebb_tensor_numel(x) + ebb_tensor_numel(y));
            double after = bench_now();
            check(ebb_backward(y, .gradient = g));
            if (i < 0) break;
            forward[i] = middle - start;
            backward[i] = bench_now() - after;
        }
    }
    report(name, "forward", forward, bytes, "GB/s");
    report(name, "backward", backward, bytes, "GB/s");
}

int main(int argc, char **argv) {
    bench_begin(argc, argv, "convolutions, batch of 8, float32");
    convolution(3, 224, 64, 7, 2, 1);
    convolution(64, 56, 64, 3, 1, 1);
    convolution(64, 56, 128, 3, 2, 1);
    convolution(64, 56, 128, 1, 2, 1);
    convolution(128, 28, 128, 3, 1, 1);
    convolution(256, 14, 256, 3, 1, 1);
    convolution(512, 7, 512, 3, 1, 1);
    convolution(256, 56, 64, 1, 1, 1);
    convolution(128, 28, 128, 3, 1, 128);
    streaming("max_pool2d 64x112x112, 3x3, stride 2", 64, 112, MAX_POOL);
    streaming("avg_pool2d 64x56x56, 2x2", 64, 56, AVERAGE);
    streaming("adaptive_avg_pool2d 512x7x7 to 1", 512, 7, ADAPTIVE);
    streaming("interpolate 64x56x56 by 2, nearest", 64, 56, NEAREST);
    streaming("interpolate 64x56x56 by 2, bilinear", 64, 56, BILINEAR);
    return ebb_error() ? ebb_perror("bench_conv") : 0;
}
