/* Negative log likelihood of class numbers: picks from rows of log-probabilities, and the scatter that goes back. */
#include "base/base.h"
#include "kernel/kernel.h"

#include <string.h>

enum { GRAIN = 1 << 15 };

static double get(ebb_dtype dtype, const void *p, int64_t i) {
    return dtype == EBB_F32 ? (double)((const float *)p)[i] : ((const double *)p)[i];
}

static void put(ebb_dtype dtype, void *p, int64_t i, double value) {
    if (dtype == EBB_F32) {
        ((float *)p)[i] = (float)value;
    } else {
        ((double *)p)[i] = value;
    }
}

int64_t ebb__nll_forward(ebb_dtype dtype, int64_t rows, int64_t classes, const void *logp, const int64_t *target,
                         const void *weight, int64_t ignore_index, void *row_loss, double *ret_sum,
                         double *ret_weight) {
    double sum = 0, total = 0;
    for (int64_t i = 0; i < rows; i++)
        if (target[i] != ignore_index && (target[i] < 0 || target[i] >= classes)) return i;
    for (int64_t i = 0; i < rows; i++) {
        double loss = 0;
        if (target[i] != ignore_index) {
            const double w = weight ? get(dtype, weight, target[i]) : 1;
            loss = -w * get(dtype, logp, i * classes + target[i]);
            total += w;
        }
        sum += loss;
        if (row_loss) put(dtype, row_loss, i, loss);
    }
    *ret_sum = sum;
    *ret_weight = total;
    return -1;
}

struct scatter {
    ebb_dtype dtype;
    int64_t classes, grad_stride, ignore_index;
    const void *grad, *weight;
    double scale;
    const int64_t *target;
    char *dlogp;
};

static void scatter_rows(void *context, int64_t first, int64_t last) {
    const struct scatter *s = context;
    const size_t row = (size_t)s->classes * ebb_dtype_size(s->dtype);
    memset(s->dlogp + (size_t)first * row, 0, (size_t)(last - first) * row);
    for (int64_t i = first; i < last; i++) {
        const int64_t t = s->target[i];
        if (t == s->ignore_index) continue;
        const double w = s->weight ? get(s->dtype, s->weight, t) : 1;
        put(s->dtype, s->dlogp, i * s->classes + t, -w * s->scale * get(s->dtype, s->grad, i * s->grad_stride));
    }
}

void ebb__nll_backward(ebb_dtype dtype, int64_t rows, int64_t classes, const void *grad, int64_t grad_stride,
                       double scale, const int64_t *target, const void *weight, int64_t ignore_index, void *dlogp) {
    struct scatter s = {dtype, classes, grad_stride, ignore_index, grad, weight, scale, target, dlogp};
    if (rows < 1 || classes < 1) return;
    if (rows * classes <= GRAIN) {
        scatter_rows(&s, 0, rows);
    } else {
        ebb__parallel_for(rows, GRAIN / classes + 1, scatter_rows, &s);
    }
}
