/* Elementwise operators on 16-bit floating dtypes: computed through float32, a piece that stays in the cache at a
 * time. */
#include "ops/ops.h"

enum { PIECE = 256 };

static void through_f32(int64_t n, char *const *p, const int64_t *stride, const void *context) {
    const struct ebb__through_f32 *t = context;
    float buffer[EBB__PLAN_MAX][PIECE];
    char *at[EBB__PLAN_MAX];
    int64_t step[EBB__PLAN_MAX];
    for (int64_t start = 0; start < n; start += PIECE) {
        const int64_t m = n - start < PIECE ? n - start : PIECE;
        for (int k = 0; k < t->n; k++) {
            char *given = p[k] + start * stride[k];
            bool half = t->halves & 1u << k;
            at[k] = half ? (char *)buffer[k] : given;
            step[k] = !half ? stride[k] : k && !stride[k] ? 0 : (int64_t)sizeof(float);
            if (half && k)
                ebb__loops_cast[EBB_F32][t->dtype](step[k] ? m : 1, (char *[]){at[k], given},
                                                   (int64_t[]){(int64_t)sizeof(float), stride[k]}, NULL);
        }
        t->loop(m, at, step, t->attrs);
        if (t->halves & 1)
            ebb__loops_cast[t->dtype][EBB_F32](m, (char *[]){p[0] + start * stride[0], at[0]},
                                               (int64_t[]){stride[0], (int64_t)sizeof(float)}, NULL);
    }
}

const ebb_loop ebb__loop_through_f32 = through_f32;
