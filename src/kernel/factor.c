/* Factorizations without a library: LU, Cholesky, QR and triangular systems; Golub and Van Loan, Matrix Computations,
 * 4th edition, chapters 3 to 5. Columns are updated whole, so that inner loops run along memory. */
#include "kernel/lapack.h"
#include <math.h>
#include <string.h>

/* y -= f x */
static void subtract(int64_t n, double f, const double *restrict x, double *restrict y) {
    for (int64_t i = 0; i < n; i++) y[i] -= f * x[i];
}

/* ---- LU: algorithm 3.4.1, without exchanges 3.2.1 ---- */

static void swap_rows(int64_t m, int64_t columns, double *a, int64_t i, int64_t k) {
    for (int64_t j = 0; j < columns && i != k; j++) {
        double x = a[i + j * m];
        a[i + j * m] = a[k + j * m];
        a[k + j * m] = x;
    }
}

int ebb__own_lu(int64_t m, int64_t n, bool exchange, double *a, int *pivot) {
    int info = 0;
    for (int64_t k = 0; k < m && k < n; k++) {
        double *c = a + k * m;
        int64_t p = k;
        for (int64_t i = k + 1; i < m && exchange; i++)
            if (fabs(c[i]) > fabs(c[p])) p = i;
        pivot[k] = (int)p + 1;
        if (c[p] == 0) {
            if (!info) info = (int)k + 1;
            continue;
        }
        swap_rows(m, n, a, k, p);
        for (int64_t i = k + 1; i < m; i++) c[i] /= c[k];
        for (int64_t j = k + 1; j < n; j++) subtract(m - k - 1, a[k + j * m], c + k + 1, a + j * m + k + 1);
    }
    return info;
}

static void solve_lu(int64_t n, const double *lu, double *x) {
    for (int64_t i = 0; i < n; i++) /* an identity on the right is mostly zeros */
        if (x[i] != 0) subtract(n - i - 1, x[i], lu + i * n + i + 1, x + i + 1);
    for (int64_t i = n - 1; i >= 0; i--) {
        x[i] /= lu[i + i * n];
        subtract(i, x[i], lu + i * n, x);
    }
}

static void solve_lu_turned(int64_t n, const double *lu, double *x) {
    int64_t first = 0; /* an identity on the right begins with zeros */
    while (first < n && x[first] == 0) first++;
    for (int64_t i = first; i < n; i++)
        x[i] = (x[i] - ebb__inner(i - first, lu + i * n + first, x + first)) / lu[i + i * n];
    for (int64_t i = n - 1; i >= 0; i--) x[i] -= ebb__inner(n - i - 1, lu + i * n + i + 1, x + i + 1);
}

void ebb__own_lu_solve(int64_t n, int64_t k, const double *lu, const int *pivot, bool turned, double *b) {
    for (int64_t i = 0; i < n && !turned; i++) swap_rows(n, k, b, i, pivot[i] - 1);
    for (double *x = b; x < b + n * k; x += n) (turned ? solve_lu_turned : solve_lu)(n, lu, x);
    for (int64_t i = n - 1; i >= 0 && turned; i--) swap_rows(n, k, b, i, pivot[i] - 1);
}

/* ---- Cholesky: algorithm 4.2.1 ---- */

int ebb__own_cholesky(int64_t n, double *a) {
    for (int64_t k = 0; k < n; k++) {
        double *c = a + k * n;
        if (!(c[k] > 0)) return (int)k + 1;
        c[k] = sqrt(c[k]);
        for (int64_t i = k + 1; i < n; i++) c[i] /= c[k];
        for (int64_t j = k + 1; j < n; j++) subtract(n - j, c[j], c + j, a + j * n + j);
    }
    return 0;
}

/* ---- triangular systems: section 3.1 ---- */

/* a x = b: rows of b, each from those before it. */
static void solve_left(struct ebb__triangle is, int64_t n, int64_t k, const double *a, double *b) {
    for (int64_t step = 0; step < n; step++) {
        const int64_t i = is.upper ? n - 1 - step : step, first = is.upper ? i + 1 : 0, last = is.upper ? n : i;
        const double *row = a + i * n;
        double *x = b + i * k;
        if (k == 1) x[0] -= ebb__inner(last - first, row + first, b + first);
        else
            for (int64_t j = first; j < last; j++) subtract(k, row[j], b + j * k, x);
        for (int64_t j = 0; j < k && !is.unit; j++) x[j] /= row[i];
    }
}

/* x a = b: every row of b for itself. */
static void solve_right(struct ebb__triangle is, int64_t n, int64_t k, const double *a, double *b) {
    for (double *x = b; x < b + n * k; x += n) {
        for (int64_t step = 0; step < n; step++) {
            const int64_t i = is.upper ? step : n - 1 - step, first = is.upper ? i + 1 : 0, last = is.upper ? n : i;
            const double *row = a + i * n;
            if (!is.unit) x[i] /= row[i];
            subtract(last - first, x[i], row + first, x + first);
        }
    }
}

void ebb__own_triangular_solve(struct ebb__triangle is, int64_t n, int64_t k, const double *a, double *b) {
    if (is.right) solve_right(is, n, k, a, b);
    else solve_left(is, n, k, a, b);
}

/* ---- QR, by Householder's reflections: algorithm 5.2.1 ---- */

/* The length of x, without overflow. */
static double length(int64_t n, const double *x) {
    double largest = 0, sum = 0;
    for (int64_t i = 0; i < n; i++)
        if (!(fabs(x[i]) <= largest)) largest = fabs(x[i]);
    if (largest == 0 || !isfinite(largest)) return largest;
    for (int64_t i = 0; i < n; i++) sum += (x[i] / largest) * (x[i] / largest);
    return largest * sqrt(sum);
}

double ebb__reflector(int64_t n, double *x) {
    double rest = length(n - 1, x + 1);
    if (rest == 0) return 0;
    double beta = -copysign(hypot(x[0], rest), x[0]), tau = (beta - x[0]) / beta;
    for (int64_t i = 1; i < n; i++) x[i] /= x[0] - beta;
    x[0] = beta;
    return tau;
}

void ebb__reflect(int64_t n, double tau, const double *v, double *c) {
    if (tau == 0) return;
    double f = tau * (c[0] + ebb__inner(n - 1, v + 1, c + 1));
    c[0] -= f;
    subtract(n - 1, f, v + 1, c + 1);
}

int64_t ebb__own_qr_scratch(int64_t m, int64_t n) { return m < n ? m : n; }

void ebb__own_qr(int64_t m, int64_t n, int64_t columns, double *a, double *q, double *tau) {
    int64_t steps = m < n ? m : n;
    for (int64_t k = 0; k < steps; k++) {
        tau[k] = ebb__reflector(m - k, a + k * m + k);
        for (int64_t j = k + 1; j < n; j++) ebb__reflect(m - k, tau[k], a + k * m + k, a + j * m + k);
    }
    if (!q) return;
    memset(q, 0, (size_t)(m * columns) * sizeof *q);
    for (int64_t j = 0; j < columns; j++) q[j * m + j] = 1;
    for (int64_t k = steps - 1; k >= 0; k--)
        for (int64_t j = k; j < columns; j++) ebb__reflect(m - k, tau[k], a + k * m + k, q + j * m + k);
}
