/* The first example of the README: a graph is built as the code runs, and gradients flow back through it. */
#include <ebb/ebb.h>

int main(void) {
    EBB_SCOPE { /* everything made inside is released at its end */
        ebb_tensor *x = ebb_scalar(2.0, .requires_grad = true);
        ebb_tensor *y = ebb_scalar(3.0, .requires_grad = true);
        ebb_tensor *z = ebb_add(ebb_mul(x, y), ebb_sin(x)); /* z = x·y + sin(x) */

        if (ebb_backward(z)) return ebb_perror("quick"); /* one place to look for errors */

        ebb_print(z);                  /* tensor(6.9093, grad_fn=<AddBackward0>) */
        ebb_print(ebb_tensor_grad(x)); /* dz/dx = y + cos(x): tensor(2.5839) */
        ebb_print(ebb_tensor_grad(y)); /* dz/dy = x: tensor(2.) */
    }
    return 0;
}
