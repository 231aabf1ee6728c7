/* Connectionist temporal classification: the likelihood of a label sequence, and its gradient, by the forward-backward
 * recursions in the logarithm (A. Graves, S. Fernandez, F. Gomez, J. Schmidhuber, "Connectionist temporal
 * classification", ICML 2006, equations 5 to 16). */
#include "base/base.h"
#include "kernel/kernel.h"

#include <math.h>
#include <string.h>

/* One sequence: its labels with blanks between and around them are the `states`. */
struct sequence {
    const struct ebb__ctc *c;
    const int64_t *target;
    int64_t n, frames, labels, states;
};

static double get(const struct sequence *s, const void *p, int64_t t, int64_t class) {
    const int64_t i = (t * s->c->batch + s->n) * s->c->classes + class;
    return s->c->dtype == EBB_F32 ? (double)((const float *)p)[i] : ((const double *)p)[i];
}

static struct sequence sequence_of(const struct ebb__ctc *c, int64_t n) {
    struct sequence s = {c, c->targets + c->offsets[n], n, c->input_lengths[n], c->target_lengths[n], 0};
    s.states = 2 * s.labels + 1;
    return s;
}

static int64_t class_of(const struct sequence *s, int64_t state) {
    return state % 2 ? s->target[state / 2] : s->c->blank;
}

/* Whether a path may go from state - 2 to state: not over a blank that keeps two equal labels apart. */
static bool may_skip(const struct sequence *s, int64_t state) {
    return state % 2 && state >= 3 && s->target[state / 2] != s->target[state / 2 - 1];
}

static double log_sum(double a, double b, double c) {
    double most = a > b ? a : b;
    if (c > most) most = c;
    if (isinf(most) && most < 0) return most;
    return most + log(exp(a - most) + exp(b - most) + exp(c - most));
}

/* alpha[t * stride + state], for every frame or, with stride 0, each over the one before. */
static double forward(const struct sequence *s, double *alpha, int64_t stride) {
    if (s->frames == 0) return s->labels == 0 ? 0 : -INFINITY;
    for (int64_t state = 0; state < s->states; state++)
        alpha[state] = state < 2 ? get(s, s->c->log_probs, 0, class_of(s, state)) : -INFINITY;
    for (int64_t t = 1; t < s->frames; t++) {
        const double *before = alpha + (t - 1) * stride;
        double *now = alpha + t * stride;
        for (int64_t state = s->states - 1; state >= 0; state--) { /* downwards: `now` may be `before` */
            const double one = state > 0 ? before[state - 1] : -INFINITY;
            const double two = may_skip(s, state) ? before[state - 2] : -INFINITY;
            now[state] = log_sum(before[state], one, two) + get(s, s->c->log_probs, t, class_of(s, state));
        }
    }
    const double *last = alpha + (s->frames - 1) * stride;
    return log_sum(last[s->states - 1], s->states > 1 ? last[s->states - 2] : -INFINITY, -INFINITY);
}

static void add(const struct sequence *s, void *p, int64_t t, int64_t class, double value) {
    const int64_t i = (t * s->c->batch + s->n) * s->c->classes + class;
    if (s->c->dtype == EBB_F32) {
        ((float *)p)[i] += (float)value;
    } else {
        ((double *)p)[i] += value;
    }
}

/* beta[state] of frame t, which counts the frame itself, over that of frame t + 1; then the probabilities of the
 * states at t, given the labels, are the gradients of their classes. */
static void backward(const struct sequence *s, const double *alpha, int64_t stride, double *beta, double likelihood,
                     double scale, void *grad) {
    for (int64_t t = s->frames - 1; t >= 0; t--) {
        for (int64_t state = 0; state < s->states; state++) { /* upwards: what lies above is still of t + 1 */
            const double here = get(s, s->c->log_probs, t, class_of(s, state));
            double next = 0;
            if (t < s->frames - 1) {
                const double one = state + 1 < s->states ? beta[state + 1] : -INFINITY;
                const double two = state + 2 < s->states && may_skip(s, state + 2) ? beta[state + 2] : -INFINITY;
                next = log_sum(beta[state], one, two);
            } else if (state < s->states - 2) {
                next = -INFINITY;
            }
            beta[state] = next + here;
            const double path = alpha[t * stride + state] + next;
            if (path > -INFINITY || isnan(likelihood - likelihood))
                add(s, grad, t, class_of(s, state), -scale * exp(path - likelihood));
        }
    }
}

/* ---- all sequences ---- */

struct job {
    const struct ebb__ctc *c;
    double *work;         /* `each` for every sequence */
    int64_t each, stride; /* states of the longest sequence */
    double *loss;
    const double *scale;
    void *grad;
};

static void loss_body(void *context, int64_t first, int64_t last) {
    const struct job *j = context;
    for (; first < last; first++) {
        const struct sequence s = sequence_of(j->c, first);
        j->loss[first] = -forward(&s, j->work + first * j->each, 0);
    }
}

static void grad_body(void *context, int64_t first, int64_t last) {
    const struct job *j = context;
    for (; first < last; first++) {
        const struct sequence s = sequence_of(j->c, first);
        double *alpha = j->work + first * j->each;
        const double likelihood = forward(&s, alpha, j->stride);
        const bool lost = isinf(likelihood) && j->c->zero_infinity;
        if (!lost) backward(&s, alpha, j->stride, alpha + j->each - j->stride, likelihood, j->scale[first], j->grad);
    }
}

static ebb_status run(struct job *j, int64_t rows, void (*body)(void *context, int64_t first, int64_t last)) {
    const struct ebb__ctc *c = j->c;
    for (int64_t n = 0; n < c->batch; n++)
        if (2 * c->target_lengths[n] + 1 > j->stride) j->stride = 2 * c->target_lengths[n] + 1;
    j->each = rows * j->stride;
    const size_t bytes = (size_t)(c->batch * j->each) * sizeof *j->work;
    j->work = ebb__alloc(bytes);
    if (!j->work) return ebb_error_status();
    ebb__parallel_for(c->batch, 1, body, j);
    ebb__free(j->work, bytes);
    return EBB_OK;
}

ebb_status ebb__ctc_loss(const struct ebb__ctc *c, double *ret_loss) {
    struct job j = {.c = c, .loss = ret_loss};
    return run(&j, 1, loss_body);
}

ebb_status ebb__ctc_backward(const struct ebb__ctc *c, const double *scale, void *ret_grad) {
    struct job j = {.c = c, .scale = scale, .grad = ret_grad};
    memset(ret_grad, 0, (size_t)(c->frames * c->batch * c->classes) * ebb_dtype_size(c->dtype));
    return run(&j, c->frames + 1, grad_body);
}
