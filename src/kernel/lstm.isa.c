/* What an LSTM does for each unit of a row, once the gates are summed up: activations, cell and state, and their
 * gradients, in one pass. */
#include "kernel/vecmath.h"

EBB__VEC_MATH(exp, f64, double, exp)
EBB__VEC_MATH_FASTER(tanh, tanh)

enum { INPUT, FORGET, CHANGE, OUTPUT };

#define LOAD(F, p) ebb__load_part_##F((p) + at, n - at, 0)
#define LOAD_IF(F, p) ((p) ? LOAD(F, (const T_##F *)(p)) : (ebb__v##F){0})
#define STORE(F, p, x) ebb__store_part_##F((p) + at, n - at, x)
typedef float T_f32;
typedef double T_f64;

#define DEFINE_LSTM(F, T) \
    static EBB__INLINE ebb__v##F sigmoid_##F(ebb__v##F x) { return 1 / (1 + ebb__exp_##F(-x)); } \
    static void forward_##F(int64_t n, const void *const sum[4], const void *c_before_, void *const gate[4], void *c_, \
                            void *h_) { \
        enum { W = sizeof(ebb__v##F) / sizeof(T) }; \
        const T *i = sum[INPUT], *f = sum[FORGET], *g = sum[CHANGE], *o = sum[OUTPUT], *c_before = c_before_; \
        T *c = c_, *h = h_; \
        for (int64_t at = 0; at < n; at += W) { \
            const ebb__v##F in = sigmoid_##F(LOAD(F, i)), forget = sigmoid_##F(LOAD(F, f)); \
            const ebb__v##F change = ebb__tanh_##F(LOAD(F, g)), out = sigmoid_##F(LOAD(F, o)); \
            const ebb__v##F cell = ebb__fma_##F(forget, LOAD(F, c_before), in * change); \
            STORE(F, (T *)gate[INPUT], in); \
            STORE(F, (T *)gate[FORGET], forget); \
            STORE(F, (T *)gate[CHANGE], change); \
            STORE(F, (T *)gate[OUTPUT], out); \
            STORE(F, c, cell); \
            STORE(F, h, out *ebb__tanh_##F(cell)); \
        } \
    } \
    static void backward_##F(int64_t n, const void *const gate[4], const void *c_before_, const void *c_, \
                             const void *dh_, const void *dh_more, const void *dc_more, const void *const *of_gate, \
                             void *dc_, void *const dgate[4]) { \
        enum { W = sizeof(ebb__v##F) / sizeof(T) }; \
        const T *i = gate[INPUT], *f = gate[FORGET], *g = gate[CHANGE], *o = gate[OUTPUT]; \
        const T *c_before = c_before_, *c = c_; \
        T *dc = dc_, *di = dgate[INPUT], *df = dgate[FORGET], *dg = dgate[CHANGE], *d_o = dgate[OUTPUT]; \
        for (int64_t at = 0; at < n; at += W) { \
            const ebb__v##F in = LOAD(F, i), forget = LOAD(F, f), change = LOAD(F, g), out = LOAD(F, o); \
            const ebb__v##F shown = ebb__tanh_##F(LOAD(F, c)), of_h = LOAD_IF(F, dh_) + LOAD_IF(F, dh_more); \
            const ebb__v##F of_c = LOAD(F, dc) + LOAD_IF(F, dc_more) + of_h * out * (1 - shown * shown); \
            ebb__v##F of_in = of_c * change, of_forget = of_c * LOAD(F, c_before), of_change = of_c * in; \
            ebb__v##F of_out = of_h * shown; \
            if (of_gate) { \
                of_in += LOAD(F, (const T *)of_gate[INPUT]); \
                of_forget += LOAD(F, (const T *)of_gate[FORGET]); \
                of_change += LOAD(F, (const T *)of_gate[CHANGE]); \
                of_out += LOAD(F, (const T *)of_gate[OUTPUT]); \
            } \
            STORE(F, di, of_in *in *(1 - in)); \
            STORE(F, df, of_forget *forget *(1 - forget)); \
            STORE(F, dg, of_change *(1 - change * change)); \
            STORE(F, d_o, of_out *out *(1 - out)); \
            STORE(F, dc, of_c *forget); \
        } \
    }
DEFINE_LSTM(f32, float)
DEFINE_LSTM(f64, double)

void EBB__ISA(ebb__init_lstm)(void) {
    ebb__isa.lstm[EBB_F32] = (ebb__lstm_units){forward_f32, backward_f32};
    ebb__isa.lstm[EBB_F64] = (ebb__lstm_units){forward_f64, backward_f64};
}
