/* A user's program in C11 that evaluates a formula with the installed ebb-explain. */
#include <ebb/ebb.h>
#include <ebb/expr.h>
#include <math.h>

int main(void) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_scalar(2.0, .dtype = EBB_F64, .requires_grad = true);
        ebb_tensor *z = ebb_eval("x*3 + sin(x)", EBB_ARGS(EBB_ARG("x", x)));
        if (!z || ebb_backward(z)) return ebb_perror("expression");
        if (fabs(ebb_item(ebb_tensor_grad(x)) - (3 + cos(2.0))) > 1e-12) return 2;
    }
    printf("ebb-explain: x*3 + sin(x) and its gradient are right\n");
    return 0;
}
