/* A fully connected layer, Y = X·W + b, with its gradients by the engine and by the formulas derived by hand. */
#include <ebb/ebb.h>

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
        if (ebb_error()) return ebb_perror("linear_layer");
    }
    return worst <= 1e-4 ? 0 : 1;
}
