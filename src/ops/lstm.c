/* Long short-term memory (Hochreiter and Schmidhuber 1997; Gers, Schmidhuber and Cummins 2000): the recurrence over
 * time and its backward as one operator each, and the cell and the layer that are made of it. */
#define EBB_FAMILY "Recurrence"
#include "ops/batching.h"
#include "ops/composed.h"

/* ---- lstm_recurrence ---- */

enum { GATES, CELL, STATE, WEIGHT };

static ebb_status check_weight(const ebb_meta *w, const ebb_dims *state) {
    const int64_t units = state->d[state->n - 1];
    const ebb_dims shape = EBB_DIMS(4 * units, units);
    if (w->dtype == EBB_DTYPE_NONE || ebb__dims_equal(&w->shape, &shape)) return EBB_OK;
    return ebb_fail(EBB_ERR_SHAPE, "w_hh must have shape [%lld, %lld]", (long long)(4 * units), (long long)units);
}

/* The shapes of what is there for each step, and of a state, from that of the gates. */
static ebb_status shapes(const ebb_dims *gates, ebb_dims *ret_steps, ebb_dims *ret_state) {
    if (gates->n < 1 || gates->n > 3 || gates->d[gates->n - 1] % 4 || (gates->n == 3 && gates->d[0] == 0))
        return ebb_fail(EBB_ERR_SHAPE,
                        "gates must be (steps, batch, 4 * units) with at least one step, (batch, 4 * units) or "
                        "(4 * units)");
    *ret_steps = *gates;
    ret_steps->d[gates->n - 1] /= 4;
    *ret_state = *ret_steps;
    if (gates->n == 3) *ret_state = EBB_DIMS(ret_steps->d[1], ret_steps->d[2]);
    return EBB_OK;
}

static ebb_status infer(struct ebb_infer *f) {
    ebb_dims steps, state;
    if (shapes(&f->in[GATES].shape, &steps, &state)) return ebb_error_status();
    const bool recurs = f->in[WEIGHT].dtype != EBB_DTYPE_NONE;
    if (recurs != (f->in[STATE].dtype != EBB_DTYPE_NONE))
        return ebb_fail(EBB_ERR_ARGUMENT, "hx and w_hh must be given together");
    if (!ebb__dims_equal(&f->in[CELL].shape, &state) || (recurs && !ebb__dims_equal(&f->in[STATE].shape, &state))) {
        char text[EBB__SHAPE_TEXT];
        return ebb_fail(EBB_ERR_SHAPE, "cx and hx must have shape %s, that of one step's units",
                        ebb__shape_text(text, state.n, state.d));
    }
    if (check_weight(&f->in[WEIGHT], &state)) return ebb_error_status();
    f->out[0].shape = f->out[1].shape = steps;
    f->out[2].shape = f->in[GATES].shape;
    return EBB_OK;
}

static const void *data_of(const ebb_tensor *t) { return t ? t->data : NULL; }

static struct ebb__lstm describe(const ebb_tensor *activations, const ebb_tensor *weight) {
    const int n = activations->ndim;
    return (struct ebb__lstm){(ebb_dtype)activations->dtype, n == 3 ? activations->dims[0] : 1,
                              n > 1 ? activations->dims[n - 2] : 1, activations->dims[n - 1] / 4, data_of(weight)};
}

static ebb_status forward(struct ebb_forward *f) {
    const struct ebb__lstm d = describe(f->out[2], f->in[WEIGHT]);
    return ebb__lstm_forward(&d, f->in[GATES]->data, f->in[CELL]->data, data_of(f->in[STATE]), f->out[0]->data,
                             f->out[1]->data, f->out[2]->data);
}

static ebb_tensor *as_rows(ebb_tensor *t) {
    const int64_t columns = ebb_tensor_size(t, -1);
    return ebb_reshape(t, EBB_DIMS(columns ? ebb_tensor_numel(t) / columns : 0, columns));
}

/* The gradient of the weight is one product over all steps. */
static void vjp(struct ebb_vjp_call *v) {
    ebb_tensor *dcell = NULL, *dstate = NULL;
    if (!v->grad[0] && !v->grad[1] && !v->grad[2]) return;
    ebb_tensor *dgates = ebb_lstm_recurrence_backward(
        v->in[CELL], v->out[1], v->out[2], .w_hh = v->in[WEIGHT], .grad_output = v->grad[0], .grad_cells = v->grad[1],
        .grad_activations = v->grad[2], .ret_grad_cx = &dcell, .ret_grad_hx = &dstate);
    if (v->needs[GATES]) ebb_vjp_give(v, GATES, dgates);
    if (v->needs[CELL]) ebb_vjp_give(v, CELL, dcell);
    if (v->n_in > STATE && v->needs[STATE]) ebb_vjp_give(v, STATE, dstate);
    if (v->n_in <= WEIGHT || !v->needs[WEIGHT]) return;
    ebb_tensor *before = v->in[STATE];
    if (ebb_tensor_ndim(v->out[0]) == 3)
        before = ebb_cat(EBB_LIST(ebb_unsqueeze(before, 0), ebb_slice(v->out[0], 0, 0, -1)), 0);
    ebb_vjp_give(v, WEIGHT, ebb_mm(ebb_t(as_rows(dgates)), as_rows(before)));
}

/* A batch is more rows, which follow the steps. */
static ebb_tensor *merged(const struct ebb_batch_call *b, int64_t i, int ndim) {
    ebb_tensor *t = ebb__batch_input(b, i, ndim);
    if (ndim < 2) return t;
    if (ndim == 2 || !t) return ebb__batch_folded(t);
    const ebb_dims d = ebb_tensor_shape(t);
    return ebb_reshape(ebb_transpose(t, 0, 1), EBB_DIMS(d.d[1], d.d[0] * d.d[2], d.d[3]));
}

static void give_parted(struct ebb_batch_call *b, int64_t k, ebb_tensor *t, int ndim) {
    if (ndim == 2) t = ebb__batch_unfolded(t, b->size);
    if (ndim == 3) {
        const ebb_dims d = ebb_tensor_shape(t);
        t = ebb_transpose(ebb_reshape(t, EBB_DIMS(d.d[0], b->size, b->size ? d.d[1] / b->size : 0, d.d[2])), 0, 1);
    }
    ebb_batch_give(b, k, t);
}

static void batch(struct ebb_batch_call *b) {
    const int ndim = ebb__batch_ndim(b, GATES), of_state = ndim == 3 ? 2 : ndim;
    if (b->size == 0 || (b->n_in > WEIGHT && b->batched[WEIGHT])) {
        ebb_batch_loop(b);
        return;
    }
    ebb_tensor *cells = NULL, *activations = NULL;
    ebb_tensor *output = ebb_lstm_recurrence(
        merged(b, GATES, ndim), merged(b, CELL, of_state), .hx = b->n_in > STATE ? merged(b, STATE, of_state) : NULL,
        .w_hh = b->n_in > WEIGHT ? b->in[WEIGHT] : NULL, .ret_cells = &cells, .ret_activations = &activations);
    give_parted(b, 0, output, ndim);
    give_parted(b, 1, cells, ndim);
    give_parted(b, 2, activations, ndim);
}

#define ALL (EBB_IN(CELL) | EBB_IN(WEIGHT) | EBB_OUT(1) | EBB_OUT(2))
const struct ebb_op ebb_op_lstm_recurrence = {
    EBB_SIGNATURE(lstm_recurrence, "Tensor gates, Tensor cx, Tensor? hx, Tensor? w_hh -> Tensor output, Tensor cells, "
                                   "Tensor activations"),
    .doc = EBB_TEXT(
        "The steps of an LSTM whose inputs have been multiplied by their weights. gates (steps, batch, 4 * units), or of one "
        "step (batch, 4 * units) or (4 * units), are i, f, g and o in the order of torch.nn.LSTM, to which h w_hh^T is "
        "added, with h the state of the step before, first hx; without hx and w_hh (4 * units, units) they are complete. Then c = "
        "sigmoid(f) * c + sigmoid(i) * tanh(g), first of cx, and h = sigmoid(o) * tanh(c). output has all h and cells all c, "
        "activations have the four gates behind their functions, which backward reads."),
    .torch = EBB_TEXT("torch.lstm"),
    .node = "ThnnFusedLstmCellBackward0",
    .promote = EBB_PROMOTE_COMMON,
    .dtypes = EBB_FLOATING,
    .contiguous = true,
    .undefined_grads = true,
    .infer = infer,
    .forward = forward,
    .vjp = vjp,
    .batch = batch,
    .saves = {ALL, ALL, ALL, ALL | EBB_IN(STATE) | EBB_OUT(0)},
    .formula = EBB_FORMULAS(
        "'(dc * z * i * (1 - i), dc * c_before * f * (1 - f), dc * i * (1 - z**2), dh * tanh(c) * o * (1 - o)) of "
        "each step, the last one first, for activations (i, f, z, o)'",
        "'dc * f of the first step, dc = dc_after * f_after + dh * o * (1 - tanh(c)**2)'",
        "'d_gates @ w_hh of the first step; dh of a step has the same of the step after'",
        "'the sum of d_gates^T @ h_before over all steps'"),
    .samples = EBB_SAMPLES("(8) (2)", "(3,8) (3,2)", "(3,8) (3,2) (3,2) (8,2)", "(4) (1) (1) (4,1)",
                           "(4,3,8) (3,2) (3,2) (8,2)", "(3,2,8) (2,2)", "(9,2,12) (2,3) (2,3) (12,3)",
                           "(2,9,72) (9,18) (9,18) (72,18)", "(2,0,8) (0,2) (0,2) (8,2)", "(2,3,0) (3,0)",
                           "! (0,3,8) (3,2) (3,2) (8,2)", "! (3,6) (3,2)", "! (3,8) (2,2)", "! (3,8) (3,2) (3,2)",
                           "! (3,8) (3,2) none (8,2)", "! (3,8) (3,2) (3,2) (2,8)", "! (3,8) (3,2) (2) (8,2)",
                           "! (2,2,3,8) (2,3,2)", "! i5(3,8) i5(3,2)"),
};

/* ---- lstm_recurrence_backward ---- */

enum { B_CELL, B_CELLS, B_ACTIVATIONS, B_WEIGHT, B_OUTPUT_GRAD, B_CELLS_GRAD, B_ACTIVATIONS_GRAD };

static ebb_status backward_infer(struct ebb_infer *f) {
    const ebb_meta *in = f->in;
    const ebb_dims *gates = &in[B_ACTIVATIONS].shape;
    ebb_dims steps, state;
    if (shapes(gates, &steps, &state) || check_weight(&in[B_WEIGHT], &state)) return ebb_error_status();
    bool fits = ebb__dims_equal(&in[B_CELL].shape, &state) && ebb__dims_equal(&in[B_CELLS].shape, &steps);
    for (int i = B_OUTPUT_GRAD; i <= B_ACTIVATIONS_GRAD; i++)
        fits = fits && (in[i].dtype == EBB_DTYPE_NONE ||
                        ebb__dims_equal(&in[i].shape, i == B_ACTIVATIONS_GRAD ? gates : &steps));
    if (!fits) return ebb_fail(EBB_ERR_SHAPE, "cx, cells, activations and gradients are not those of such an LSTM");
    f->out[0].shape = *gates;
    f->out[1].shape = state;
    f->out[2].shape = in[B_WEIGHT].dtype != EBB_DTYPE_NONE ? state : EBB_DIMS(0);
    return EBB_OK;
}

static ebb_status backward_forward(struct ebb_forward *f) {
    ebb_tensor *const *in = f->in, *const *out = f->out;
    const struct ebb__lstm d = describe(in[B_ACTIVATIONS], in[B_WEIGHT]);
    return ebb__lstm_backward(
        &d, &(struct ebb__lstm_backward){in[B_CELL]->data, in[B_CELLS]->data, in[B_ACTIVATIONS]->data,
                                         data_of(in[B_OUTPUT_GRAD]), data_of(in[B_CELLS_GRAD]),
                                         data_of(in[B_ACTIVATIONS_GRAD]), out[0]->data, out[1]->data, out[2]->data});
}

/* What t has of a step: all, if there is one only. NULL for NULL. */
static ebb_tensor *of_step(ebb_tensor *t, int64_t step, bool over_time) {
    return t && over_time ? ebb_select(t, 0, step) : t;
}
static ebb_tensor *plus(ebb_tensor *a, ebb_tensor *b) { return !a ? b : b ? ebb_add(a, b) : a; }
static ebb_tensor *complement(ebb_tensor *t) { return ebb_sub(1, t); }

/* One step back: dh and dc may be NULL; *dc becomes the gradient of the cell before. */
static ebb_tensor *step_back(ebb_list a, ebb_list of_a, ebb_tensor *before, ebb_tensor *cell, ebb_tensor *dh,
                             ebb_tensor **dc) {
    if (a.n != 4) return NULL;
    ebb_tensor *i = a.t[0], *f = a.t[1], *g = a.t[2], *o = a.t[3], *shown = ebb_tanh(cell), *of[4];
    if (!dh) dh = ebb_zeros_like(cell);
    ebb_tensor *c = plus(ebb_mul(ebb_mul(dh, o), complement(ebb_square(shown))), *dc);
    of[0] = ebb_mul(c, g), of[1] = ebb_mul(c, before), of[2] = ebb_mul(c, i), of[3] = ebb_mul(dh, shown);
    for (int k = 0; k < 4 && of_a.n == 4; k++) of[k] = ebb_add(of[k], of_a.t[k]);
    of[0] = ebb_mul(of[0], ebb_mul(i, complement(i)));
    of[1] = ebb_mul(of[1], ebb_mul(f, complement(f)));
    of[2] = ebb_mul(of[2], complement(ebb_square(g)));
    of[3] = ebb_mul(of[3], ebb_mul(o, complement(o)));
    *dc = ebb_mul(c, f);
    return ebb_cat(((ebb_list){4, of}), -1);
}

static bool composed_backward(ebb_tensor *const *x, const void *attrs, ebb_tensor **ret) {
    const bool over_time = ebb_tensor_ndim(x[B_ACTIVATIONS]) == 3;
    const int64_t steps = over_time ? ebb_tensor_size(x[B_ACTIVATIONS], 0) : 1;
    ebb_tensor **d = ebb_list_room(steps), *dc = NULL, *dh = NULL;
    (void)attrs;
    if (!d) return false;
    for (int64_t t = steps - 1; t >= 0; t--) {
        ebb_tensor *g = of_step(x[B_ACTIVATIONS_GRAD], t, over_time);
        ebb_list of_a = g ? ebb_chunk(g, 4, .dim = -1) : (ebb_list){0, NULL};
        dh = plus(dh, of_step(x[B_OUTPUT_GRAD], t, over_time));
        dc = plus(dc, of_step(x[B_CELLS_GRAD], t, over_time));
        ebb_tensor *before = t ? ebb_select(x[B_CELLS], 0, t - 1) : x[B_CELL];
        d[t] = step_back(ebb_chunk(of_step(x[B_ACTIVATIONS], t, over_time), 4, .dim = -1), of_a, before,
                         of_step(x[B_CELLS], t, over_time), dh, &dc);
        dh = x[B_WEIGHT] ? ebb_matmul(d[t], x[B_WEIGHT]) : NULL;
    }
    ret[0] = over_time ? ebb_stack(((ebb_list){steps, d}), 0) : d[0];
    ret[1] = dc;
    ret[2] = dh;
    return ret[0] && ret[1] && (ret[2] || !x[B_WEIGHT]);
}

static void backward_vjp(struct ebb_vjp_call *v) { ebb__vjp_composed(v, composed_backward); }

static ebb_tensor *merged_if(const struct ebb_batch_call *b, int64_t i, int ndim) {
    return i < b->n_in && b->in[i] ? merged(b, i, ndim) : NULL;
}

static void backward_batch(struct ebb_batch_call *b) {
    const int ndim = ebb__batch_ndim(b, B_ACTIVATIONS), of_state = ndim == 3 ? 2 : ndim;
    ebb_tensor *weight = b->n_in > B_WEIGHT ? b->in[B_WEIGHT] : NULL, *dcell = NULL, *dstate = NULL;
    if (b->size == 0 || (weight && b->batched[B_WEIGHT])) {
        ebb_batch_loop(b);
        return;
    }
    ebb_tensor *dgates = ebb_lstm_recurrence_backward(
        merged(b, B_CELL, of_state), merged(b, B_CELLS, ndim), merged(b, B_ACTIVATIONS, ndim), .w_hh = weight,
        .grad_output = merged_if(b, B_OUTPUT_GRAD, ndim), .grad_cells = merged_if(b, B_CELLS_GRAD, ndim),
        .grad_activations = merged_if(b, B_ACTIVATIONS_GRAD, ndim), .ret_grad_cx = &dcell, .ret_grad_hx = &dstate);
    give_parted(b, 0, dgates, ndim);
    give_parted(b, 1, dcell, of_state);
    if (weight) give_parted(b, 2, dstate, of_state);
    else ebb_batch_give(b, 2, ebb_reshape(dstate, EBB_DIMS(b->size, 0)));
}

#define B_ALL 127u
#define DERIVED "'the gradient of d_gates, the formulas of lstm_recurrence, written with operators for each step'"
const struct ebb_op ebb_op_lstm_recurrence_backward = {
    EBB_SIGNATURE(lstm_recurrence_backward,
                  "Tensor cx, Tensor cells, Tensor activations, Tensor? w_hh, Tensor? grad_output, Tensor? grad_cells, "
                  "Tensor? grad_activations -> Tensor grad_gates, Tensor grad_cx, Tensor grad_hx"),
    .doc = EBB_TEXT(
        "The gradients of lstm_recurrence's gates, cx and hx (nothing without w_hh), from its results and those of their "
        "gradients that are given."),
    .torch = EBB_TEXT("torch.ops.aten._thnn_fused_lstm_cell_backward"),
    .node = "ThnnFusedLstmCellBackwardBackward0",
    .promote = EBB_PROMOTE_COMMON,
    .dtypes = EBB_FLOATING,
    .contiguous = true,
    .undefined_grads = true,
    .infer = backward_infer,
    .forward = backward_forward,
    .vjp = backward_vjp,
    .batch = backward_batch,
    .saves = {B_ALL, B_ALL, B_ALL, B_ALL, B_ALL, B_ALL, B_ALL},
    .formula = EBB_FORMULAS(DERIVED, DERIVED, DERIVED, DERIVED, DERIVED, DERIVED, DERIVED),
    .samples = EBB_SAMPLES("(2) (2) (8) none (2)", "(3,2) (3,2) (3,8) (8,2) (3,2) (3,2) (3,8)",
                           "(2,2) (3,2,2) (3,2,8) (8,2) (3,2,2)", "(2,2) (3,2,2) (3,2,8) none none (3,2,2)",
                           "(2,1) (2,2,1) (2,2,4) (4,1) none none (2,2,4)", "(0,2) (2,0,2) (2,0,8) (8,2) (2,0,2)",
                           "! (2,2) (2,2) (3,2,8) (8,2) (3,2,2)", "! (2,2) (3,2,2) (3,2,8) (8,3) (3,2,2)",
                           "! (2,2) (3,2,2) (3,2,8) (8,2) (2,2)"),
};

/* ---- the cell and the layer ---- */

enum { INPUT, HX, CX, W_IH, W_HH, B_IH, B_HH };

/* The sizes that the parts would speak of by their own names. */
static bool sizes_fit(ebb_tensor *const *in) {
    const int64_t units = ebb_tensor_ndim(in[CX]) ? ebb_tensor_size(in[CX], -1) : 0;
    for (int i = W_IH; i <= B_HH; i++) {
        if (i == W_HH || !in[i]) continue; /* lstm_recurrence checks w_hh */
        const ebb_dims shape = ebb_tensor_shape(in[i]);
        ebb_dims want = EBB_DIMS(4 * units);
        if (i == W_IH) want = EBB_DIMS(4 * units, ebb_tensor_ndim(in[INPUT]) ? ebb_tensor_size(in[INPUT], -1) : 0);
        if (ebb__dims_equal(&shape, &want)) continue;
        char text[EBB__SHAPE_TEXT];
        ebb_fail(EBB_ERR_SHAPE, "%s must have shape %s",
                 i == W_IH   ? "w_ih"
                 : i == B_IH ? "b_ih"
                             : "b_hh",
                 ebb__shape_text(text, want.n, want.d));
        return false;
    }
    return true;
}

/* All gates but for what comes from the states, at once, and the recurrence. */
static bool recur(struct ebb_forward *f, ebb_tensor **ret_output, ebb_tensor **ret_cells) {
    ebb_tensor *const *in = f->in;
    if (!sizes_fit(in)) return false;
    ebb_tensor *gates = ebb_linear(in[INPUT], in[W_IH], .bias = plus(in[B_IH], in[B_HH]));
    *ret_output = ebb_lstm_recurrence(gates, in[CX], .hx = in[HX], .w_hh = in[W_HH], .ret_cells = ret_cells);
    return *ret_output != NULL;
}

static ebb_list cell_compose(struct ebb_forward *f) {
    ebb_tensor **out = ebb_list_room(2);
    if (ebb_tensor_ndim(f->in[INPUT]) > 2) {
        ebb_fail(EBB_ERR_SHAPE, "expected input (batch, in) or (in); lstm_layer takes steps");
        return (ebb_list){0, NULL};
    }
    return (ebb_list){out && recur(f, &out[0], &out[1]) ? 2 : 0, out};
}

#define INPUTS "Tensor input, Tensor hx, Tensor cx, Tensor w_ih, Tensor w_hh, Tensor? b_ih, Tensor? b_hh -> "
const struct ebb_op ebb_op_lstm_cell = {
    EBB_SIGNATURE(lstm_cell, INPUTS "Tensor h, Tensor c"),
    .doc = EBB_TEXT(
        "One step of an LSTM from input (batch, in), or (in), and hx and cx, the state h and the cell c before it, (batch, units) or "
        "(units): with w_ih (4 * units, in), w_hh (4 * units, units) and biases (4 * units), i, f, g, o = input w_ih^T + b_ih + "
        "h w_hh^T + b_hh, c = sigmoid(f) * c + sigmoid(i) * tanh(g), h = sigmoid(o) * tanh(c)."),
    .torch = EBB_TEXT("torch.lstm_cell"),
    .compose_list = cell_compose,
    .parts = EBB_TEXT("'linear(input, w_ih, b_ih + b_hh), then lstm_recurrence'"),
    .samples = EBB_SAMPLES("(3,4) (3,2) (3,2) (8,4) (8,2) (8) (8)", "(4) (2) (2) (8,4) (8,2)",
                           "(3,4) (3,2) (3,2) (8,4) (8,2) (8)", "(0,4) (0,2) (0,2) (8,4) (8,2) (8) (8)",
                           "! (3,4) (3,2) (3,2) (8,4) (8,3)", "! (3,4) (3,2) (3,2) (8,3) (8,2)",
                           "! (3,4) (2,2) (2,2) (8,4) (8,2)", "! (5,3,4) (3,2) (3,2) (8,4) (8,2)"),
};

static ebb_list layer_compose(struct ebb_forward *f) {
    ebb_tensor **out = ebb_list_room(3), *cells;
    if (!out) return (ebb_list){0, NULL};
    if (ebb_tensor_ndim(f->in[INPUT]) != 3) {
        ebb_fail(EBB_ERR_SHAPE, "expected input (steps, batch, in)");
        return (ebb_list){0, NULL};
    }
    if (!recur(f, &out[0], &cells)) return (ebb_list){0, NULL};
    out[1] = ebb_select(out[0], 0, -1);
    out[2] = ebb_select(cells, 0, -1);
    return (ebb_list){out[1] && out[2] ? 3 : 0, out};
}

const struct ebb_op ebb_op_lstm_layer = {
    EBB_SIGNATURE(lstm_layer, INPUTS "Tensor output, Tensor h_n, Tensor c_n"),
    .doc = EBB_TEXT(
        "A layer of an LSTM: lstm_cell for each step of input (steps, batch, in), from hx and cx, the state and the cell before the "
        "first one, (batch, units). output (steps, batch, units) are all states, h_n and c_n the last state and cell."),
    .torch = EBB_TEXT("torch.lstm"),
    .compose_list = layer_compose,
    .parts = EBB_TEXT("'linear(input, w_ih, b_ih + b_hh), then lstm_recurrence'"),
    .samples = EBB_SAMPLES("(5,3,4) (3,2) (3,2) (8,4) (8,2) (8) (8)", "(2,3,4) (3,1) (3,1) (4,4) (4,1)",
                           "(1,0,4) (0,2) (0,2) (8,4) (8,2) (8) (8)", "! (0,3,4) (3,2) (3,2) (8,4) (8,2)",
                           "! (3,4) (3,2) (3,2) (8,4) (8,2)"),
};
