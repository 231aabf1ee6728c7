/* What operators over one to three spatial dimensions share. */
#include "ops/spatial.h"

ebb_status ebb__spatial(const char *name, const ebb_dims *given, int n, int64_t otherwise, int64_t front,
                        int64_t ret_values[3]) {
    if (given->n > 1 && given->n != n)
        return ebb_fail(EBB_ERR_ARGUMENT, "%s lists %d numbers; expected %s", name, (int)given->n,
                        n == 1   ? "one"
                        : n == 2 ? "one, or 2"
                                 : "one, or 3");
    for (int i = 0; i < 3; i++)
        ret_values[i] = i < 3 - n       ? front
                        : given->n == 0 ? otherwise
                        : given->n == 1 ? given->d[0]
                                        : given->d[i - (3 - n)];
    return EBB_OK;
}

ebb_dims ebb__spatial_dims(int n, const int64_t values[3]) { return ebb__dims(n, values + 3 - n); }

bool ebb__spatial_batched(const ebb_dims *shape, int n, bool *ret_batched) {
    *ret_batched = shape->n == n + 2;
    if (*ret_batched || shape->n == n + 1) return true;
    ebb_fail(EBB_ERR_SHAPE, "expected an input of %d dimensions, or %d without a batch; got %d", n + 2, n + 1,
             (int)shape->n);
    return false;
}
