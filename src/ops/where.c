/* Choosing between two tensors, element by element. */
#define EBB_FAMILY "Arithmetic"
#include "ops/ops.h"

static ebb_status infer(struct ebb_infer *f) {
    if (f->in[0].dtype != EBB_BOOL)
        return ebb_fail(EBB_ERR_DTYPE, "expected a bool condition, got %s", ebb_dtype_name(f->in[0].dtype));
    for (int64_t i = 0; i < f->n_in; i++)
        if (!ebb__broadcast(&f->out[0].shape, &f->in[i].shape))
            return ebb_fail(EBB_ERR_SHAPE, "shapes do not broadcast");
    return EBB_OK;
}

static ebb_status forward(struct ebb_forward *f) {
    ebb_tensor *const t[] = {f->out[0], f->in[0], f->in[1], f->in[2]};
    struct ebb__plan plan;
    ebb__plan_make(&plan, 4, t);
    ebb__plan_run(&plan, ebb__loops_where[f->out[0]->dtype], NULL);
    return EBB_OK;
}

static void vjp(struct ebb_vjp_call *v) {
    if (v->needs[1]) ebb_vjp_give(v, 1, ebb_where(v->in[0], v->grad[0], 0));
    if (v->needs[2]) ebb_vjp_give(v, 2, ebb_where(v->in[0], 0, v->grad[0]));
}

const struct ebb_op ebb_op_where = {
    EBB_SIGNATURE(where, "Tensor condition, Number self, Number other -> Tensor"),
    .doc = EBB_TEXT("self where condition is true, else other; all three broadcast. condition must be bool."),
    .torch = EBB_TEXT("torch.where"),
    .node = "WhereBackward0",
    .promote = EBB_PROMOTE_COMMON,
    .keeps = EBB_IN(0),
    .ordered = true,
    .infer = infer,
    .forward = forward,
    .vjp = vjp,
    .batch = ebb_batch_elementwise,
    .saves = {0, EBB_IN(0), EBB_IN(0)},
    .formula = EBB_FORMULAS("", "where(condition, g, 0)", "where(condition, 0, g)"),
    .samples = EBB_SAMPLES("b(3,4) (3,4) (3,4)", "b(3,1) (4) ()", "b(2,2) (2,2) 0", "b(2) 1.5 (3,2)", "b(0,3) (3) (1)",
                           "b(3) 1 0", "b(4) i5(4) (4)", "! (3) (3) (3)", "! b(2) (3) (3)"),
};
