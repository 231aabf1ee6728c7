/* A user's program in C++17: the same gradient, and a thrown exception closing its scope. */
#include <ebb/ebb.h>
#include <cmath>
#include <stdexcept>

static double gradient(double at_x, double at_y) {
    double result = 0;
    EBB_SCOPE {
        ebb_tensor *x = ebb_requires_grad_(ebb_from_data(&at_x, EBB_F64, EBB_NO_DIMS), true);
        ebb_tensor *y = ebb_from_data(&at_y, EBB_F64, EBB_NO_DIMS);
        ebb_tensor *z = ebb_add(ebb_mul(x, y), ebb_sin(x));
        ebb_tensor *dx = nullptr;
        ebb_grad_options options = {};
        if ((ebb_grad)(EBB_LIST(z), EBB_LIST(x), &dx, options)) throw std::runtime_error(ebb_error()->message);
        result = ebb_item(dx);
    }
    return result;
}

int main() {
    if (std::fabs(gradient(2.0, 3.0) - (3.0 + std::cos(2.0))) > 1e-12) return 2;
    EBB_SCOPE { /* arguments are evaluated once; numbers of any type are numbers */
        const float one = 1;
        ebb_tensor *x = ebb_from_data(&one, EBB_F32, EBB_DIMS(1));
        if (ebb_at_index(ebb_cat(EBB_LIST(ebb_add_(x, std::size_t(2)), x), 0), EBB_DIMS(1)) != 3) return 3;
        if (ebb_item(ebb_mul(x, 0.5L)) != 1.5) return 4;
        ebb_tensor *y = ebb_call("sum", EBB_LIST(x), EBB_ARGS(EBB_ARG("dim", EBB_DIMS(0)), EBB_ARG("keepdim", true),
                                                              EBB_ARG("dtype", EBB_F64), EBB_ARG_TEXT("axis", "0")));
        if (y || ebb_error_status() != EBB_ERR_ARGUMENT) return 5; /* axis is dim, which is given */
        ebb_clear_error();
        y = ebb_call("clamp", EBB_LIST(ebb_call("exp", EBB_LIST(x))), EBB_ARGS(EBB_ARG("max", 2.5), EBB_ARG("min", nullptr)));
        if (ebb_item(y) != 2.5) return 6;
        ebb_tensor *m = ebb_zeros(EBB_DIMS(3, 4));
        ebb_setitem(m, EBB_ITEMS(EBB_SLICE(1, EBB_END), std::size_t(2)), x);
        ebb_tensor *mask = ebb_gt(ebb_getitem(m, EBB_ITEMS(1)), 0);
        if (ebb_item(ebb_sum(ebb_getitem(m, EBB_ITEMS(EBB_ELLIPSIS, mask, EBB_NEWAXIS)))) != 6) return 7;
        if (ebb_item(ebb_getitem(m, EBB_ITEMS(-1, 2L))) != 3) return 8;
    }
    std::printf("C++: Ebb %s, d(x * y + sin(x))/dx is right\n", ebb_version());
    return 0;
}
