/* Values of tensors as a person reads them: rows of matrices in columns, summaries of what is large. */
#include "explain/values.h"

#include <math.h>
#include <string.h>

enum { ROWS = 8, COLUMNS = 8, ELEMENTS = 64 }; /* of what is shown in full */

/* Neither zero nor NaN has a sign. */
static const char *number(struct ebb__arena *a, const char *format, double v) {
    const char *text = isnan(v) ? "nan" : ebb__arena_print(a, format, v + 0.0);
    return text ? text : "";
}

const char *ebb__number_text(struct ebb__arena *a, double value) { return number(a, "%.6g", value); }

static const char *element(struct ebb__arena *a, double v, bool whole, bool scalar) {
    return number(a, whole ? "%.0f" : scalar ? "%.6g" : "%.5g", v);
}

/* A matrix of `rows` rows; of a tensor of more dimensions one after the other, each with its index before it. */
static const char *matrix(struct ebb__arena *a, const double *data, ebb_dims shape, bool whole) {
    int64_t columns = shape.d[shape.n - 1], rows = shape.n > 1 ? shape.d[shape.n - 2] : 1, all = rows;
    const char *cell[ELEMENTS];
    size_t width[COLUMNS] = {0};
    for (int d = 0; d < shape.n - 2; d++) all *= shape.d[d];
    for (int64_t i = 0; i < all * columns; i++) {
        cell[i] = element(a, data[i], whole, false);
        if (strlen(cell[i]) > width[i % columns]) width[i % columns] = strlen(cell[i]);
    }
    struct ebb__text text = {0};
    for (int64_t row = 0; row < all; row++) {
        if (row) ebb__text_put(&text, "\n");
        if (shape.n > 2 && row % rows == 0) {
            int64_t at = row / rows;
            int64_t index[EBB_MAX_NDIM];
            for (int d = shape.n - 3; d >= 0; d--) {
                index[d] = at % shape.d[d];
                at /= shape.d[d];
            }
            for (int d = 0; d < shape.n - 2; d++) ebb__text_put(&text, "%s%lld", d ? "," : "", (long long)index[d]);
            ebb__text_put(&text, ": ");
        } else if (shape.n > 2) ebb__text_put(&text, "%*s", 2 * (shape.n - 2) + 1, "");
        ebb__text_put(&text, "[");
        for (int64_t c = 0; c < columns; c++)
            ebb__text_put(&text, "%s%*s", c ? "  " : "", (int)width[c], cell[row * columns + c]);
        ebb__text_put(&text, "]");
    }
    const char *copy = ebb__arena_copy(a, ebb__text_of(&text), (size_t)text.n);
    ebb__text_free(&text);
    return copy ? copy : "";
}

static const char *summary(struct ebb__arena *a, enum ebb_language lang, const double *data, int64_t n) {
    double least = (double)INFINITY, most = -(double)INFINITY, sum = 0;
    int64_t finite = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(data[i])) continue;
        least = fmin(least, data[i]);
        most = fmax(most, data[i]);
        sum += data[i];
        finite++;
    }
    const char *count = ebb__arena_print(a, "%lld", (long long)n),
               *bad = ebb__arena_print(a, "%lld", (long long)(n - finite));
    if (finite == n && least == most)
        return ebb__phrase_of(a, lang, EBB__SAY_SUMMARY_SAME, count, ebb__number_text(a, least));
    if (!finite) return ebb__phrase_of(a, lang, EBB__SAY_NOT_FINITE_VALUES, count);
    const char *text = ebb__phrase_of(a, lang, EBB__SAY_SUMMARY, count, ebb__number_text(a, least),
                                      ebb__number_text(a, most), ebb__number_text(a, sum / (double)finite));
    return finite == n ? text : ebb__phrase_of(a, lang, EBB__SAY_SUMMARY_BAD, text, bad);
}

const char *ebb__value_text(struct ebb__arena *a, enum ebb_language lang, ebb_tensor *t) {
    if (!t) return ebb__phrase_of(a, lang, EBB__SAY_NOT_KEPT);
    int64_t n = ebb_tensor_numel(t), rows = 1;
    ebb_dims shape = ebb_tensor_shape(t);
    bool whole = !ebb_dtype_is_floating(ebb_tensor_dtype(t));
    if (n == 0) return ebb__phrase_of(a, lang, EBB__SAY_EMPTY);
    size_t bytes = (size_t)n * sizeof(double);
    double *data = ebb_alloc(bytes);
    const char *text = "";
    if (data && !(ebb_tensor_read)(t, EBB_F64, data)) {
        for (int d = 0; d < shape.n - 1; d++) rows *= shape.d[d];
        bool small = n <= ELEMENTS && rows <= ROWS && (shape.n == 0 || shape.d[shape.n - 1] <= COLUMNS);
        bool one_digit = true; /* indices before matrices have one digit each */
        for (int d = 0; d < shape.n - 2; d++) one_digit = one_digit && shape.d[d] <= 10;
        if (shape.n == 0) text = element(a, data[0], whole, true);
        else if (small && one_digit) text = matrix(a, data, shape, whole);
        else text = summary(a, lang, data, n);
    }
    ebb_free(data, bytes);
    return text;
}
