/* The first NaN or infinity of the forward pass: found at the call that made it, and told with what it was made
 * from. */
#include "record/anomaly.h"
#include <math.h>
#include <stdarg.h>
#include <string.h>

/* ---- the mode ---- */

static void set_checks(unsigned anomaly) {
    const unsigned others = EBB__CHECK_TRACE | EBB__CHECK_AUTOCAST;
    ebb__thread.checks = (uint8_t)((ebb__thread.checks & others) | (anomaly & ~others));
}

static ebb_mode set(unsigned anomaly) {
    struct ebb__thread *th = &ebb__thread;
    ebb_mode before = {(uint32_t)th->anomaly | (uint32_t)th->checks << 8, true};
    th->anomaly = (uint8_t)anomaly;
    set_checks(anomaly & EBB__ANOMALY_BACKWARD_ONLY ? 0 : anomaly);
    return before;
}

ebb_mode(ebb_detect_anomaly_open)(ebb_anomaly_options options) {
    return set(EBB__ANOMALY_ON | (options.nan_only ? EBB__ANOMALY_NAN_ONLY : 0u) |
               (options.backward_only ? EBB__ANOMALY_BACKWARD_ONLY : 0u));
}

void ebb_detect_anomaly_close(ebb_mode *mode) {
    if (!mode || !mode->open) return;
    mode->open = false;
    ebb__thread.anomaly = (uint8_t)(mode->before & 255);
    set_checks(mode->before >> 8);
}

bool ebb_is_anomaly_enabled(void) { return ebb__thread.anomaly != 0; }

/* ---- looking ---- */

static const char *element(const ebb_tensor *t, int64_t index) {
    int64_t offset = 0;
    for (int d = t->ndim - 1; d >= 0; d--) {
        offset += index % t->dims[d] * ebb__strides(t)[d];
        index /= t->dims[d];
    }
    return t->data + offset * (int64_t)ebb__dtype_sizes[t->dtype];
}

struct ebb__bad ebb__bad_of(ebb_tensor *t) {
    struct ebb__bad bad = {-1, 0};
    if (!t || !t->data || ebb__is_batched(t) || ebb__all_finite(t)) return bad; /* (of a batch: the samples) */
    for (int64_t i = 0; i < t->numel; i++) {
        double v = ebb__load(element(t, i), (ebb_dtype)t->dtype);
        if (isnan(v)) return (struct ebb__bad){i, v};
        if (isinf(v) && bad.index < 0) bad = (struct ebb__bad){i, v};
    }
    return bad;
}

bool ebb__is_anomaly(struct ebb__bad bad, unsigned anomaly, bool given) {
    if (bad.index < 0) return false;
    return isnan(bad.value) || !(given || anomaly & EBB__ANOMALY_NAN_ONLY);
}

bool ebb__element_there(const ebb_tensor *t, const ebb_tensor *at, int64_t index, double *ret_value) {
    int64_t offset = 0;
    if (t->ndim > at->ndim || !t->data) return false;
    for (int d = at->ndim - 1, own = t->ndim - 1; d >= 0; d--, own--) {
        int64_t i = index % at->dims[d];
        index /= at->dims[d];
        if (own < 0 || t->dims[own] == 1) continue;
        if (t->dims[own] != at->dims[d]) return false;
        offset += i * ebb__strides(t)[own];
    }
    *ret_value = ebb__load(t->data + offset * (int64_t)ebb__dtype_sizes[t->dtype], (ebb_dtype)t->dtype);
    return true;
}

/* ---- words ---- */

void ebb__say(struct ebb__words *w, const char *format, ...) {
    va_list arguments;
    if (w->at + 1 >= sizeof w->text) return;
    va_start(arguments, format);
    int n = vsnprintf(w->text + w->at, sizeof w->text - w->at, format, arguments);
    va_end(arguments);
    if (n > 0) w->at += (size_t)n;
}

static void say_value(struct ebb__words *w, double v) {
    if (isnan(v)) ebb__say(w, "nan");
    else ebb__say(w, "%g", v);
}

void ebb__say_bad(struct ebb__words *w, struct ebb__bad bad, const ebb_tensor *t, const char *verb) {
    char place[EBB__SHAPE_TEXT];
    int64_t at[EBB_MAX_NDIM], rest = bad.index;
    for (int d = t->ndim - 1; d >= 0; d--) {
        at[d] = rest % t->dims[d];
        rest /= t->dims[d];
    }
    ebb__say(w, " %s ", verb);
    say_value(w, bad.value);
    if (t->ndim) ebb__say(w, " at %s", ebb__shape_text(place, t->ndim, at));
}

void ebb__say_source(struct ebb__words *w, const char *what, ebb_tensor *t, const ebb_tensor *at, int64_t index) {
    struct ebb__bad bad = ebb__bad_of(t);
    double there;
    if (bad.index >= 0) {
        ebb__say(w, ", %s", what);
        ebb__say_bad(w, bad, t, "was");
        ebb__say(w, " already");
    } else if (ebb__is_floating(t->dtype) || at) {
        ebb__say(w, ", %s is finite", what);
        if (!at || !ebb__element_there(t, at, index, &there)) return;
        ebb__say(w, " (");
        say_value(w, there);
        ebb__say(w, " there)");
    }
}

/* ---- the results of a call ---- */

/* A number among the attributes that is not finite: a fill value of -inf makes what it was meant to. */
static bool attrs_nonfinite(const struct ebb_op *op, const void *attrs) {
    for (int i = 0; i < op->n_attrs && attrs; i++) {
        const void *at = (const char *)attrs + op->attrs[i].offset;
        if (op->attrs[i].kind == EBB_ATTR_FLOAT && !isfinite(*(const double *)at)) return true;
        if (op->attrs[i].kind == EBB_ATTR_SETTING && !isfinite(((const ebb_setting *)at)->value)) return true;
    }
    return false;
}

/* What is made and not computed is as its maker wants it: full() of infinity, or empty(), whose bits mean nothing. */
static bool makes(const struct ebb_op *op) {
    for (int i = 0; i < op->n_attrs; i++)
        if (strcmp(op->attrs[i].name, "requires_grad") == 0) return true;
    return op->n_in == 0;
}

/* What a call had to do with: `was` is what an in-place form found in in[0], which it has overwritten. */
struct looked_at {
    const struct ebb_op *op;
    ebb_tensor *const *in;
    int64_t n;
    const void *attrs;
    const struct ebb__bad *was;
};

static bool any_nonfinite(const struct looked_at *c) {
    if (attrs_nonfinite(c->op, c->attrs) || (c->was && c->was->index >= 0)) return true;
    for (int64_t i = c->was != NULL; i < c->n; i++)
        if (c->in[i] && ebb__bad_of(c->in[i]).index >= 0) return true;
    return false;
}

static ebb_status check(const struct looked_at *c, ebb_tensor *result, int64_t k) {
    for (int64_t i = 0; i < c->n && !c->was; i++)
        if (c->in[i] && c->in[i]->storage == result->storage) return EBB_OK; /* a view: nothing was computed */
    struct ebb__bad bad = ebb__bad_of(result);
    if (bad.index < 0) return EBB_OK;
    bool given = any_nonfinite(c);
    if (!ebb__is_anomaly(bad, ebb__thread.checks, given)) return EBB_OK;
    struct ebb__words w = {0};
    const char *output = c->op->n_out > 1 ? ebb_op_output_name(c->op, k) : NULL;
    ebb__say(&w, "the first %s of the forward pass: the result%s%s", isnan(bad.value) ? "NaN" : "infinity",
             output ? " " : "", output ? output : "");
    ebb__say_bad(&w, bad, result, "is");
    ebb__say(&w, given ? ", from what came in" : ", made here");
    const ebb_tensor *there = ebb__is_elementwise(c->op) ? result : NULL;
    for (int64_t i = 0; i < c->n && i < EBB_OP_MAX_IN; i++) {
        const char *name = c->op->in[ebb__op_input(c->op, c->n, i)].name;
        if (!name) name = "an input";
        if (!c->in[i]) continue;
        if (i > 0 || !c->was) {
            ebb__say_source(&w, name, c->in[i], there, bad.index);
        } else if (c->was->index >= 0) {
            ebb__say(&w, ", %s", name);
            ebb__say_bad(&w, *c->was, c->in[i], "was");
            ebb__say(&w, " already");
        } else {
            ebb__say(&w, ", %s was finite", name);
        }
    }
    return ebb_fail(EBB_ERR_NONFINITE, "%s", w.text);
}

ebb_status ebb__check_results(const struct ebb_op *op, ebb_tensor *const *in, int64_t n, const void *attrs,
                              ebb_tensor *const *out, int64_t n_out) {
    const struct looked_at c = {op, in, n, attrs, NULL};
    ebb_status status = EBB_OK;
    if (!(ebb__thread.checks & EBB__ANOMALY_ON) || makes(op)) return EBB_OK;
    for (int64_t k = 0; k < n_out && !status; k++) status = check(&c, out[k], k);
    return status;
}

ebb_status ebb__check_inplace(const struct ebb_op *op, ebb_tensor *const *in, int64_t n, const void *attrs,
                              struct ebb__bad was) {
    const struct looked_at c = {op, in, n, attrs, &was};
    return ebb__thread.checks & EBB__ANOMALY_ON ? check(&c, in[0], 0) : EBB_OK;
}
