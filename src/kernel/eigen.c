/* Eigenvalues and vectors of symmetric matrices without a library: reflections to tridiagonal form, then implicit QL
 * or QR; Golub and Van Loan, Matrix Computations, 4th edition, section 8.3. Whether QL or QR, the shifts and the order
 * of rotations follow LAPACK's dsteqr, and so do the signs of vectors. */
#include "kernel/lapack.h"
#include <float.h>
#include <math.h>
#include <string.h>

struct tridiagonal {
    int64_t n;
    double *d, *e; /* diagonal (n), beside it (n - 1) */
    double *z;     /* (n, n) what rotations are gathered in, or NULL */
};

/* ---- to tridiagonal form: algorithm 8.3.1 ---- */

/* y = tau a v for the symmetric a (m, m) in the lower triangle of columns of length n. */
static void multiply(int64_t m, int64_t n, const double *a, double tau, const double *v, double *y) {
    memset(y, 0, (size_t)m * sizeof *y);
    for (int64_t j = 0; j < m; j++) {
        const double *c = a + j * n;
        double f = tau * v[j], sum = 0;
        y[j] += f * c[j];
        for (int64_t i = j + 1; i < m; i++) {
            y[i] += f * c[i];
            sum += c[i] * v[i];
        }
        y[j] += tau * sum;
    }
}

/* a becomes (I - tau v v^T) a (I - tau v v^T); w is scratch. */
static void reflect_both(int64_t m, int64_t n, double *a, double tau, const double *v, double *w) {
    multiply(m, n, a, tau, v, w);
    double f = 0.5 * tau * ebb__inner(m, w, v);
    for (int64_t i = 0; i < m; i++) w[i] -= f * v[i];
    for (int64_t j = 0; j < m; j++) {
        double *c = a + j * n;
        for (int64_t i = j; i < m; i++) c[i] -= v[i] * w[j] + w[i] * v[j];
    }
}

static void to_tridiagonal(const struct tridiagonal *t, double *a, double *tau, double *w) {
    int64_t n = t->n;
    for (int64_t k = 0; k + 1 < n; k++) {
        double *v = a + k * n + k + 1;
        tau[k] = ebb__reflector(n - k - 1, v);
        t->e[k] = v[0];
        v[0] = 1;
        if (tau[k] != 0) reflect_both(n - k - 1, n, a + (k + 1) * (n + 1), tau[k], v, w);
        t->d[k] = a[k * (n + 1)];
    }
    if (n) t->d[n - 1] = a[n * n - 1];
    if (!t->z) return;
    memset(t->z, 0, (size_t)(n * n) * sizeof *t->z);
    for (int64_t j = 0; j < n; j++) t->z[j * (n + 1)] = 1;
    for (int64_t k = n - 2; k >= 0; k--)
        for (int64_t j = k + 1; j < n; j++) ebb__reflect(n - k - 1, tau[k], a + k * n + k + 1, t->z + j * n + k + 1);
}

/* ---- tridiagonal: algorithm 8.3.2 ---- */

/* Columns j and j + 1 of z, rotated. */
static void rotate(const struct tridiagonal *t, int64_t j, double c, double s) {
    if (!t->z) return;
    double *restrict x = t->z + j * t->n, *restrict y = x + t->n;
    for (int64_t i = 0; i < t->n; i++) {
        double old = y[i];
        y[i] = c * old - s * x[i];
        x[i] = s * old + c * x[i];
    }
}

/* c and s such that c f + s g = r, c g - s f = 0. */
static double rotation(double f, double g, double *ret_c, double *ret_s) {
    if (g == 0) {
        *ret_c = 1;
        *ret_s = 0;
        return f;
    }
    if (f == 0) {
        *ret_c = 0;
        *ret_s = copysign(1, g);
        return fabs(g);
    }
    double r = copysign(hypot(f, g), f);
    *ret_c = f / r;
    *ret_s = g / r;
    return r;
}

/* The 2 by 2 block (a, b; b, c): *ret_first of the larger magnitude, and the unit vector (c, s) that belongs to it. */
static void two_by_two(double a, double b, double c, double *ret_first, double *ret_second, double *ret_c,
                       double *ret_s) {
    double sum = a + c, difference = a - c, twice = 2 * b, root = hypot(difference, twice);
    double large = fabs(a) > fabs(c) ? a : c, small = fabs(a) > fabs(c) ? c : a, co, si;
    bool negative = sum < 0, below = difference < 0;
    *ret_first = 0.5 * (negative ? sum - root : sum + root);
    *ret_second = sum == 0 ? -0.5 * root : (large / *ret_first) * small - (b / *ret_first) * b;
    double x = below ? difference - root : difference + root;
    if (fabs(x) > fabs(twice)) {
        si = 1 / hypot(1, twice / x);
        co = -twice / x * si;
    } else if (twice == 0) {
        co = 1;
        si = 0;
    } else {
        co = 1 / hypot(1, x / twice);
        si = -x / twice * co;
    }
    *ret_c = negative == below ? -si : co;
    *ret_s = negative == below ? co : si;
}

static bool negligible(const struct tridiagonal *t, int64_t i) {
    double e = fabs(t->e[i]), eps = DBL_EPSILON / 2;
    return e * e <= eps * eps * fabs(t->d[i]) * fabs(t->d[i + 1]) + DBL_MIN;
}

/* One sweep over the block from `l` to `m`, where `up` is 1 for QL, whose rotations run from m down to l, and -1 for
 * QR. Between i and i + up lies e[i], or e[i - 1]. */
static void sweep(const struct tridiagonal *t, int64_t l, int64_t m, int64_t up) {
    double *d = t->d, *e = up > 0 ? t->e : t->e - 1, s = 1, c = 1, p = 0;
    double g = (d[l + up] - d[l]) / (2 * e[l]);
    g = d[m] - d[l] + e[l] / (g + copysign(hypot(g, 1), g));
    for (int64_t i = m - up;; i -= up) {
        double f = s * e[i], b = c * e[i], r = rotation(g, f, &c, &s);
        if (i != m - up) e[i + up] = r;
        g = d[i + up] - p;
        r = (d[i] - g) * s + 2 * c * b;
        p = s * r;
        d[i + up] = g + p;
        g = c * r - b;
        rotate(t, up > 0 ? i : i - 1, c, up > 0 ? -s : s);
        if (i == l) break;
    }
    d[l] -= p;
    e[l] = g;
}

/* All eigenvalues of the block from `l` to `end`, found one after another from l on; false when that takes too long. */
static bool block(const struct tridiagonal *t, int64_t l, int64_t end, int64_t *budget) {
    const int64_t up = end > l ? 1 : -1;
    double *d = t->d, *e = up > 0 ? t->e : t->e - 1;
    while (up > 0 ? l <= end : l >= end) {
        int64_t m = l;
        while (m != end && !negligible(t, up > 0 ? m : m - 1)) m += up;
        if (m != end) e[m] = 0;
        if (m == l) {
            l += up;
        } else if (m == l + up) {
            double c, s, first, second;
            int64_t low = up > 0 ? l : m;
            two_by_two(d[low], t->e[low], d[low + 1], &first, &second, &c, &s);
            rotate(t, low, c, s);
            d[low] = first;
            d[low + 1] = second;
            t->e[low] = 0;
            l += 2 * up;
        } else {
            if ((*budget)-- <= 0) return false;
            sweep(t, l, m, up);
        }
    }
    return true;
}

/* Ascending, by selection: the fewest swaps of vectors. */
static void sort(const struct tridiagonal *t) {
    for (int64_t i = 0; i < t->n; i++) {
        int64_t k = i;
        for (int64_t j = i + 1; j < t->n; j++)
            if (t->d[j] < t->d[k]) k = j;
        if (k == i) continue;
        double x = t->d[i];
        t->d[i] = t->d[k];
        t->d[k] = x;
        for (int64_t j = 0; j < t->n && t->z; j++) {
            x = t->z[i * t->n + j];
            t->z[i * t->n + j] = t->z[k * t->n + j];
            t->z[k * t->n + j] = x;
        }
    }
}

static bool solve(const struct tridiagonal *t) {
    int64_t budget = 30 * t->n;
    for (int64_t first = 0, last; first < t->n; first = last + 1) {
        last = first;
        while (last + 1 < t->n && !negligible(t, last)) last++;
        if (last + 1 < t->n) t->e[last] = 0;
        bool from_end = fabs(t->d[last]) < fabs(t->d[first]);
        if (last != first && !block(t, from_end ? last : first, from_end ? first : last, &budget)) return false;
    }
    sort(t);
    return true;
}

/* ---- the whole ---- */

int64_t ebb__own_eigh_scratch(int64_t n) { return n * n + 3 * n; }

int ebb__own_eigh(int64_t n, bool vectors, double *a, double *w, double *scratch) {
    if (n == 0) return 0;
    double *e = scratch + n * n, *tau = e + n, largest = 0;
    struct tridiagonal t = {n, w, e, vectors ? scratch : NULL};
    for (int64_t j = 0; j < n; j++)
        for (int64_t i = j; i < n; i++)
            if (!(fabs(a[j * n + i]) <= largest)) largest = fabs(a[j * n + i]);
    if (!isfinite(largest)) return 1;
    const double factor = largest > 0 && (largest < 1e-140 || largest > 1e140) ? 1 / largest : 1; /* no overflow */
    for (int64_t i = 0; i < n * n && factor != 1; i++) a[i] *= factor;
    to_tridiagonal(&t, a, tau, tau + n);
    if (!solve(&t)) return 1;
    for (int64_t i = 0; i < n && factor != 1; i++) w[i] /= factor;
    if (vectors) memcpy(a, scratch, (size_t)(n * n) * sizeof *a);
    return 0;
}
