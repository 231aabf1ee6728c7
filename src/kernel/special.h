/* Special functions of one number that libm lacks, as PyTorch defines them at poles and outside their domains. */
#ifndef EBB_KERNEL_SPECIAL_H
#define EBB_KERNEL_SPECIAL_H

#include <stdint.h>

double ebb__digamma(double x);              /* relative error about 1e-15, off its zeros */
double ebb__polygamma(int64_t n, double x); /* the n-th derivative of digamma, n >= 0 */
double ebb__erfinv(double x);               /* relative error about 1e-15 */

#endif
