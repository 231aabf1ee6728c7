/* The recurrence of an LSTM against the same written with elementwise operators: sizes at the edges of what is packed
 * and of vectors, any number of threads, and a layer against its cells. */
#include "tests/check.h"
#include <ebb/ebb.h>
#include <math.h>
#include <string.h>

typedef struct lstm {
    ebb_tensor *x, *h, *c, *w_ih, *w_hh, *b_ih, *b_hh;
} lstm;
enum { TENSORS = sizeof(lstm) / sizeof(ebb_tensor *) };

static lstm make(int64_t steps, int64_t batch, int64_t in, int64_t units, ebb_dtype dtype) {
    const ebb_dims shapes[TENSORS] = {EBB_DIMS(steps, batch, in), EBB_DIMS(batch, units),     EBB_DIMS(batch, units),
                                      EBB_DIMS(4 * units, in),    EBB_DIMS(4 * units, units), EBB_DIMS(4 * units),
                                      EBB_DIMS(4 * units)};
    lstm l;
    ebb_tensor **t = &l.x;
    for (int i = 0; i < TENSORS; i++) {
        const double scale = i >= 3 ? 1 / sqrt((double)units) : 1;
        t[i] = ebb_mul(ebb_randn(shapes[i], .dtype = dtype), scale);
        CHECK(t[i] = ebb_requires_grad_(ebb_detach(t[i]), true));
    }
    return l;
}

/* All states, and a number that reads the last cell, too. */
static ebb_tensor *by_parts(const lstm *l, ebb_tensor **ret_sum) {
    ebb_tensor *h = l->h, *c = l->c, *out[64];
    const int64_t steps = ebb_tensor_size(l->x, 0);
    for (int64_t t = 0; t < steps; t++) {
        ebb_tensor *sums = ebb_add(ebb_linear(ebb_select(l->x, 0, t), l->w_ih, .bias = l->b_ih),
                                   ebb_linear(h, l->w_hh, .bias = l->b_hh));
        ebb_list gate = ebb_chunk(sums, 4, .dim = -1);
        CHECK(gate.n == 4);
        c = ebb_add(ebb_mul(ebb_sigmoid(gate.t[1]), c), ebb_mul(ebb_sigmoid(gate.t[0]), ebb_tanh(gate.t[2])));
        out[t] = h = ebb_mul(ebb_sigmoid(gate.t[3]), ebb_tanh(c));
    }
    ebb_tensor *all = ebb_stack(((ebb_list){steps, out}), 0);
    *ret_sum = ebb_add(ebb_sum(ebb_square(all)), ebb_sum(ebb_mul(c, h)));
    return all;
}

static ebb_tensor *by_layer(const lstm *l, ebb_tensor **ret_sum) {
    ebb_tensor *h, *c,
        *all = ebb_lstm_layer(l->x, l->h, l->c, l->w_ih, l->w_hh, .b_ih = l->b_ih, .b_hh = l->b_hh, .ret_h_n = &h,
                              .ret_c_n = &c);
    *ret_sum = ebb_add(ebb_sum(ebb_square(all)), ebb_sum(ebb_mul(c, h)));
    return all;
}

static double distance(ebb_tensor *a, ebb_tensor *b) {
    if (ebb_tensor_numel(a) == 0) return 0;
    return ebb_item(ebb_amax(ebb_abs(ebb_sub(a, b)))) / (1e-3 + ebb_item(ebb_amax(ebb_abs(b))));
}

static const struct {
    int64_t steps, batch, in, units;
} sizes[] = {{1, 1, 3, 5},   {3, 2, 4, 1},   {2, 33, 3, 70}, {5, 13, 7, 16},
             {2, 20, 5, 65}, {3, 40, 2, 32}, {1, 400, 2, 9}};

EBB_TEST(layer_is_the_sum_of_its_parts) {
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (ebb_dtype dtype = EBB_F32; dtype <= EBB_F64; dtype++) {
            EBB_SCOPE {
                const double eps = dtype == EBB_F32 ? 2e-5 : 1e-13;
                lstm l = make(sizes[i].steps, sizes[i].batch, sizes[i].in, sizes[i].units, dtype);
                ebb_tensor *s[2], *g[2][TENSORS];
                ebb_tensor *y[2] = {by_parts(&l, &s[0]), by_layer(&l, &s[1])};
                CHECK(distance(y[1], y[0]) < eps);
                for (int k = 0; k < 2; k++) CHECK(!ebb_grad(EBB_LIST(s[k]), ((ebb_list){TENSORS, &l.x}), g[k]));
                for (int k = 0; k < TENSORS; k++) CHECK(distance(g[1][k], g[0][k]) < eps);
            }
        }
    }
}

/* The gradient of a sum of squares of gradients: what the backward operator's own rule computes. */
EBB_TEST(second_derivatives) {
    lstm l = make(3, 2, 4, 3, EBB_F64);
    ebb_tensor *second[2][TENSORS];
    for (int k = 0; k < 2; k++) {
        ebb_tensor *s, *g[TENSORS], *sum = NULL;
        (void)(k ? by_layer : by_parts)(&l, &s);
        CHECK(!ebb_grad(EBB_LIST(s), ((ebb_list){TENSORS, &l.x}), g, .create_graph = true));
        for (int i = 0; i < TENSORS; i++)
            sum = sum ? ebb_add(sum, ebb_sum(ebb_square(g[i]))) : ebb_sum(ebb_square(g[i]));
        CHECK(!ebb_grad(EBB_LIST(sum), ((ebb_list){TENSORS, &l.x}), second[k]));
    }
    for (int i = 0; i < TENSORS; i++) CHECK(distance(second[1][i], second[0][i]) < 1e-12);
}

EBB_TEST(any_number_of_threads_gives_the_same) {
    lstm l = make(4, 37, 8, 48, EBB_F32);
    ebb_tensor *y[3], *g[3][TENSORS], *s;
    for (int k = 0; k < 3; k++) {
        ebb_set_num_threads(k + 1);
        y[k] = by_layer(&l, &s);
        CHECK(!ebb_grad(EBB_LIST(s), ((ebb_list){TENSORS, &l.x}), g[k]));
        CHECK(memcmp(ebb_tensor_data(y[k]), ebb_tensor_data(y[0]), (size_t)ebb_tensor_numel(y[0]) * 4) == 0);
        for (int i = 0; i < TENSORS; i++)
            CHECK(memcmp(ebb_tensor_data(g[k][i]), ebb_tensor_data(g[0][i]), (size_t)ebb_tensor_numel(g[0][i]) * 4) ==
                  0);
    }
    ebb_set_num_threads(0);
}

EBB_TEST(layer_is_made_of_cells) {
    lstm l = make(3, 2, 4, 5, EBB_F64);
    ebb_tensor *s, *all = by_layer(&l, &s), *h = l.h, *c = l.c;
    for (int64_t t = 0; t < 3; t++) {
        h = ebb_lstm_cell(ebb_select(l.x, 0, t), h, c, l.w_ih, l.w_hh, .b_ih = l.b_ih, .b_hh = l.b_hh, .ret_c = &c);
        CHECK(distance(ebb_select(all, 0, t), h) < 1e-14);
    }
}

EBB_TEST(sizes_are_told_by_the_names_of_the_call) {
    lstm l = make(3, 2, 4, 5, EBB_F64);
    CHECK(!ebb_lstm_layer(l.x, l.h, l.c, ebb_ones(EBB_DIMS(20, 3)), l.w_hh));
    CHECK_ERROR(EBB_ERR_SHAPE, "lstm_layer: w_ih must have shape [20, 4]; inputs: input float64 [3, 2, 4]");
    CHECK(!ebb_lstm_layer(l.x, l.h, l.c, l.w_ih, l.w_hh, .b_hh = ebb_ones(EBB_DIMS(7))));
    CHECK_ERROR(EBB_ERR_SHAPE, "lstm_layer: b_hh must have shape [20]");
    CHECK(!ebb_lstm_layer(l.x, l.h, l.c, l.w_ih, ebb_ones(EBB_DIMS(20, 4), .dtype = EBB_F64)));
    CHECK_ERROR(EBB_ERR_SHAPE, "lstm_layer: w_hh must have shape [20, 5]");
    CHECK(!ebb_lstm_cell(l.x, l.h, l.c, l.w_ih, l.w_hh));
    CHECK_ERROR(EBB_ERR_SHAPE, "lstm_cell: expected input (batch, in) or (in)");
}

EBB_TEST_MAIN
