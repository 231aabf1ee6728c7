/* What all optimizers share: parameters, their state, and the loop over them. */
#include <ebb/autograd.h>
#include <ebb/ops.h>
#include <ebb/optim.h>
#include <string.h>

struct parameter {
    ebb_tensor *tensor;                     /* kept */
    int64_t t;                              /* steps taken */
    ebb_tensor *state[EBB_OPTIM_MAX_STATE]; /* kept; made in the first step */
};

struct ebb_optim {
    const struct ebb_optim_type *type;
    double lr;
    void *options; /* behind the parameters, in the same block */
    size_t bytes;
    int64_t n;
    struct parameter parameters[];
};

static ebb_status fail_null(const char *what) {
    return ebb_error() ? ebb_error_status() : ebb_fail(EBB_ERR_ARGUMENT, "%s is NULL", what);
}

/* What cannot be trained, or not by writing to its elements in order. */
static ebb_status check_parameter(const char *name, ebb_list list, int64_t i) {
    const ebb_tensor *p = list.t[i];
    long long at = (long long)i;
    if (!p)
        return ebb_error() ? ebb_error_status() : ebb_fail(EBB_ERR_ARGUMENT, "%s: parameter %lld is NULL", name, at);
    if (!ebb_tensor_is_leaf(p))
        return ebb_fail(EBB_ERR_GRAPH, "%s: parameter %lld was computed; only leaves can be optimized", name, at);
    if (!ebb_dtype_is_floating(ebb_tensor_dtype(p)))
        return ebb_fail(EBB_ERR_DTYPE, "%s: parameter %lld is %s; only floating-point ones can be optimized", name, at,
                        ebb_dtype_name(ebb_tensor_dtype(p)));
    if (!ebb_tensor_requires_grad(p))
        return ebb_fail(EBB_ERR_GRAPH, "%s: parameter %lld does not require gradients", name, at);
    if (!ebb_tensor_is_contiguous(p))
        return ebb_fail(EBB_ERR_ARGUMENT, "%s: parameter %lld is not contiguous", name, at);
    for (int64_t k = 0; k < i; k++)
        if (list.t[k] == p)
            return ebb_fail(EBB_ERR_ARGUMENT, "%s: parameters %lld and %lld are one", name, (long long)k, at);
    return EBB_OK;
}

ebb_optim *(ebb_optim_new)(const struct ebb_optim_type *type, ebb_list list, double lr, const void *options) {
    if (!type || !type->name || !type->update || type->n_state < 0 || type->n_state > EBB_OPTIM_MAX_STATE ||
        (type->options_size && !options)) {
        ebb_fail(EBB_ERR_ARGUMENT, "optim_new: the type is not complete, or options are missing");
        return NULL;
    }
    if (list.n < 1 || !list.t) {
        ebb_fail(EBB_ERR_ARGUMENT, "%s: needs at least one parameter", type->name);
        return NULL;
    }
    if (!(lr >= 0)) {
        ebb_fail(EBB_ERR_ARGUMENT, "%s: lr must not be negative, got %g", type->name, lr);
        return NULL;
    }
    for (int64_t i = 0; i < list.n; i++)
        if (check_parameter(type->name, list, i)) return NULL;
    size_t own = sizeof(ebb_optim) + (size_t)list.n * sizeof(struct parameter);
    ebb_optim *optim = ebb_alloc(own + type->options_size);
    if (!optim) return NULL;
    *optim = (ebb_optim){
        .type = type, .lr = lr, .options = (char *)optim + own, .bytes = own + type->options_size, .n = list.n};
    if (options) memcpy(optim->options, options, type->options_size);
    for (int64_t i = 0; i < list.n; i++) optim->parameters[i] = (struct parameter){.tensor = ebb_keep(list.t[i])};
    return optim;
}

/* 16-bit parameters are updated in float32, and so is their state, which small updates would be lost in otherwise. */
static ebb_dtype dtype_of(const struct parameter *p) {
    ebb_dtype dtype = ebb_tensor_dtype(p->tensor);
    return dtype == EBB_F64 ? dtype : EBB_F32;
}

static ebb_status make_state(const ebb_optim *optim, struct parameter *p) {
    ebb_scope scope = ebb_scope_open();
    ebb_status status = EBB_OK;
    for (int k = 0; k < optim->type->n_state && !status; k++) {
        if (p->state[k]) continue; /* from a first step that failed */
        p->state[k] = ebb_keep(ebb_zeros(ebb_tensor_shape(p->tensor), .dtype = dtype_of(p)));
        if (!p->state[k]) status = ebb_error_status();
    }
    ebb_scope_close(&scope);
    return status;
}

/* A parameter may have been set to another storage since it was given. */
static ebb_status check_update(const ebb_optim *optim, const struct parameter *p, const ebb_tensor *grad) {
    const int64_t n = ebb_tensor_numel(p->tensor), of_grad = ebb_tensor_numel(grad);
    const char *name = optim->type->name;
    long long at = (long long)(p - optim->parameters);
    if (!ebb_tensor_is_contiguous(p->tensor))
        return ebb_fail(EBB_ERR_ARGUMENT, "%s: parameter %lld is not contiguous any more", name, at);
    if (n != of_grad)
        return ebb_fail(EBB_ERR_SHAPE, "%s: parameter %lld has %lld elements, its gradient %lld", name, at,
                        (long long)n, (long long)of_grad);
    for (int k = 0; k < optim->type->n_state; k++)
        if (p->state[k] && ebb_tensor_numel(p->state[k]) != n)
            return ebb_fail(EBB_ERR_SHAPE,
                            "%s: parameter %lld has %lld elements, and had %lld in earlier steps; make a new optimizer",
                            name, at, (long long)n, (long long)ebb_tensor_numel(p->state[k]));
    return EBB_OK;
}

static ebb_status update(const ebb_optim *optim, struct parameter *p, ebb_tensor *grad) {
    ebb_status status = check_update(optim, p, grad);
    if (status) return status;
    if (p->t == 0 && (status = make_state(optim, p))) return status;
    ebb_tensor *values = p->tensor;
    bool wide = ebb_tensor_dtype(values) != dtype_of(p);
    if (wide) values = ebb_to(ebb_detach(values), dtype_of(p));
    if (wide) grad = ebb_to(grad, dtype_of(p));
    if (!values || !grad) return ebb_error_status();
    struct ebb_optim_update u = {.options = optim->options,
                                 .lr = optim->lr,
                                 .t = p->t + 1,
                                 .dtype = dtype_of(p),
                                 .n = ebb_tensor_numel(p->tensor),
                                 .parameter = ebb_tensor_data(values),
                                 .grad = ebb_tensor_data(grad)};
    for (int k = 0; k < optim->type->n_state; k++) u.state[k] = ebb_tensor_data(p->state[k]);
    if ((status = optim->type->update(&u))) return status;
    p->t++;
    if (wide) return ebb_copy_(ebb_detach(p->tensor), values) ? EBB_OK : ebb_error_status();
    ebb_increment_version(p->tensor);
    return EBB_OK;
}

ebb_status(ebb_optim_step)(ebb_optim *optim) {
    if (!optim) return fail_null("optim_step: optim");
    for (int64_t i = 0; i < optim->n; i++) {
        struct parameter *p = &optim->parameters[i];
        ebb_tensor *grad = ebb_tensor_grad(p->tensor);
        if (!grad) continue;
        ebb_scope scope = ebb_scope_open();
        grad = ebb_contiguous(ebb_detach(grad));
        ebb_status status = grad ? update(optim, p, grad) : ebb_error_status();
        ebb_scope_close(&scope);
        if (status) return status;
    }
    return EBB_OK;
}

ebb_status(ebb_optim_zero_grad)(ebb_optim *optim) {
    if (!optim) return fail_null("optim_zero_grad: optim");
    ebb_status status = EBB_OK;
    for (int64_t i = 0; i < optim->n && !status; i++) {
        ebb_tensor *p = optim->parameters[i].tensor;
        if (ebb_tensor_grad(p)) status = ebb_set_grad(p, NULL);
    }
    return status;
}

double ebb_optim_lr(const ebb_optim *optim) { return optim ? optim->lr : 0; }

ebb_status(ebb_optim_set_lr)(ebb_optim *optim, double lr) {
    if (!optim) return fail_null("optim_set_lr: optim");
    if (!(lr >= 0)) return ebb_fail(EBB_ERR_ARGUMENT, "optim_set_lr: lr must not be negative, got %g", lr);
    optim->lr = lr;
    return EBB_OK;
}

const char *ebb_optim_name(const ebb_optim *optim) { return optim ? optim->type->name : ""; }

ebb_tensor *ebb_optim_state(const ebb_optim *optim, int64_t i, int k) {
    if (!optim || i < 0 || i >= optim->n || k < 0 || k >= optim->type->n_state) return NULL;
    return optim->parameters[i].t ? optim->parameters[i].state[k] : NULL;
}

ebb_optim *ebb_optim_free(ebb_optim *optim) {
    if (!optim) return NULL;
    for (int64_t i = 0; i < optim->n; i++) {
        struct parameter *p = &optim->parameters[i];
        for (int k = 0; k < optim->type->n_state; k++) ebb_drop(p->state[k]);
        ebb_drop(p->tensor);
    }
    ebb_free(optim, optim->bytes);
    return NULL;
}
