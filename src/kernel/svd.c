/* Singular values and vectors without a library: QR, then one-sided Jacobi rotations of the triangle's columns;
 * Golub and Van Loan, Matrix Computations, 4th edition, section 8.6.3; Demmel and Veselić, Jacobi's method is more
 * accurate than QR, SIAM J. Matrix Anal. Appl. 13 (1992). */
#include "kernel/lapack.h"
#include <float.h>
#include <math.h>
#include <string.h>

enum { MAX_SWEEPS = 60 };

static void rotate(int64_t n, double *restrict x, double *restrict y, double c, double s) {
    for (int64_t i = 0; i < n; i++) {
        double old = x[i];
        x[i] = c * old - s * y[i];
        y[i] = s * old + c * y[i];
    }
}

/* Make columns p and q of w orthogonal by a rotation, which v takes part in. Whether they were not. A column that is
 * nothing beside the largest is left alone: it is rounding, and would never come to rest. */
static bool orthogonalize(int64_t n, double *w, double *v, int64_t p, int64_t q, double nothing) {
    double *x = w + p * n, *y = w + q * n, xx = ebb__inner(n, x, x), yy = ebb__inner(n, y, y), xy = ebb__inner(n, x, y);
    if (xx <= nothing || yy <= nothing || fabs(xy) <= DBL_EPSILON * sqrt(xx) * sqrt(yy)) return false;
    double zeta = (yy - xx) / (2 * xy), t = copysign(1, zeta) / (fabs(zeta) + hypot(1, zeta)), c = 1 / hypot(1, t);
    rotate(n, x, y, c, c * t);
    if (v) rotate(n, v + p * n, v + q * n, c, c * t);
    return true;
}

/* The squared length below which a column is nothing. */
static double negligible(int64_t n, const double *w) {
    double largest = 0;
    for (int64_t j = 0; j < n; j++) largest = fmax(largest, ebb__inner(n, w + j * n, w + j * n));
    return largest * DBL_EPSILON * DBL_EPSILON;
}

static bool diagonalize(int64_t n, double *w, double *v) {
    bool moved = true;
    for (int sweep = 0; sweep < MAX_SWEEPS && moved; sweep++) {
        double nothing = negligible(n, w);
        moved = false;
        for (int64_t p = 0; p < n; p++)
            for (int64_t q = p + 1; q < n; q++)
                if (orthogonalize(n, w, v, p, q, nothing)) moved = true;
    }
    return !moved;
}

static void swap_columns(int64_t n, double *a, int64_t i, int64_t k) {
    for (int64_t r = 0; r < n && a; r++) {
        double x = a[i * n + r];
        a[i * n + r] = a[k * n + r];
        a[k * n + r] = x;
    }
}

/* Column j of u becomes a unit vector orthogonal to those before it: the first axis that is not nearly among them. */
static void complete(int64_t n, double *u, int64_t j) {
    double *x = u + j * n, size = 0;
    for (int64_t axis = 0; axis < n && size * size * 2 * (double)n < 1; axis++) {
        memset(x, 0, (size_t)n * sizeof *x);
        x[axis] = 1;
        for (int64_t pass = 0; pass < 2; pass++) {
            for (int64_t i = 0; i < j; i++) {
                double f = ebb__inner(n, u + i * n, x);
                for (int64_t r = 0; r < n; r++) x[r] -= f * u[i * n + r];
            }
        }
        size = sqrt(ebb__inner(n, x, x));
    }
    for (int64_t r = 0; r < n; r++) x[r] /= size;
}

/* The lengths of w's columns, descending, become s; the columns unit vectors. */
static void normalize(int64_t n, double *w, double *v, double *s) {
    double nothing = sqrt(negligible(n, w));
    for (int64_t j = 0; j < n; j++) s[j] = sqrt(ebb__inner(n, w + j * n, w + j * n));
    for (int64_t i = 0; i < n; i++) {
        int64_t k = i;
        for (int64_t j = i + 1; j < n; j++)
            if (s[j] > s[k]) k = j;
        double x = s[i];
        s[i] = s[k];
        s[k] = x;
        if (k != i) swap_columns(n, w, i, k), swap_columns(n, v, i, k);
        if (v && s[i] <= nothing) complete(n, w, i);
        for (int64_t r = 0; r < n && v && s[i] > nothing; r++) w[i * n + r] /= s[i];
    }
}

/* The first n columns of u (m, …) times w (n, n), in place. */
static void multiply(int64_t m, int64_t n, double *u, const double *w, double *scratch) {
    memset(scratch, 0, (size_t)(m * n) * sizeof *scratch);
    for (int64_t j = 0; j < n; j++)
        for (int64_t k = 0; k < n; k++)
            for (int64_t i = 0; i < m; i++) scratch[j * m + i] += u[k * m + i] * w[j * n + k];
    memcpy(u, scratch, (size_t)(m * n) * sizeof *u);
}

static void transpose(int64_t m, int64_t n, const double *from, double *to) {
    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i < m; i++) to[i * n + j] = from[j * m + i];
}

/* Of a with m >= n: u (m, columns) and v (n, n), or NULL. The rotations work on r^T, whose columns they make orthogonal
 * in fewer sweeps than those of r. */
static int tall(int64_t m, int64_t n, int64_t columns, double *a, double *s, double *u, double *v, double *scratch) {
    double *w = v ? v : scratch, *rotations = v ? scratch : NULL, *rest = scratch + n * n;
    ebb__own_qr(m, n, columns, a, u, rest);
    memset(w, 0, (size_t)(n * n) * sizeof *w);
    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i <= j; i++) w[i * n + j] = a[j * m + i];
    for (int64_t j = 0; j < n * n && v; j++) rotations[j] = j % (n + 1) == 0;
    if (!diagonalize(n, w, rotations)) return 1;
    normalize(n, w, rotations, s);
    if (v) multiply(m, n, u, rotations, rest);
    return 0;
}

int64_t ebb__own_svd_scratch(int64_t m, int64_t n) {
    int64_t large = m > n ? m : n, small = m > n ? n : m;
    return 2 * large * large + small * (small + large + 2);
}

int ebb__own_svd(int64_t m, int64_t n, bool full, double *a, double *s, double *u, double *vt, double *scratch) {
    int64_t large = m > n ? m : n, small = m > n ? n : m, columns = full ? large : small;
    if (large == 0) return 0;
    double *work = scratch + 2 * large * large, largest = 0;
    for (int64_t i = 0; i < m * n; i++)
        if (!(fabs(a[i]) <= largest)) largest = fabs(a[i]);
    if (!isfinite(largest)) return 1;
    const double factor = largest > 0 && (largest < 1e-140 || largest > 1e140) ? 1 / largest : 1; /* no overflow */
    for (int64_t i = 0; i < m * n && factor != 1; i++) a[i] *= factor;
    int info;
    if (m >= n) {
        info = tall(m, n, columns, a, s, u, u ? scratch : NULL, work);
        if (u) transpose(n, n, scratch, vt);
    } else {
        double *turned = scratch + large * large;
        transpose(m, n, a, turned);
        info = tall(n, m, columns, turned, s, u ? scratch : NULL, u, work);
        if (u) transpose(n, columns, scratch, vt);
    }
    for (int64_t i = 0; i < small && factor != 1; i++) s[i] /= factor;
    return info;
}
