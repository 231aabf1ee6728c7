/* Special functions that libm lacks: digamma, polygamma, the inverse of erf. */
#include "kernel/special.h"

#include <math.h>

#define PI 3.14159265358979323846

/* By the recurrence up to 10, then the asymptotic series; below 0 by reflection. Abramowitz and Stegun 6.3. */
double ebb__digamma(double x) {
    static const double b[] = {1.0 / 12, -1.0 / 120, 1.0 / 252, -1.0 / 240, 1.0 / 132, -691.0 / 32760, 1.0 / 12};
    if (x == 0) return copysign((double)INFINITY, -x);
    if (x < 0) {
        if (x == floor(x) || isinf(x)) return (double)NAN;
        return ebb__digamma(1 - x) - PI / tan(PI * (x - trunc(x)));
    }
    if (isinf(x)) return x;
    double y = 0;
    while (x < 10) {
        y -= 1 / x;
        x += 1;
    }
    double z = 1 / (x * x), power = z;
    y += log(x) - 0.5 / x;
    for (int i = 0; i < 7; i++, power *= z) y -= b[i] * power;
    return y;
}

/* The sum of (q + k)^-s over k >= 0, for s > 1: some terms, then Euler and Maclaurin's formula, as Moshier's Cephes
 * has it. a[k] is (2k + 2)! / B(2k + 2). */
static double hurwitz_zeta(double s, double q) {
    static const double a[] = {12.0,
                               -720.0,
                               30240.0,
                               -1209600.0,
                               47900160.0,
                               -1.8924375803183791606e9,
                               7.47242496e10,
                               -2.950130727918164224e12,
                               1.1646782814350067249e14,
                               -4.5979787224074726105e15,
                               1.8152105401943546773e17,
                               -7.1661652561756670113e18};
    if (q <= 0 && q == floor(q)) return (double)INFINITY;
    double sum = pow(q, -s), term = sum, x = q;
    for (int i = 0; i < 9 || x <= 9; i++) {
        x += 1;
        term = pow(x, -s);
        sum += term;
    }
    sum += term * x / (s - 1) - 0.5 * term;
    double factor = 1;
    for (int k = 0, i = 0; i < 12; i++, k += 2) {
        factor *= s + k;
        term /= x;
        double t = factor * term / a[i];
        sum += t;
        if (fabs(t) < 1e-17 * fabs(sum)) break;
        factor *= s + k + 1;
        term /= x;
    }
    return sum;
}

/* (-1)^(n+1) n! zeta(n + 1, x). Far below 0, where the sum would be too long, only the trigamma function is known
 * here, by its reflection; others give NaN. */
double ebb__polygamma(int64_t n, double x) {
    if (n == 0) return ebb__digamma(x);
    if (isnan(x) || x == -(double)INFINITY) return (double)NAN;
    if (x == (double)INFINITY) return n % 2 ? 0 : -0.0;
    if (n == 1 && x < 0 && x != floor(x)) {
        double s = sin(PI * (x - round(x)));
        return PI * PI / (s * s) - ebb__polygamma(1, 1 - x);
    }
    if (x < -1e5 && x != floor(x)) return (double)NAN;
    double y = tgamma((double)n + 1) * hurwitz_zeta((double)n + 1, x);
    return n % 2 ? y : -y;
}

/* Winitzki's approximation, then two steps of Halley's method; near the ends on erfc, whose differences from 1 - |x|
 * are exact where those of erf from x are lost. */
double ebb__erfinv(double x) {
    double z = fabs(x);
    if (!(z < 1)) return z == 1 ? copysign((double)INFINITY, x) : (double)NAN;
    double w = log1p(-z * z) / 2, a = 0.147, t = 2 / (PI * a) + w, d = -2 * w / a;
    double y = sqrt(d / (sqrt(t * t + d) + t));
    for (int i = 0; i < 2; i++) {
        double error = z < 0.5 ? erf(y) - z : (1 - z) - erfc(y);
        double step = error / (2 / sqrt(PI) * exp(-y * y));
        y -= step / (1 + y * step);
    }
    return copysign(y, x);
}
