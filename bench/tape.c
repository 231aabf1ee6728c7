/* A tape of scalars, what classical tools of automatic differentiation are made for: y = 0.5 y + sin(x[i] y) +
 * x[i] / (1 + y^2), from y = 0.1, over 1,000 inputs x[i] = 0.5 + 0.001 i, 100 times. */
#include "bench/bench.h"

#include <math.h>

enum { INPUTS = 1000, SWEEPS = 100 };
static const double expected_y = 1.74469301728, expected_norm = 243.180432734; /* to the digits given */

static ebb_tensor *function(ebb_tensor *x) {
    ebb_list xs = ebb_unbind(x);
    ebb_tensor *y = ebb_scalar(0.1, .dtype = EBB_F64);
    for (int sweep = 0; sweep < SWEEPS; sweep++)
        EBB_SCOPE { /* what the graph does not need is released with each sweep */
            for (int64_t i = 0; i < xs.n; i++) {
                ebb_tensor *x_i = xs.t[i];
                y = ebb_add(ebb_add(ebb_mul(y, 0.5), ebb_sin(ebb_mul(x_i, y))),
                            ebb_div(x_i, ebb_add(ebb_square(y), 1.0)));
            }
            (void)ebb_scope_hand(y);
        }
    return y;
}

static ebb_tensor *gradient(bench_job *job, double *ret_y) {
    ebb_tensor *y = function(job->t[0]), *dx = NULL;
    (void)ebb_grad(EBB_LIST(y), EBB_LIST(job->t[0]), &dx);
    if (ret_y) *ret_y = ebb_item(y);
    return dx;
}

static ebb_tensor *once(bench_job *job) {
    if (bench_arg_is(job, 0, "gradient")) return gradient(job, NULL);
    ebb_tensor *y = NULL;
    EBB_NO_GRAD { y = function(job->t[0]); }
    return y;
}

static void setup(bench_job *job) {
    EBB_SCOPE {
        ebb_tensor *x = bench_own(job, ebb_add(ebb_mul(ebb_arange(0, INPUTS, 1, .dtype = EBB_F64), 0.001), 0.5));
        (void)ebb_requires_grad_(x, true);
    }
    job->compute = once;
}

static void check(bench_job *job) {
    EBB_SCOPE {
        double y = 0;
        const double norm = ebb_item(ebb_norm(gradient(job, &y)));
        bench_note(job, y);
        bench_note(job, norm);
        if (fabs(y - expected_y) > 1e-11 || fabs(norm - expected_norm) > 1e-8)
            (void)ebb_fail(EBB_ERR_ARGUMENT, "%s: y is %.12g, not %.12g, or the gradient's norm %.12g, not %.12g",
                           job->name, y, expected_y, norm, expected_norm);
    }
}

const struct bench_family bench_tape = {
    .name = "tape",
    .cases = (const char *const[]){"{function,gradient}", NULL},
    .unit = "s",
    .tolerance = 1e-10,
    .setup = setup,
    .once = bench_once,
    .check = check,
};
