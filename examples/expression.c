/* A formula as text: evaluated, differentiated, and an error that points at its place. */
#include <ebb/ebb.h>
#include <ebb/expr.h>

int main(void) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_scalar(2.0, .requires_grad = true), *y = ebb_scalar(3.0, .requires_grad = true);
        ebb_tensor *z = ebb_eval("x*y + sin(x)", EBB_ARGS(EBB_ARG("x", x), EBB_ARG("y", y)));
        if (!z || ebb_backward(z)) return ebb_perror("expression");
        printf("z = %.4f, dz/dx = %.4f, dz/dy = %.4f\n", ebb_item(z), ebb_item(ebb_tensor_grad(x)),
               ebb_item(ebb_tensor_grad(y)));

        char caret[256];
        if (ebb_eval("x*y + sinn(x)", EBB_ARGS(EBB_ARG("x", x), EBB_ARG("y", y)))) return 1;
        (void)ebb_eval_caret(caret, sizeof caret);
        printf("%s\n%s\n", ebb_error()->message, caret);
        ebb_clear_error();
    }
    return 0;
}
