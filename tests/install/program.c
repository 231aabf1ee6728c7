/* A user's program in C11: one gradient, computed by the installed library. */
#include <ebb/ebb.h>
#include <math.h>

int main(void) {
    double two = 2.0, three = 3.0;
    EBB_SCOPE {
        ebb_tensor *x = ebb_requires_grad_(ebb_from_data(&two, EBB_F64, EBB_NO_DIMS), true);
        ebb_tensor *y = ebb_requires_grad_(ebb_from_data(&three, EBB_F64, EBB_NO_DIMS), true);
        ebb_tensor *z = ebb_add(ebb_mul(x, y), ebb_sin(x));
        if (ebb_backward(z, .retain_graph = false)) return ebb_perror("backward");
        double want = three + cos(two);
        if (fabs(ebb_item(ebb_tensor_grad(x)) - want) > 1e-12) return 2;
    }
    printf("C: Ebb %s, d(x * y + sin(x))/dx is right\n", ebb_version());
    return 0;
}
