/* The three examples of the chapter: variables, forward pass, and gradients by formulas derived by hand. */
#include "cli/chapter.h"

/* The same numbers for every dtype, up to rounding. */
static ebb_tensor *random_values(ebb_dims shape, ebb_dtype dtype) {
    return ebb_to(ebb_randn(shape, .dtype = EBB_F64), dtype);
}

static ebb_tensor *column(ebb_tensor *v) { return ebb_unsqueeze(v, 1); }
static ebb_tensor *row(ebb_tensor *v) { return ebb_unsqueeze(v, 0); }

/* ---- 1: z = x·y + sin(x) ---- */

enum { S_X, S_Y, S_A, S_B, S_Z };

static void scalar_give(struct chapter_result *r, const struct chapter_options *o) {
    r->value[S_X] = ebb_scalar(2.0, .dtype = o->dtype);
    r->value[S_Y] = ebb_scalar(3.0, .dtype = o->dtype);
}

static void scalar_forward(ebb_tensor **v) {
    if (!v[S_A]) v[S_A] = ebb_mul(v[S_X], v[S_Y]);
    if (!v[S_B]) v[S_B] = ebb_sin(v[S_X]);
    if (!v[S_Z]) v[S_Z] = ebb_add(v[S_A], v[S_B]);
}

static void scalar_by_hand(struct chapter_result *r) {
    ebb_tensor *const *v = r->value;
    ebb_tensor *da = chapter_step(r, 0, S_Z, S_A, "1", ebb_clone(r->upstream));
    ebb_tensor *db = chapter_step(r, 0, S_Z, S_B, "1", ebb_clone(r->upstream));
    ebb_tensor *dx = ebb_add(ebb_mul(da, v[S_Y]), ebb_mul(db, ebb_cos(v[S_X])));
    (void)chapter_step(r, 0, S_Z, S_X, "∂z/∂a·y + ∂z/∂b·cos(x)", dx);
    (void)chapter_step(r, 0, S_A, S_Y, "∂z/∂a·x", ebb_mul(da, v[S_X]));
}

/* ---- 2: Y = X·W + b ---- */

enum { L_X, L_W, L_B, L_Y };

static void linear_give(struct chapter_result *r, const struct chapter_options *o) {
    r->value[L_X] = random_values(EBB_DIMS(o->batch, o->in), o->dtype);
    r->value[L_W] = random_values(EBB_DIMS(o->in, o->out), o->dtype);
    r->value[L_B] = random_values(EBB_DIMS(o->out), o->dtype);
    r->upstream = random_values(EBB_DIMS(o->batch, o->out), o->dtype);
}

static void linear_forward(ebb_tensor **v) {
    if (!v[L_Y]) v[L_Y] = ebb_add(ebb_matmul(v[L_X], v[L_W]), v[L_B]);
}

static void linear_by_hand(struct chapter_result *r) {
    ebb_tensor *const *v = r->value, *dy = r->upstream;
    ebb_tensor *dx = chapter_product(r, dy, ebb_transpose(v[L_W], 0, 1));
    (void)chapter_step(r, 0, L_Y, L_X, "∂L/∂Y·Wᵀ", dx);
    ebb_tensor *dw = chapter_product(r, ebb_transpose(v[L_X], 0, 1), dy);
    (void)chapter_step(r, 0, L_Y, L_W, "Xᵀ·∂L/∂Y", dw);
    (void)chapter_step(r, 0, L_Y, L_B, "Σ ∂L/∂Y", ebb_sum(dy, .dim = EBB_DIMS(0)));
}

/* ---- 3: the four-layer network of section 6 ---- */

enum { N_X, N_Y, N_W1, N_B1, N_W2, N_B2, N_W3, N_B3, N_H1, N_H2, N_H3, N_YHAT, N_L };

static void network_give(struct chapter_result *r, const struct chapter_options *o) {
    double x[] = {1.0, 2.0};
    r->value[N_X] = ebb_to(ebb_from_data(x, EBB_F64, EBB_DIMS(2)), o->dtype);
    r->value[N_Y] = ebb_full(EBB_DIMS(1), 0.5, .dtype = o->dtype);
    const struct { int weight, bias, rows; } layers[] = {{N_W1, N_B1, 2}, {N_W2, N_B2, 2}, {N_W3, N_B3, 1}};
    for (int i = 0; i < 3; i++) {
        r->value[layers[i].weight] = random_values(EBB_DIMS(layers[i].rows, 2), o->dtype);
        r->value[layers[i].bias] = random_values(EBB_DIMS(layers[i].rows), o->dtype);
    }
}

static void network_forward(ebb_tensor **v) {
    if (!v[N_H1]) v[N_H1] = ebb_add(ebb_matmul(v[N_W1], v[N_X]), v[N_B1]);
    if (!v[N_H2]) v[N_H2] = ebb_relu(v[N_H1]);
    if (!v[N_H3]) v[N_H3] = ebb_add(ebb_matmul(v[N_W2], v[N_H2]), v[N_B2]);
    if (!v[N_YHAT]) v[N_YHAT] = ebb_add(ebb_matmul(v[N_W3], v[N_H3]), v[N_B3]);
    if (!v[N_L]) v[N_L] = ebb_pow(ebb_sub(v[N_YHAT], v[N_Y]), 2);
}

/* The three gradients of a layer out = W·in + b, from ∂L/∂out. Returns ∂L/∂in; only parameters when in is -1. */
static ebb_tensor *layer_by_hand(struct chapter_result *r, int number, int out, int weight, int bias, int in,
                                 const char *const vjp[3], ebb_tensor *input, ebb_tensor *g) {
    (void)chapter_step(r, number, out, weight, vjp[0], chapter_product(r, column(g), row(input)));
    (void)chapter_step(r, number, out, bias, vjp[1], ebb_clone(g));
    if (in < 0) return NULL;
    ebb_tensor *back = chapter_product(r, ebb_transpose(r->value[weight], 0, 1), column(g));
    return chapter_step(r, number, out, in, vjp[2], ebb_squeeze(back, .dim = EBB_DIMS(1)));
}

static void network_by_hand(struct chapter_result *r) {
    ebb_tensor *const *v = r->value;
    ebb_tensor *g = ebb_mul(ebb_mul(ebb_sub(v[N_YHAT], v[N_Y]), 2.0), r->upstream);
    g = chapter_step(r, 0, N_L, N_YHAT, "2(ŷ − y)", g);
    static const char *const fourth[] = {"∂L/∂ŷ·h3ᵀ", "∂L/∂ŷ", "W3ᵀ·∂L/∂ŷ"};
    g = layer_by_hand(r, 1, N_YHAT, N_W3, N_B3, N_H3, fourth, v[N_H3], g);
    static const char *const third[] = {"∂L/∂h3·h2ᵀ", "∂L/∂h3", "W2ᵀ·∂L/∂h3"};
    g = layer_by_hand(r, 2, N_H3, N_W2, N_B2, N_H2, third, v[N_H2], g);
    r->mask = ebb_gt(v[N_H1], 0.0);
    g = chapter_step(r, 3, N_H2, N_H1, "∂L/∂h2 ⊙ 1(h1 > 0)", ebb_mul(g, r->mask));
    static const char *const first[] = {"∂L/∂h1·xᵀ", "∂L/∂h1", ""};
    (void)layer_by_hand(r, 4, N_H1, N_W1, N_B1, -1, first, v[N_X], g);
}

/* The functions of examples 2 and 3 are polynomials of degree two at most in each variable (away from the ReLU's kink,
 * which the network's smaller step respects), for which central differences have no error of truncation. */
const struct chapter_example chapter_examples[CHAPTER_EXAMPLES] = {
    {.name = "scalar",
     .formula = "z = x·y + sin(x),  x = 2,  y = 3",
     .target = "z",
     .step = 1e-5,
     .n = 5,
     .variables = {[S_X] = {"x", "x", CHAPTER_LEAF, true, NULL},
                   [S_Y] = {"y", "y", CHAPTER_LEAF, true, NULL},
                   [S_A] = {"a", "a", CHAPTER_INNER, true, "x·y"},
                   [S_B] = {"b", "b", CHAPTER_INNER, true, "sin(x)"},
                   [S_Z] = {"z", "z", CHAPTER_ROOT, false, "a + b"}},
     .give = scalar_give,
     .forward = scalar_forward,
     .by_hand = scalar_by_hand},
    {.name = "linear",
     .formula = "Y = X·W + b",
     .target = "L",
     .product = {L_X, L_W},
     .step = 0.125,
     .n = 4,
     .variables = {[L_X] = {"X", "X", CHAPTER_LEAF, true, NULL},
                   [L_W] = {"W", "W", CHAPTER_LEAF, true, NULL},
                   [L_B] = {"b", "b", CHAPTER_LEAF, true, NULL},
                   [L_Y] = {"Y", "Y", CHAPTER_ROOT, false, "X·W + b"}},
     .give = linear_give,
     .forward = linear_forward,
     .by_hand = linear_by_hand},
    {.name = "network",
     .formula = "L = (W3·(W2·ReLU(W1·x + b1) + b2) + b3 − y)²,  x = (1, 2),  y = 0.5",
     .target = "L",
     .step = 1e-5,
     .n = 13,
     .variables = {[N_X] = {"x", "x", CHAPTER_CONSTANT, false, NULL},
                   [N_Y] = {"y", "y", CHAPTER_CONSTANT, false, NULL},
                   [N_W1] = {"W1", "W1", CHAPTER_LEAF, true, NULL},
                   [N_B1] = {"b1", "b1", CHAPTER_LEAF, true, NULL},
                   [N_W2] = {"W2", "W2", CHAPTER_LEAF, true, NULL},
                   [N_B2] = {"b2", "b2", CHAPTER_LEAF, true, NULL},
                   [N_W3] = {"W3", "W3", CHAPTER_LEAF, true, NULL},
                   [N_B3] = {"b3", "b3", CHAPTER_LEAF, true, NULL},
                   [N_H1] = {"h1", "h1", CHAPTER_INNER, true, "W1·x + b1"},
                   [N_H2] = {"h2", "h2", CHAPTER_INNER, true, "ReLU(h1)"},
                   [N_H3] = {"h3", "h3", CHAPTER_INNER, true, "W2·h2 + b2"},
                   [N_YHAT] = {"y_hat", "ŷ", CHAPTER_INNER, true, "W3·h3 + b3"},
                   [N_L] = {"L", "L", CHAPTER_ROOT, false, "(ŷ − y)²"}},
     .give = network_give,
     .forward = network_forward,
     .by_hand = network_by_hand},
};
