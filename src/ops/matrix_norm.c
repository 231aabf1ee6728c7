/* Norms of matrices. */
#define EBB_FAMILY "Linear algebra"
#include "ops/linalg.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Both dimensions, counted from the front, the last two where none are given; false with an error. */
static bool dimensions(const ebb_tensor *x, const ebb_dims *given, int64_t ret_dim[2]) {
    ebb_dims dims = given->n ? *given : EBB_DIMS(x->ndim - 2, x->ndim - 1);
    if (x->ndim < 2 || dims.n != 2) {
        ebb_fail(EBB_ERR_SHAPE, "takes two dimensions of at least two, got %d of %d", (int)dims.n, x->ndim);
        return false;
    }
    ret_dim[0] = dims.d[0];
    ret_dim[1] = dims.d[1];
    return true;
}

/* Both dimensions last. */
static ebb_tensor *as_matrices(ebb_tensor *x, const int64_t dim[2]) {
    ebb_dims order = {0};
    for (int i = 0; i < x->ndim; i++)
        if (i != dim[0] && i != dim[1]) order.d[order.n++] = i;
    return ebb_permute(x, ebb__dims_ending(order, 0, EBB_DIMS(dim[0], dim[1])));
}

/* The largest or least of sums, or of singular values, over the last dimension, which is kept; the largest of none is
 * 0. */
static ebb_tensor *extreme(ebb_tensor *x, bool least) {
    if (!least && x && ebb__columns(x) == 0) return ebb_sum(x, .dim = EBB_DIMS(-1), .keepdim = true);
    return least ? ebb_amin(x, .dim = EBB_DIMS(-1), .keepdim = true)
                 : ebb_amax(x, .dim = EBB_DIMS(-1), .keepdim = true);
}

enum { FROBENIUS = 1000, NUCLEAR }; /* orders that are no numbers */

/* Of matrices in the last two dimensions: one number each, in a last dimension of one. */
static ebb_tensor *norm(ebb_tensor *x, double ord) {
    if (ord == FROBENIUS) return ebb_unsqueeze(ebb_vector_norm(x, .dim = EBB_DIMS(-2, -1)), -1);
    if (ord == NUCLEAR) return ebb_sum(ebb_svdvals(x), .dim = EBB_DIMS(-1), .keepdim = true);
    if (fabs(ord) == 2) return extreme(ebb_svdvals(x), ord < 0);
    return extreme(ebb_sum(ebb_abs(x), .dim = EBB_DIMS(isinf(ord) ? -1 : -2)), ord < 0);
}

static ebb_tensor *matrix_norm(ebb_tensor *x, double ord, const ebb_dims *dims, bool keepdim, ebb_dtype dtype) {
    int64_t dim[2];
    if (!dimensions(x, dims, dim)) return NULL;
    ebb_dims shape = ebb_tensor_shape(x), kept = {0};
    if (dtype) x = ebb_to(x, dtype);
    if (x && !ebb__is_floating(x->dtype)) {
        ebb_fail(EBB_ERR_DTYPE, "not defined for %s", ebb_dtype_name((ebb_dtype)x->dtype));
        return NULL;
    }
    if (!x || !(x = norm(as_matrices(x, dim), ord))) return NULL;
    for (int i = 0; i < shape.n; i++) {
        bool reduced = i == dim[0] || i == dim[1];
        if (!reduced || keepdim) kept.d[kept.n++] = reduced ? 1 : shape.d[i];
    }
    return ebb_reshape(x, kept);
}

static bool is_order(double x) { return fabs(x) == 1 || fabs(x) == 2 || isinf(x); }

static ebb_tensor *by_number(struct ebb_forward *f) {
    const struct ebb__attrs_matrix_norm_ord *a = f->attrs;
    if (is_order(a->ord)) return matrix_norm(f->in[0], a->ord, &a->dim, a->keepdim, a->dtype);
    ebb_fail(EBB_ERR_ARGUMENT, "ord is inf, -inf, 1, -1, 2 or -2, got %g", a->ord);
    return NULL;
}

static ebb_tensor *by_word(struct ebb_forward *f) {
    const struct ebb__attrs_matrix_norm *a = f->attrs;
    const char *word = a->ord ? a->ord : "fro";
    char *end;
    double ord = strtod(word, &end);
    bool number = end != word && !*end && is_order(ord), nuclear = strcmp(word, "nuc") == 0;
    if (!number && !nuclear && strcmp(word, "fro") != 0) {
        ebb_fail(EBB_ERR_ARGUMENT, "ord is fro, nuc, inf, -inf, 1, -1, 2 or -2, got \"%s\"", word);
        return NULL;
    }
    return matrix_norm(f->in[0], number ? ord : nuclear ? NUCLEAR : FROBENIUS, &a->dim, a->keepdim, a->dtype);
}

const struct ebb_op ebb_op_matrix_norm = {
    EBB_SIGNATURE(matrix_norm,
                  "Tensor self|A, string ord=fro, dims dim=(-2,-1), bool keepdim=false, dtype dtype=none -> Tensor"),
    .doc = EBB_TEXT(
        "Norms of matrices in two dimensions, the last ones if none are given. ord: fro, the root of the sum of squares; "
        "nuc, the sum of singular values; 2 and -2, the largest and least of them; 1 and -1, the largest and least sum "
        "of absolute values down a column; inf and -inf, along a row."),
    .torch = EBB_TEXT("torch.linalg.matrix_norm"),
    .compose = by_word,
    .parts = EBB_TEXT("'vector_norm for fro; the sum of svdvals for nuc; as matrix_norm_ord for numbers'"),
    .samples = EBB_SAMPLES("wc(3,4)", "wc(2,3,4) ord=nuc", "wc(3,3) ord=2", "(2,3,4) dim=(2,0)", "(3,4) ord=inf",
                           "wc(2,3,4) ord=nuc dim=(-1,-2) keepdim=true", "(0,3)", "(0,2,3) ord=nuc", "! (3)",
                           "! (3,3) ord=max", "! (3,3) ord=3", "! (3,3,3) dim=(0)", "! i5(3,3)"),
};

const struct ebb_op ebb_op_matrix_norm_ord = {
    EBB_SIGNATURE(matrix_norm_ord,
                  "Tensor self|A, float ord, dims dim=(-2,-1), bool keepdim=false, dtype dtype=none -> Tensor"),
    .doc = EBB_TEXT("The same for an ord that is a number: 2, -2, 1, -1, inf or -inf."),
    .torch = EBB_TEXT("torch.linalg.matrix_norm"),
    .overload = "matrix_norm",
    .compose = by_number,
    .parts =
        EBB_TEXT("'the largest or least of svdvals for 2 and -2, of sums of absolute values for 1, -1, inf and -inf'"),
    .samples =
        EBB_SAMPLES("wc(3,3) ord=2", "wc(3,4) ord=-2", "(3,4) ord=1", "(2,3,4) ord=-1", "(3,4) ord=inf", "(3,0) ord=1",
                    "(2,3,4) ord=-inf dim=(0,2) keepdim=true", "! (3,3) ord=3", "! (3,0) ord=-1", "! i5(3,3) ord=1"),
};
