/* Attention: scaled_dot_product_attention, and flash_attention, which does not keep the matrix of scores, with its
 * backward. */
#define EBB_FAMILY "Attention"
#include "ops/batching.h"
#include "ops/composed.h"
#include <math.h>

/* ---- what flash_attention and its backward read ---- */

/* How a mask of fewer elements lies under the scores (heads..., queries, keys): an offset for each head. */
static ebb_status place_mask(const ebb_tensor *mask, const ebb_tensor *query, struct ebb__attention *a,
                             int64_t **ret_offsets, size_t *ret_bytes) {
    const int lead = query->ndim - 2;
    int64_t stride[EBB_MAX_NDIM] = {0};
    *ret_bytes = (size_t)a->heads * sizeof **ret_offsets;
    *ret_offsets = ebb__alloc(*ret_bytes);
    if (!*ret_offsets) return ebb_error_status();
    for (int i = 0; i < mask->ndim; i++) {
        const int to = i + query->ndim - mask->ndim;
        const int64_t s = mask->dims[i] == 1 ? 0 : ebb__strides(mask)[i];
        *(to < lead ? &stride[to] : to == lead ? &a->mask_row : &a->mask_col) = s;
    }
    for (int64_t h = 0; h < a->heads; h++) {
        int64_t rest = h, at = 0;
        for (int i = lead - 1; i >= 0; i--) {
            at += rest % query->dims[i] * stride[i];
            rest /= query->dims[i];
        }
        (*ret_offsets)[h] = at;
    }
    a->mask = mask->data;
    a->mask_at = *ret_offsets;
    return EBB_OK;
}

/* Queries and keys of no width have scores of 0, by whatever they are scaled. */
static double scale_of(const ebb_setting *scale, int64_t width) {
    return scale->given || width == 0 ? scale->value : 1 / sqrt((double)width);
}

static struct ebb__attention describe(const ebb_tensor *query, const ebb_tensor *key, const ebb_tensor *value,
                                      bool causal, const ebb_setting *scale) {
    struct ebb__attention a = {.dtype = (ebb_dtype)query->dtype, .heads = 1, .causal = causal};
    const int n = query->ndim;
    for (int i = 0; i < n - 2; i++) a.heads *= query->dims[i];
    a.queries = query->dims[n - 2], a.width = query->dims[n - 1];
    a.keys = key->dims[n - 2], a.value_width = value->dims[n - 1];
    a.query = query->data, a.key = key->data, a.value = value->data;
    a.scale = scale_of(scale, a.width);
    return a;
}

/* in: query, key, value, and a mask or one of dtype NONE. */
static ebb_status check(const ebb_meta *in, const ebb_meta *mask, ebb_dtype dtype) {
    const ebb_dims *q = &in[0].shape, *k = &in[1].shape, *v = &in[2].shape;
    bool fits = q->n >= 2 && k->n == q->n && v->n == q->n && k->d[q->n - 1] == q->d[q->n - 1] &&
                v->d[q->n - 2] == k->d[q->n - 2];
    for (int i = 0; i < q->n - 2 && fits; i++) fits = k->d[i] == q->d[i] && v->d[i] == q->d[i];
    if (!fits)
        return ebb_fail(EBB_ERR_SHAPE, "expected query (..., L, E), key (..., S, E) and value (..., S, V) of the same "
                                       "leading dimensions");
    for (int i = 0; i < 3; i++)
        if (in[i].dtype != dtype) return ebb_fail(EBB_ERR_DTYPE, "query, key and value must have one dtype");
    if (mask->dtype == EBB_DTYPE_NONE) return EBB_OK;
    ebb_dims scores = *q, both;
    scores.d[q->n - 1] = k->d[q->n - 2];
    both = scores;
    if (!ebb__broadcast(&both, &mask->shape) || !ebb__dims_equal(&both, &scores))
        return ebb_fail(EBB_ERR_SHAPE, "attn_mask must broadcast to (..., L, S)");
    if (mask->dtype != dtype)
        return ebb_fail(EBB_ERR_DTYPE, "attn_mask must be %s, got %s", ebb_dtype_name(dtype),
                        ebb_dtype_name(mask->dtype));
    return EBB_OK;
}

/* ---- flash_attention ---- */

enum { QUERY, KEY, VALUE, MASK };

static ebb_status flash_infer(struct ebb_infer *f) {
    if (check(f->in, &f->in[MASK], f->dtype)) return ebb_error_status();
    f->out[0].shape = f->out[1].shape = f->in[QUERY].shape;
    f->out[0].shape.d[f->out[0].shape.n - 1] = f->in[VALUE].shape.d[f->out[0].shape.n - 1];
    f->out[1].shape.n--;
    if (ebb__is_half(f->dtype)) f->out[1].dtype = EBB_F32;
    return EBB_OK;
}

static ebb_status flash_forward(struct ebb_forward *f) {
    const struct ebb__attrs_flash_attention *s = f->attrs;
    ebb_tensor *const *in = f->in;
    int64_t *offsets = NULL;
    size_t bytes = 0;
    struct ebb__attention a = describe(in[QUERY], in[KEY], in[VALUE], s->is_causal, &s->scale);
    ebb_status status = in[MASK] ? place_mask(in[MASK], in[QUERY], &a, &offsets, &bytes) : EBB_OK;
    if (!status) ebb__attention_forward(&a, f->out[0]->data, f->out[1]->data);
    ebb__free(offsets, bytes);
    return status;
}

static ebb_tensor *transposed(ebb_tensor *t) { return ebb_transpose(t, -2, -1); }

/* 0 where query i sees key j, -inf where it does not, j > i. */
static ebb_tensor *causal_bias(int64_t queries, int64_t keys, ebb_dtype dtype) {
    ebb_tensor *never = ebb_full(EBB_DIMS(queries, keys), -(double)INFINITY, .dtype = dtype);
    return ebb_triu(never, .diagonal = 1);
}

static ebb_tensor *biased_scores(ebb_tensor *query, ebb_tensor *key, ebb_tensor *mask, bool causal, double scale) {
    ebb_tensor *s = ebb_matmul(ebb_mul(query, scale), transposed(key));
    if (!s) return NULL;
    if (causal) s = ebb_add(s, causal_bias(s->dims[s->ndim - 2], s->dims[s->ndim - 1], (ebb_dtype)s->dtype));
    return mask ? ebb_add(s, mask) : s;
}

/* The probabilities and the gradient of the scores in public operators. */
struct parts {
    ebb_tensor *query, *key, *value, *mask, *output, *lse;
};
static ebb_tensor *score_gradient(const struct parts *x, ebb_tensor *g, ebb_tensor *g_lse, bool causal,
                                  const ebb_setting *scale, ebb_tensor **ret_p) {
    ebb_tensor *s = biased_scores(x->query, x->key, x->mask, causal, scale_of(scale, ebb_tensor_size(x->query, -1)));
    ebb_tensor *lse = ebb_where(ebb_eq(x->lse, -(double)INFINITY), 0, x->lse);
    *ret_p = ebb_exp(ebb_sub(s, ebb_unsqueeze(lse, -1)));
    ebb_tensor *inner = ebb_sum(ebb_mul(g, x->output), .dim = EBB_DIMS(-1), .keepdim = true);
    if (g_lse) inner = ebb_sub(inner, ebb_unsqueeze(g_lse, -1));
    return ebb_mul(*ret_p, ebb_sub(ebb_matmul(g, transposed(x->value)), inner));
}

static void flash_vjp(struct ebb_vjp_call *v) {
    const struct ebb__attrs_flash_attention *a = v->attrs;
    ebb_tensor *g = v->grad[0], *dkey = NULL, *dvalue = NULL, *p;
    if (!g && !v->grad[1]) return;
    if (!g) g = ebb_zeros_like(v->out[0]);
    if (v->needs[MASK]) {
        struct parts parts = {v->in[QUERY], v->in[KEY], v->in[VALUE], v->in[MASK], v->out[0], v->out[1]};
        ebb_vjp_give(v, MASK, score_gradient(&parts, g, v->grad[1], a->is_causal, &a->scale, &p));
    }
    if (!v->needs[QUERY] && !v->needs[KEY] && !v->needs[VALUE]) return;
    ebb_tensor *dquery =
        ebb_flash_attention_backward(g, v->in[QUERY], v->in[KEY], v->in[VALUE], v->out[0], v->out[1],
                                     .grad_logsumexp = v->grad[1], .attn_mask = v->in[MASK], .is_causal = a->is_causal,
                                     .scale = a->scale, .ret_grad_key = &dkey, .ret_grad_value = &dvalue);
    if (v->needs[QUERY]) ebb_vjp_give(v, QUERY, dquery);
    if (v->needs[KEY]) ebb_vjp_give(v, KEY, dkey);
    if (v->needs[VALUE]) ebb_vjp_give(v, VALUE, dvalue);
}

#define ALL (EBB_IN(QUERY) | EBB_IN(KEY) | EBB_IN(VALUE) | EBB_IN(MASK) | EBB_OUT(0) | EBB_OUT(1))
#define HOW "bool is_causal=false, float? scale=none -> "

/* Any dimensions in front are heads of their own, but a mask may be shared by them. */
static void flash_batch(struct ebb_batch_call *b) {
    if (b->in[MASK]) ebb_batch_loop(b);
    else ebb_batch_leading(b);
}

const struct ebb_op ebb_op_flash_attention = {
    EBB_SIGNATURE(flash_attention,
                  "Tensor query, Tensor key, Tensor value, Tensor? attn_mask, " HOW "Tensor output, Tensor logsumexp"),
    .doc = EBB_TEXT(
        "scaled_dot_product_attention in blocks, without the matrix of scores in memory, forward or backward (Dao et al. "
        "2022). query (..., L, E), key (..., S, E) and value (..., S, V) have the same leading dimensions; attn_mask is of "
        "their dtype, is added to the scores; only its own gradient needs their matrix. logsumexp (..., L) are the logarithms of the sums that "
        "softmax divides by."),
    .torch = EBB_TEXT("torch.ops.aten._scaled_dot_product_flash_attention_for_cpu"),
    .node = "ScaledDotProductFlashAttentionForCpuBackward0",
    .dtypes = EBB_FLOATING,
    .contiguous = true,
    .undefined_grads = true,
    .infer = flash_infer,
    .forward = flash_forward,
    .vjp = flash_vjp,
    .batch = flash_batch,
    .saves = {ALL, ALL, ALL, ALL},
    .formula = EBB_FORMULAS("'d @ key * scale, d = p * (g @ value^T - sum(g * output)), p = exp(scores - logsumexp)'",
                            "'d^T @ query * scale'", "'p^T @ g'", "'d, whole, and summed'"),
    .samples = EBB_SAMPLES("(2,3,4) (2,5,4) (2,5,2)", "(3,4) (3,4) (3,4) is_causal=true",
                           "(2,2,3,2) (2,2,3,2) (2,2,3,2) (3,3) scale=0.3", "(2,2,3,2) (2,2,2,2) (2,2,2,2) (2,1,3,2)",
                           "(0,3,4) (0,3,4) (0,3,4)", "(40,3) (140,3) (140,2) (140)", "! (2,3,4) (2,5,3) (2,5,2)",
                           "! (2,3,4) (3,5,4) (3,5,4)", "! (4) (4) (4)", "! (3,4) (3,4) (3,4) (2,3)",
                           "! (3,4) (3,4) (3,4) b(3,3)", "! i5(3,4) i5(3,4) i5(3,4)"),
};

/* ---- flash_attention_backward ---- */

enum { GRAD, B_QUERY, B_KEY, B_VALUE, B_OUTPUT, B_LSE, B_GRAD_LSE, B_MASK };

static ebb_status backward_infer(struct ebb_infer *f) {
    const ebb_meta *in = f->in;
    if (check(in + B_QUERY, &in[B_MASK], in[B_QUERY].dtype)) return ebb_error_status();
    ebb_dims out = in[B_QUERY].shape, lse = out;
    out.d[out.n - 1] = in[B_VALUE].shape.d[out.n - 1];
    lse.n--;
    bool fits = ebb__dims_equal(&in[GRAD].shape, &out) && ebb__dims_equal(&in[B_OUTPUT].shape, &out) &&
                ebb__dims_equal(&in[B_LSE].shape, &lse) &&
                (in[B_GRAD_LSE].dtype == EBB_DTYPE_NONE || ebb__dims_equal(&in[B_GRAD_LSE].shape, &lse));
    if (!fits) return ebb_fail(EBB_ERR_SHAPE, "grad_output, output and logsumexp are not those of such an attention");
    for (int i = 0; i < 3; i++) f->out[i].shape = in[B_QUERY + i].shape;
    return EBB_OK;
}

static ebb_status backward_forward(struct ebb_forward *f) {
    const struct ebb__attrs_flash_attention_backward *s = f->attrs;
    ebb_tensor *const *in = f->in, *const *out = f->out;
    int64_t *offsets = NULL;
    size_t bytes = 0;
    struct ebb__attention a = describe(in[B_QUERY], in[B_KEY], in[B_VALUE], s->is_causal, &s->scale);
    ebb_status status = in[B_MASK] ? place_mask(in[B_MASK], in[B_QUERY], &a, &offsets, &bytes) : EBB_OK;
    if (!status)
        ebb__attention_backward(&a, &(struct ebb__attention_backward){
                                        in[GRAD]->data, in[B_GRAD_LSE] ? in[B_GRAD_LSE]->data : NULL,
                                        in[B_OUTPUT]->data, in[B_LSE]->data, out[0]->data, out[1]->data, out[2]->data});
    ebb__free(offsets, bytes);
    return status;
}

/* The same gradients in public operators. */
static bool composed_backward(ebb_tensor *const *x, const void *attrs, ebb_tensor **ret) {
    const struct ebb__attrs_flash_attention_backward *a = attrs;
    struct parts parts = {x[B_QUERY], x[B_KEY], x[B_VALUE], x[B_MASK], x[B_OUTPUT], x[B_LSE]};
    ebb_tensor *p, *d = score_gradient(&parts, x[GRAD], x[B_GRAD_LSE], a->is_causal, &a->scale, &p);
    d = ebb_mul(d, scale_of(&a->scale, ebb_tensor_size(x[B_QUERY], -1)));
    ret[0] = ebb_matmul(d, x[B_KEY]);
    ret[1] = ebb_matmul(transposed(d), x[B_QUERY]);
    ret[2] = ebb_matmul(transposed(p), x[GRAD]);
    return ret[0] && ret[1] && ret[2];
}

static void backward_vjp(struct ebb_vjp_call *v) { ebb__vjp_composed(v, composed_backward); }

#define B_ALL 255u
static void backward_batch(struct ebb_batch_call *b) {
    if (b->in[B_MASK]) ebb_batch_loop(b);
    else ebb_batch_leading(b);
}

#define DERIVED "'the gradient of the formulas of flash_attention, written in matrix products'"
const struct ebb_op ebb_op_flash_attention_backward = {
    EBB_SIGNATURE(
        flash_attention_backward,
        "Tensor grad_output, Tensor query, Tensor key, Tensor value, Tensor output, Tensor logsumexp, Tensor? "
        "grad_logsumexp, Tensor? attn_mask, " HOW "Tensor grad_query, Tensor grad_key, Tensor grad_value"),
    .doc = EBB_TEXT("The gradients of flash_attention's query, key and value, from its results and their gradients."),
    .torch = EBB_TEXT("torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward"),
    .node = "ScaledDotProductFlashAttentionForCpuBackwardBackward0",
    .promote = EBB_PROMOTE_COMMON,
    .dtypes = EBB_FLOATING,
    .contiguous = true,
    .undefined_grads = true,
    .infer = backward_infer,
    .forward = backward_forward,
    .vjp = backward_vjp,
    .batch = backward_batch,
    .saves = {B_ALL, B_ALL, B_ALL, B_ALL, B_ALL, B_ALL, B_ALL, B_ALL},
    .formula = EBB_FORMULAS(DERIVED, DERIVED, DERIVED, DERIVED, DERIVED, DERIVED, DERIVED, DERIVED),
    .samples = EBB_SAMPLES(
        "(2,3,2) (2,3,4) (2,2,4) (2,2,2) (2,3,2) (2,3)", "(3,2) (3,2) (3,2) (3,2) (3,2) (3) (3) is_causal=true",
        "(3,2) (3,2) (3,2) (3,2) (3,2) (3) none (3,3) scale=0.3", "! (2,3,2) (2,3,4) (2,2,4) (2,2,2) (2,3,2) (2,2)",
        "! (2,3,2) (2,3,4) (2,2,3) (2,2,2) (2,3,2) (2,3)"),
};

/* ---- scaled_dot_product_attention ---- */

/* softmax(s) along the last dimension, and 0 where a query sees no key. */
static ebb_tensor *safe_softmax(ebb_tensor *s, bool masked) {
    if (!s || !masked || !s->dims[s->ndim - 1]) return ebb_softmax(s, -1);
    ebb_tensor *blind = ebb_eq(ebb_amax(ebb_detach(s), .dim = EBB_DIMS(-1), .keepdim = true), -(double)INFINITY);
    return ebb_where(blind, 0, ebb_softmax(ebb_where(blind, 0, s), -1));
}

/* Every head of key or value for as many query heads as share it. */
static ebb_tensor *shared_heads(ebb_tensor *t, int64_t heads) {
    ebb_dims shape = ebb_tensor_shape(t), wide = shape;
    int64_t own = shape.n > 2 ? shape.d[shape.n - 3] : 0;
    if (own < 1 || heads % own || shape.n + 1 > EBB_MAX_NDIM) {
        ebb_fail(EBB_ERR_SHAPE, "the %lld heads of query cannot share the %lld of key or value", (long long)heads,
                 (long long)own);
        return NULL;
    }
    if (own == heads) return t;
    for (int i = shape.n; i > shape.n - 2; i--) wide.d[i] = wide.d[i - 1];
    wide.n = shape.n + 1;
    wide.d[shape.n - 2] = heads / own;
    shape.d[shape.n - 3] = heads;
    return ebb_reshape(ebb_expand(ebb_unsqueeze(t, -3), wide), shape);
}

/* Leading dimensions broadcast together. */
static bool broadcast_heads(ebb_tensor *x[3]) {
    ebb_dims lead[3], all = {0};
    for (int i = 0; i < 3; i++) {
        lead[i] = ebb_tensor_shape(x[i]);
        lead[i].n -= 2;
        if (!ebb__broadcast(&all, &lead[i])) {
            (void)ebb_fail(EBB_ERR_SHAPE, "the leading dimensions of query, key and value do not broadcast");
            return false;
        }
    }
    for (int i = 0; i < 3; i++) {
        if (ebb__dims_equal(&all, &lead[i])) continue;
        ebb_dims own = ebb_tensor_shape(x[i]), shape = all;
        for (int k = own.n - 2; k < own.n; k++) shape.d[shape.n++] = own.d[k];
        x[i] = ebb_expand(x[i], shape);
    }
    return x[0] && x[1] && x[2];
}

static ebb_tensor *attention_compose(struct ebb_forward *f) {
    const struct ebb__attrs_scaled_dot_product_attention *a = f->attrs;
    ebb_tensor *x[3] = {f->in[QUERY], f->in[KEY], f->in[VALUE]}, *mask = f->in[MASK];
    ebb_dtype dtype = (ebb_dtype)x[0]->dtype;
    for (int i = 0; i < 3; i++) {
        if (x[i]->ndim < 2) return (void)ebb_fail(EBB_ERR_SHAPE, "inputs must have at least 2 dimensions"), NULL;
        if (x[i]->dtype != dtype || !ebb_dtype_is_floating(dtype))
            return (void)ebb_fail(EBB_ERR_DTYPE, "query, key and value must have one floating-point dtype"), NULL;
    }
    if (mask && mask->dtype == EBB_BOOL) {
        mask = ebb_masked_fill(ebb_zeros(ebb_tensor_shape(mask), .dtype = dtype), ebb_logical_not(mask),
                               ebb_number_f64(-(double)INFINITY));
    } else if (mask && mask->dtype != dtype) {
        return (void)ebb_fail(EBB_ERR_DTYPE, "attn_mask must be bool, or %s as query", ebb_dtype_name(dtype)), NULL;
    }
    if (f->in[MASK] && !mask) return NULL;
    if (a->enable_gqa) {
        int64_t heads = x[0]->ndim > 2 ? x[0]->dims[x[0]->ndim - 3] : 0;
        for (int i = KEY; i <= VALUE; i++)
            if (!(x[i] = shared_heads(x[i], heads))) return NULL;
    }
    if (!broadcast_heads(x)) return NULL;
    if (a->dropout_p == 0 && ebb_tensor_ndim(mask) <= x[0]->ndim)
        return ebb_flash_attention(x[0], x[1], x[2], .attn_mask = mask, .is_causal = a->is_causal, .scale = a->scale);
    ebb_tensor *s = biased_scores(x[0], x[1], mask, a->is_causal, scale_of(&a->scale, ebb_tensor_size(x[0], -1)));
    ebb_tensor *p = safe_softmax(s, mask || a->is_causal);
    return ebb_matmul(ebb_dropout(p, .p = EBB_SET(a->dropout_p)), x[2]);
}

const struct ebb_op ebb_op_scaled_dot_product_attention = {
    EBB_SIGNATURE(
        scaled_dot_product_attention,
        "Tensor query, Tensor key, Tensor value, Tensor? attn_mask, float dropout_p=0, bool is_causal=false, float? "
        "scale=none, bool enable_gqa=false -> Tensor"),
    .doc = EBB_TEXT(
        "softmax(query @ key^T * scale + mask) @ value for query (..., L, E), key (..., S, E) and value (..., S, V), whose "
        "leading dimensions broadcast; scale is 1 / sqrt(E) when it is not given (Vaswani et al. 2017). attn_mask "
        "broadcasts to (..., L, S): a bool one says which keys a query sees, another is added to the scores; with "
        "is_causal query i sees the keys up to i. A query that sees none gives 0. dropout_p drops weights. With enable_gqa "
        "several heads of query share one of key and value. Recorded as flash_attention, and with dropout as its "
        "parts."),
    .torch = EBB_TEXT("torch.nn.functional.scaled_dot_product_attention"),
    .autocast = EBB_AUTOCAST_LOW,
    .compose = attention_compose,
    .parts =
        EBB_TEXT("'flash_attention: softmax(query @ key.mT * scale + attn_mask) @ value; with dropout_p these parts'"),
    .samples = EBB_SAMPLES("(2,3,4) (2,5,4) (2,5,2)", "(3,4) (3,4) (3,4) is_causal=true",
                           "(2,2,3,2) (2,2,3,2) (2,2,3,2) b(3,3) scale=0.3", "(3,4) (3,4) (3,4) (3,3) is_causal=true",
                           "(2,4,3,2) (2,2,3,2) (2,2,3,2) enable_gqa=true", "(2,2,3,2) (1,2,2,2) (2,1,2,2)",
                           "(3,4) (3,4) (3,4) dropout_p=0.5", "(2,3) (0,3) (0,4)", "(2,3,0) (2,5,0) (2,5,2)",
                           "(0,3,4) (0,3,4) (0,3,4)", "! (2,3,4) (2,5,3) (2,5,2)", "! (2,3,4) (3,5,4) (3,5,4)",
                           "! (4) (4) (4)", "! (3,4) (3,4) (3,4) (2,3)",
                           "! (2,3,3,2) (2,2,3,2) (2,2,3,2) enable_gqa=true", "! (3,4) (3,4) (3,4) i2(3,3)"),
};
