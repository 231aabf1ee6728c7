/* Linear algebra beyond the samples: errors, singular and degenerate matrices, gradients there, PyTorch's rules for
 * right sides, equations of einsum. */
#include "tests/check.h"

#include <ebb/ebb.h>
#include <math.h>

#define F64(shape, ...) ebb_from_data((const double[]){__VA_ARGS__}, EBB_F64, shape)
#define NODE(t) ebb_node_name(ebb_tensor_grad_fn(t))

static ebb_tensor *leaf(ebb_tensor *t) { return ebb_requires_grad_(t, true); }

static ebb_tensor *gradient(ebb_tensor *y, ebb_tensor *x) {
    ebb_tensor *g = NULL;
    (void)ebb_grad(EBB_LIST(ebb_sum(y)), EBB_LIST(x), &g);
    return g;
}

EBB_TEST(singular_matrices) {
    ebb_tensor *a = F64(EBB_DIMS(2, 2), 1, 2, 2, 4), *s;
    ebb_tensor *batch = F64(EBB_DIMS(2, 2, 2), 1, 0, 0, 1, 1, 2, 2, 4);
    CHECK(!ebb_inv(a));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "inv: The diagonal element 2 is zero, the inversion could not be completed because");
    CHECK(!ebb_inv(batch));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "inv: (Batch element 1): The diagonal element 2 is zero");
    CHECK(!ebb_solve(a, a));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "solve: The solver failed because the input matrix is singular.");
    CHECK(!ebb_cholesky(batch));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "cholesky: (Batch element 1): The factorization could not be completed because the "
                                  "input is not positive-definite (the leading minor of order 2 is not");
    CHECK_VALUES(ebb_slogdet(a, .ret_logabsdet = &s), 0, 0);
    CHECK_VALUES(s, 0, -(double)INFINITY);
    CHECK_VALUES(ebb_logdet(F64(EBB_DIMS(2, 2), 0, 1, 1, 0)), 0, (double)NAN);
    ebb_tensor *info, *inverse = ebb_inv_ex(batch, .ret_info = &info);
    CHECK_VALUES(info, 0, 0, 2);
    CHECK(ebb_at_index(inverse, EBB_DIMS(0, 0, 0)) == 1 && !isfinite(ebb_at_index(inverse, EBB_DIMS(1, 1, 1))));
    ebb_tensor *x = ebb_solve_triangular(F64(EBB_DIMS(2, 2), 0, 1, 0, 2), F64(EBB_DIMS(2, 1), 3, 2), true);
    CHECK_VALUES(x, 0, (double)INFINITY, 1);
}

/* The gradient of det is the matrix of cofactors, whatever the rank. */
EBB_TEST(determinants_of_singular_matrices) {
    ebb_tensor *a = leaf(F64(EBB_DIMS(2, 2), 1, 2, 2, 4)), *zero = leaf(ebb_zeros(EBB_DIMS(3, 3), .dtype = EBB_F64));
    ebb_tensor *b = leaf(F64(EBB_DIMS(2, 2, 2), 1, 2, 2, 4, 1, 2, 3, 4));
    CHECK_VALUES(gradient(ebb_det(a), a), 1e-14, 4, -2, -2, 1);
    CHECK_VALUES(gradient(ebb_det(b), b), 1e-14, 4, -2, -2, 1, 4, -3, -2, 1);
    CHECK_VALUES(gradient(ebb_det(zero), zero), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
}

EBB_TEST(no_numbers) {
    ebb_tensor *a = F64(EBB_DIMS(2, 2), 1, 2, 2, (double)NAN);
    CHECK(!ebb_eigh(a));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "eigh: The algorithm failed to converge");
    CHECK(!ebb_svdvals(a));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "svdvals: The algorithm failed to converge");
    CHECK_CLOSE(ebb_item(ebb_det(a)), (double)NAN, 0);
    CHECK_CLOSE(ebb_at_index(ebb_inv(a), EBB_DIMS(0, 0)), (double)NAN, 0);
}

EBB_TEST(what_has_no_gradient) {
    ebb_tensor *a = leaf(F64(EBB_DIMS(3, 2), 1, 2, 3, 5, 4, 6)), *r;
    CHECK(ebb_qr(a, .mode = 2, .ret_R = &r));
    CHECK(!gradient(r, a));
    CHECK_ERROR(EBB_ERR_GRAPH, "qr: the derivative of qr depends on Q");
    ebb_tensor *q = ebb_qr(a, .mode = 1);
    CHECK_SHAPE(q, 3, 3);
    CHECK(!gradient(q, a));
    CHECK_ERROR(EBB_ERR_GRAPH, "qr: is not differentiable when mode=complete");
}

/* Eigenvalues that repeat: their own gradient is well defined, that of the vectors is not. */
EBB_TEST(repeated_eigenvalues) {
    ebb_tensor *a = leaf(ebb_eye(3, .dtype = EBB_F64)), *vectors;
    CHECK_VALUES(gradient(ebb_eigvalsh(a), a), 1e-15, 1, 0, 0, 0, 1, 0, 0, 0, 1);
    CHECK_VALUES(gradient(ebb_eigh(a), a), 1e-15, 1, 0, 0, 0, 1, 0, 0, 0, 1);
    CHECK_VALUES(gradient(ebb_svdvals(a), a), 1e-15, 1, 0, 0, 0, 1, 0, 0, 0, 1);
    CHECK(ebb_eigh(a, .ret_eigenvectors = &vectors));
    ebb_tensor *g = gradient(ebb_slice(vectors, 1, 0, 1), a);
    bool finite = fabs(ebb_item(ebb_sum(g))) <= 1e300;
    CHECK(!finite);
}

/* Columns beyond the smaller size take part in no gradient, as in PyTorch. */
EBB_TEST(full_matrices) {
    ebb_tensor *a = leaf(F64(EBB_DIMS(3, 2), 1, 2, 3, 5, 4, 6));
    ebb_tensor *u = ebb_svd(a), *thin = ebb_svd(a, .full_matrices = EBB_SET(false));
    CHECK_SHAPE(u, 3, 3);
    CHECK_SHAPE(thin, 3, 2);
    double want[6];
    CHECK(!ebb_tensor_read(gradient(ebb_square(ebb_slice(thin, 0, 0, 1)), a), EBB_F64, want));
    CHECK_VALUES(gradient(ebb_square(ebb_slice(ebb_slice(u, 1, 0, 2), 0, 0, 1)), a), 1e-13, want[0], want[1], want[2],
                 want[3], want[4], want[5]);
}

EBB_TEST(node_names) {
    ebb_tensor *a = leaf(F64(EBB_DIMS(2, 2), 2, 1, 1, 3));
    CHECK(!strcmp(NODE(ebb_det(a)), "LinalgDetBackward0"));
    CHECK(!strcmp(NODE(ebb_slogdet(a)), "LinalgSlogdetBackward0"));
    CHECK(!strcmp(NODE(ebb_inv(a)), "LinalgInvExBackward0"));
    CHECK(!strcmp(NODE(ebb_solve(a, a)), "LinalgSolveExBackward0"));
    CHECK(!strcmp(NODE(ebb_solve_triangular(a, a, true)), "LinalgSolveTriangularBackward0"));
    CHECK(!strcmp(NODE(ebb_cholesky(a)), "LinalgCholeskyExBackward0"));
    CHECK(!strcmp(NODE(ebb_qr(a)), "LinalgQrBackward0"));
    CHECK(!strcmp(NODE(ebb_eigh(a)), "LinalgEighBackward0"));
    CHECK(!strcmp(NODE(ebb_svd(a)), "LinalgSvdBackward0"));
    CHECK(!strcmp(NODE(ebb_baddbmm(a, ebb_unsqueeze(a, 0), ebb_unsqueeze(a, 0))), "BaddbmmBackward0"));
    CHECK(!strcmp(NODE(ebb_matrix_power(a, 3)), "MmBackward0"));
    CHECK(!strcmp(NODE(ebb_outer(ebb_select(a, 0, 0), ebb_select(a, 0, 1))), "MulBackward0"));
}

EBB_TEST(zero_times_nan) {
    ebb_tensor *nan = ebb_full(EBB_DIMS(2, 2), (double)NAN, .dtype = EBB_F64), *a = F64(EBB_DIMS(2, 2), 1, 2, 3, 4);
    CHECK_VALUES(ebb_addmm(nan, a, a, .beta = EBB_SET(0)), 0, 7, 10, 15, 22);
    CHECK_VALUES(ebb_addmm(a, nan, a, .alpha = EBB_SET(0)), 0, 1, 2, 3, 4);
    CHECK_VALUES(ebb_addmm(nan, nan, a, .beta = EBB_SET(0), .alpha = EBB_SET(0)), 0, 0, 0, 0, 0);
    CHECK_VALUES(ebb_addmm(a, a, a, .beta = EBB_SET(2), .alpha = EBB_SET(-1)), 0, -5, -6, -9, -14);
}

EBB_TEST(equations) {
    ebb_tensor *m = F64(EBB_DIMS(2, 3), 1, 2, 3, 4, 5, 6), *v = F64(EBB_DIMS(2), 1, 10);
    CHECK_VALUES(ebb_einsum(" i j , i -> j ", EBB_LIST(m, v)), 0, 41, 52, 63);
    CHECK_VALUES(ebb_einsum("bA", EBB_LIST(m)), 0, 1, 4, 2, 5, 3, 6);
    CHECK_VALUES(ebb_einsum("ij,ij,ij->", EBB_LIST(m, m, m)), 0, 441);
    CHECK_VALUES(ebb_einsum("->", EBB_LIST(ebb_scalar(3))), 0, 3);
    CHECK(!ebb_einsum("ij,jk->ik", EBB_LIST(m, m)));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "einsum: equation \"ij,jk->ik\", at 3: operand 1 has size 2 where 3 was seen before");
    CHECK(!ebb_einsum("ij,j?->i", EBB_LIST(m, m)));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "at 4: subscripts are letters");
    CHECK(!ebb_einsum("ij->i->j", EBB_LIST(m)));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "at 5: the output ends here");
    CHECK(!ebb_einsum("i....j", EBB_LIST(m)));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "at 4: a '.' that is no part");
    CHECK(!ebb_einsum(NULL, EBB_LIST(m)));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "equation is NULL");
    CHECK(!ebb_einsum("i,j", EBB_LIST(v)));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "at 2: more operands than were given");
    ebb_tensor *t = ebb_call("einsum", EBB_LIST(m, v), EBB_ARGS(EBB_ARG("equation", "ij,i->j")));
    CHECK_VALUES(t, 0, 41, 52, 63);
    ebb_tensor *four = ebb_ones(EBB_DIMS(1, 2, 1, 2), .dtype = EBB_F64);
    CHECK_VALUES(ebb_einsum("abcd,efgh,ijkl->a", EBB_LIST(four, four, four)), 0, 64);
    CHECK(!ebb_einsum("abcd,efgh,ijkl->abcdefghi", EBB_LIST(four, four, four)));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "more than 8");
}

EBB_TEST(arguments_by_name) {
    ebb_tensor *a = F64(EBB_DIMS(2, 2), 2, 0, 0, 4), *b = F64(EBB_DIMS(1, 2), 2, 8);
    CHECK_VALUES(ebb_call("solve", EBB_LIST(a, b), EBB_ARGS(EBB_ARG("left", false))), 0, 1, 2);
    CHECK_VALUES(ebb_call("matrix_norm", EBB_LIST(a), EBB_ARGS(EBB_ARG("ord", "nuc"))), 1e-15, 6);
    CHECK_VALUES(ebb_call("matrix_norm", EBB_LIST(a), EBB_ARGS(EBB_ARG("ord", 2))), 1e-15, 4);
    CHECK_VALUES(ebb_call("matrix_norm", EBB_LIST(a), EBB_ARGS(EBB_ARG("ord", -(double)INFINITY))), 0, 2);
    CHECK_VALUES(ebb_call("tensordot", EBB_LIST(a, b), EBB_ARGS(EBB_ARG("dims_self", 1), EBB_ARG("dims_other", 1))), 0,
                 4, 32);
    CHECK_VALUES(ebb_call("tensordot", EBB_LIST(b, a), EBB_ARGS(EBB_ARG("dims", 1))), 0, 4, 32);
}

EBB_TEST(lu_factors) {
    ebb_tensor *a = F64(EBB_DIMS(2, 2), 0, 2, 4, 3), *pivots, *b = F64(EBB_DIMS(2, 1), 2, 11);
    ebb_tensor *lu = ebb_lu_factor(a, .ret_pivots = &pivots);
    CHECK_VALUES(lu, 0, 4, 3, 0, 2);
    CHECK_VALUES(pivots, 0, 2, 2);
    CHECK(ebb_tensor_dtype(pivots) == EBB_I32);
    CHECK_VALUES(ebb_lu_permutation(pivots, 2), 0, 1, 0);
    CHECK_VALUES(ebb_lu_solve(lu, pivots, b), 0, 2, 1);
    CHECK_VALUES(ebb_lu_solve(lu, pivots, F64(EBB_DIMS(2, 1), 4, 5), .adjoint = true), 0, 1, 1);
    (void)ebb_lu_factor(F64(EBB_DIMS(2, 2), 1, 2, 2, 4));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "U[2,2] is zero and using it on lu_solve would result in a division by zero.");
    (void)ebb_lu_factor(a, .pivot = EBB_SET(false));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "U[1,1] is zero");
    ebb_tensor *stands = F64(EBB_DIMS(2, 2), 1, 2, 3, 4), *in_place = NULL;
    CHECK_VALUES(ebb_lu_factor(stands, .pivot = EBB_SET(false), .ret_pivots = &in_place), 0, 1, 2, 3, -2);
    CHECK_VALUES(in_place, 0, 1, 2);
    CHECK_VALUES(ebb_lu_factor(stands), 1e-15, 3, 4, 1.0 / 3, 2.0 / 3);
    (void)ebb_lu_solve(lu, ebb_mul(pivots, 7), b);
    CHECK_ERROR(EBB_ERR_INDEX, "pivot 14 is none of 2 rows");
}

/* The factors that solve, det and slogdet keep give the gradients that factorizing again does, which is what a pass
 * that is differentiated itself does. */
EBB_TEST(gradients_by_kept_factors) {
    ebb_tensor *a =
        ebb_requires_grad_(F64(EBB_DIMS(2, 3, 3), 3, 1, 2, 0, -2, 1, 5, 1, 1, 2, 2, 0, 1, 4, 7, -1, 0, 3), true);
    ebb_tensor *right = F64(EBB_DIMS(2, 3, 2), 1, 2, 3, 4, 5, 6, -1, 0, 2, 0, 3, 1), *kept, *again;
    for (int what = 0; what < 5; what++) {
        ebb_tensor *logarithm, *y = NULL;
        if (what == 0) y = ebb_solve(a, right);
        if (what == 1) y = ebb_solve(a, ebb_transpose(right, 1, 2), .left = EBB_SET(false));
        if (what == 2) y = ebb_solve(a, ebb_select(right, 2, 0));
        if (what == 3) y = ebb_det(a);
        if (what == 4) y = ebb_slogdet(a, .ret_logabsdet = &logarithm) ? logarithm : NULL;
        ebb_tensor *loss = ebb_sum(ebb_mul(y, ebb_add(ebb_detach(y), 1.0)));
        CHECK(!ebb_grad(EBB_LIST(loss), EBB_LIST(a), &kept, .retain_graph = true));
        CHECK(!ebb_grad(EBB_LIST(loss), EBB_LIST(a), &again, .create_graph = true));
        CHECK(ebb_item(ebb_amax(ebb_abs(ebb_sub(kept, again)))) < 1e-12);
    }
}

EBB_TEST(tensordot_by_name) {
    ebb_tensor *a = F64(EBB_DIMS(2, 2), 2, 0, 1, 4), *b = F64(EBB_DIMS(2, 2), 1, 2, 3, 5);
    const ebb_list ab = EBB_LIST(a, b);
    CHECK_VALUES(ebb_call("tensordot", ab), 0, 2 + 0 + 3 + 20);
    CHECK_VALUES(ebb_call("tensordot", ab, EBB_ARGS(EBB_ARG("dims", NULL))), 0, 25);
    CHECK_VALUES(ebb_call("tensordot", ab, EBB_ARGS(EBB_ARG("dims", 1))), 0, 2, 4, 13, 22);
    CHECK_VALUES(ebb_call("tensordot", ab, EBB_ARGS(EBB_ARG("dims", EBB_LISTS(EBB_INTS(0), EBB_INTS(0))))), 0, 5, 9, 12,
                 20);
    CHECK_VALUES(ebb_call("tensordot", ab, EBB_ARGS(EBB_ARG("dims", EBB_LISTS(EBB_INTS(0, 1), EBB_INTS(1, 0))))), 0,
                 2 + 0 + 2 + 20);
    CHECK_VALUES(ebb_call("tensordot", ab, EBB_ARGS(EBB_ARG_TEXT("dims", "((0), (0))"))), 0, 5, 9, 12, 20);
    CHECK_VALUES(ebb_call("tensordot", ab, EBB_ARGS(EBB_ARG_TEXT("dims", "((0,1),(1,0))"))), 0, 24);
    CHECK_SHAPE(ebb_call("tensordot", ab, EBB_ARGS(EBB_ARG_TEXT("dims", "((),())"))), 2, 2, 2, 2);
    static const char *const wrong[] = {"((0))",     "((0),(0),(1))", "((0),(0)",    "((0)(0",
                                        "((0),(a))", "(0,1)",         "(((0),(1)))", ""};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CHECK(!ebb_call("tensordot", ab, EBB_ARGS(EBB_ARG_TEXT("dims", wrong[i]))));
        CHECK_ERROR(EBB_ERR_ARGUMENT, "tensordot: argument 'dims' must be an int, not text");
    }
    CHECK(!ebb_call("tensordot", ab, EBB_ARGS(EBB_ARG("dims", EBB_LISTS(EBB_INTS(0), EBB_INTS(0), EBB_INTS(1))))));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "tensordot: argument 'dims' must be an int, not list of lists of ints");
    CHECK(!ebb_call("sum", EBB_LIST(a), EBB_ARGS(EBB_ARG("dim", EBB_LISTS(EBB_INTS(0), EBB_INTS(1))))));
    CHECK_ERROR(EBB_ERR_ARGUMENT, "sum: argument 'dim' must be a list of at most 8 ints, not list of lists of ints");
    CHECK(!ebb_call("tensordot", ab,
                    EBB_ARGS(EBB_ARG("dims_other", 0), EBB_ARG("dims", EBB_LISTS(EBB_INTS(0), EBB_INTS(0))))));
    CHECK(ebb_error_status() == EBB_ERR_ARGUMENT);
    ebb_clear_error();
}

EBB_TEST_MAIN
