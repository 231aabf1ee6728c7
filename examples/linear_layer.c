/* A fully connected layer, Y = X·W + b, with its gradients by the engine, by the formulas derived by hand, and as one
 * operator of one's own whose rule is those formulas. */
#include <ebb/ebb.h>

/* The shape of Y; X is (N×in), W is (in×out), b is (out). */
static ebb_status infer(struct ebb_infer *f) {
    ebb_dims x = f->in[0].shape, w = f->in[1].shape, b = f->in[2].shape;
    if (x.n != 2 || w.n != 2 || b.n != 1 || x.d[1] != w.d[0] || w.d[1] != b.d[0])
        return ebb_fail(EBB_ERR_SHAPE, "expected (N, in), (in, out) and (out)");
    f->out[0].shape = EBB_DIMS(x.d[0], w.d[1]);
    return EBB_OK;
}

/* Computed with operators, which are not recorded: the layer is one node. */
static ebb_tensor *compose(struct ebb_forward *f) { return ebb_add(ebb_matmul(f->in[0], f->in[1]), f->in[2]); }

/* What is not needed is not computed: the input of a network's first layer needs no gradient. */
static void vjp(struct ebb_vjp_call *v) {
    ebb_tensor *dy = v->grad[0], *x = v->in[0], *w = v->in[1];
    if (v->needs[0]) ebb_vjp_give(v, 0, ebb_matmul(dy, ebb_t(w)));
    if (v->needs[1]) ebb_vjp_give(v, 1, ebb_matmul(ebb_t(x), dy));
    if (v->needs[2]) ebb_vjp_give(v, 2, ebb_sum(dy, .dim = EBB_DIMS(0)));
}

static const struct ebb_op linear_op = {
    .name = "linear",
    .signature = "Tensor x, Tensor w, Tensor b -> Tensor",
    .doc = "X·W + b",
    .node = "LinearLayerBackward",
    .in = EBB_INPUTS({"x", EBB_INPUT_TENSOR}, {"w", EBB_INPUT_TENSOR}, {"b", EBB_INPUT_TENSOR}),
    .n_in = 3,
    .dtypes = EBB_FLOATING,
    .infer = infer,
    .compose = compose,
    .vjp = vjp,
    .saves = {EBB_IN(1), EBB_IN(0), 0}, /* dX reads W, dW reads X, db neither */
    .formula = EBB_FORMULAS("matmul(g, w.T)", "matmul(x.T, g)", "sum(g, 0)"),
};

static ebb_status linear(ebb_list in, ebb_outputs *ret_out, void *context) {
    (void)context;
    ret_out->t[ret_out->n++] = ebb_call_op1(&linear_op, in.t, in.n, NULL);
    return ebb_error_status();
}

/* The largest difference of two tensors' elements. */
static double distance(ebb_tensor *a, ebb_tensor *b) { return ebb_item(ebb_max(ebb_abs(ebb_sub(a, b)))); }

int main(void) {
    double worst = 0.0;
    EBB_SCOPE {
        ebb_manual_seed(1);
        ebb_tensor *x = ebb_randn(EBB_DIMS(32, 128), .requires_grad = true);
        ebb_tensor *w = ebb_randn(EBB_DIMS(128, 64), .requires_grad = true);
        ebb_tensor *b = ebb_randn(EBB_DIMS(64), .requires_grad = true);
        ebb_tensor *y = ebb_add(ebb_matmul(x, w), b);

        /* Y is no scalar: backward needs dL/dY, which the rest of a network would give. */
        ebb_tensor *dy = ebb_randn(EBB_DIMS(32, 64));
        if (ebb_backward(y, .gradient = dy)) return ebb_perror("linear_layer");

        EBB_NO_GRAD {
            const struct {
                const char *name;
                ebb_tensor *of, *by_hand;
            } gradients[] = {
                {"dX = dY·Wᵀ", x, ebb_matmul(dy, ebb_t(w))},          /* (32×64)·(64×128) */
                {"dW = Xᵀ·dY", w, ebb_matmul(ebb_t(x), dy)},          /* (128×32)·(32×64) */
                {"db = sum(dY)", b, ebb_sum(dy, .dim = EBB_DIMS(0))}, /* (64) */
            };
            for (int i = 0; i < 3; i++) {
                double d = distance(ebb_tensor_grad(gradients[i].of), gradients[i].by_hand);
                printf("%-14s differs by %g\n", gradients[i].name, d);
                worst = d > worst ? d : worst;
            }
        }
        /* The same by the operator, and to second order against finite differences, in double precision. */
        ebb_tensor *dx[3], *y_own = ebb_call_op1(&linear_op, (ebb_tensor *[]){x, w, b}, 3, NULL);
        if (ebb_grad(EBB_LIST(y_own), EBB_LIST(x, w, b), dx, .grad_outputs = EBB_LIST(dy)))
            return ebb_perror("linear_layer");
        ebb_tensor *leaves[] = {x, w, b};
        for (int i = 0; i < 3; i++) {
            double d = distance(ebb_tensor_grad(leaves[i]), dx[i]);
            worst = d > worst ? d : worst;
        }
        ebb_tensor *small[] = {ebb_randn(EBB_DIMS(2, 3), .dtype = EBB_F64, .requires_grad = true),
                               ebb_randn(EBB_DIMS(3, 2), .dtype = EBB_F64, .requires_grad = true),
                               ebb_randn(EBB_DIMS(2), .dtype = EBB_F64, .requires_grad = true)};
        ebb_list in = {3, small};
        if (ebb_gradcheck(linear, NULL, in, .forward_mode = true) || ebb_gradgradcheck(linear, NULL, in))
            return ebb_perror("linear_layer");
        printf("as one operator: the same, and checked to second order\n");
        if (ebb_error()) return ebb_perror("linear_layer");
    }
    return worst <= 1e-4 ? 0 : 1;
}
