/* Whether any or all elements are true, and how many: reductions that look at elements as 0 or not. */
#define EBB_FAMILY "Reductions"
#include "ops/reduce.h"

_Static_assert(sizeof(struct ebb__attrs_any) == sizeof(struct ebb__attrs_all) &&
                   offsetof(struct ebb__attrs_any, keepdim) == offsetof(struct ebb__attrs_all, keepdim),
               "both have the same attributes, so their rules read them alike");

/* uint8 stays uint8, as in PyTorch, where it once stood for bool. */
static ebb_status truth_infer(struct ebb_infer *f) {
    const struct ebb__attrs_any *a = f->attrs;
    f->out->shape = ebb__reduced_shape(&f->in[0].shape, &a->dim, a->keepdim);
    f->out->dtype = f->dtype == EBB_U8 ? EBB_U8 : EBB_BOOL;
    return EBB_OK;
}

/* Compare the number of true elements with a bound. */
static ebb_status truth(struct ebb_forward *f, bool all) {
    const struct ebb__attrs_any *a = f->attrs;
    ebb_tensor *x = f->in[0], *y = f->out[0], *count = ebb__tensor_new_like(y, EBB_I64);
    if (!count) return ebb_error_status();
    ebb_status status = ebb__fold_into(EBB__FOLD_COUNT, x, &a->dim, count);
    ebb_dims shape = ebb_tensor_shape(x);
    int64_t least = all ? ebb__reduced_count(&shape, &a->dim) : 1;
    if (!status)
        ebb__loops_ge[EBB_I64](y->numel, (char *const[]){y->data, count->data, (char *)&least},
                               (const int64_t[]){1, sizeof(int64_t), 0}, NULL);
    ebb__unref(count);
    return status;
}
static ebb_status any_forward(struct ebb_forward *f) { return truth(f, false); }
static ebb_status all_forward(struct ebb_forward *f) { return truth(f, true); }

static ebb_status count_infer(struct ebb_infer *f) {
    const struct ebb__attrs_count_nonzero *a = f->attrs;
    f->out->shape = ebb__reduced_shape(&f->in[0].shape, &a->dim, false);
    f->out->dtype = EBB_I64;
    return EBB_OK;
}
static ebb_status count_nonzero_forward(struct ebb_forward *f) {
    const struct ebb__attrs_count_nonzero *a = f->attrs;
    return ebb__fold_into(EBB__FOLD_COUNT, f->in[0], &a->dim, f->out[0]);
}

#define COUNT(op, text, ...) \
    const struct ebb_op ebb_op_##op = {EBB_SIGNATURE(op, text),         .batch = ebb_batch_dims, \
                                       .torch = EBB_TEXT("torch." #op), .forward = op##_forward, \
                                       .no_derivative = true,           __VA_ARGS__};
#define SAMPLES "(3,4)", "b(3,4) dim=(1)", "(0,3) dim=(0)", "()", "() dim=(0)", "i2(3,4) dim=(-1)", "! (3,4) dim=(2)"
#define TRUTH "Tensor self, dims dim=all, bool keepdim=false -> Tensor"
#define OF_TRUTH .infer = truth_infer, .samples = EBB_SAMPLES(SAMPLES, "i2(2,3,4) dim=(0,-1) keepdim=true")

COUNT(any, TRUTH, OF_TRUTH,
      .doc = EBB_TEXT(
          "Whether any element is not 0 (NaN is not), over the dimensions listed in dim, or over all: bool, of uint8 "
          "uint8. Of nothing, false."))
COUNT(all, TRUTH, OF_TRUTH,
      .doc = EBB_TEXT(
          "Whether no element is 0, over the dimensions listed in dim, or over all: bool, of uint8 uint8. Of nothing, "
          "true."))
COUNT(count_nonzero, "Tensor self, dims dim=all -> Tensor", .infer = count_infer, .samples = EBB_SAMPLES(SAMPLES),
      .doc = EBB_TEXT("How many elements are not 0 (int64), over the dimensions listed in dim, or over all."))
