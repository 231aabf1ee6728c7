/* Writing a report: how much of it, in which language, and where to. */
#ifndef EBB_EXPLAIN_REPORT_VIEW_H
#define EBB_EXPLAIN_REPORT_VIEW_H

#include "explain/report.h"
#include <ebb/explain.h>

struct ebb__view {
    FILE *to;
    enum ebb_language lang;
    int64_t limit; /* operations that are shown one by one */
};

/* Write in one format; an error only when memory ends. */
ebb_status ebb__report_text(const struct ebb__report *r, const struct ebb__view *view);
ebb_status ebb__report_markdown(const struct ebb__report *r, const struct ebb__view *view);
ebb_status ebb__report_latex(const struct ebb__report *r, const struct ebb__view *view);
ebb_status ebb__report_dot(const struct ebb__report *r, const struct ebb__view *view);
ebb_status ebb__report_svg(const struct ebb__report *r, const struct ebb__view *view);
ebb_status ebb__report_page(const struct ebb__report *r, const struct ebb__view *view);
ebb_status ebb__report_json(const struct ebb__report *r, const struct ebb__view *view);

/* As one value of JSON that is being written. */
struct ebb__json_view;
ebb_status ebb__report_json_in(const struct ebb__report *r, const struct ebb__json_view *v);

/* Write in the format of these options, to their stream. EBB_ERR_IO when that fails. */
ebb_status ebb__report_write(const struct ebb__report *r, const ebb_explain_options *options);

/* The expression, cut off when it is long; "The graph of L" where there is none. In the arena, or the report's. */
const char *ebb__report_title(struct ebb__arena *a, const struct ebb__report *r, enum ebb_language lang);
/* How it was computed: dtype and seed; in the arena. */
const char *ebb__report_setting(struct ebb__arena *a, const struct ebb__report *r, enum ebb_language lang);
/* What the signs mean that the formulas have, "" when there are none; in the arena. */
const char *ebb__report_signs(struct ebb__arena *a, const struct ebb__report *r, enum ebb_language lang);
/* What is said where values or gradients are nan or inf: where that begins, and what the check is worth, a line each;
 * "" where all are finite. In the arena. */
const char *ebb__report_not_finite(struct ebb__arena *a, const struct ebb__report *r, enum ebb_language lang);
/* What is said of a constant, "" of others; in the arena. */
const char *ebb__report_constant(struct ebb__arena *a, const struct ebb__report_node *n, enum ebb_language lang);
/* "inserted by matmul": what an operation is to the composition that it is a part of; NULL when it is none. */
const char *ebb__report_part(struct ebb__arena *a, const struct ebb__report_node *n, enum ebb_language lang);
/* The check of a variable, NULL when there is none. */
const struct ebb__report_check *ebb__report_check_of(const struct ebb__report *r, int32_t node);
/* The largest difference of all checks, and whether all are within the tolerance. */
double ebb__report_worst(const struct ebb__report *r, bool *ret_ok);
/* What the checks of second derivatives and of tangents say, in a sentence; in the arena. */
const char *ebb__report_hessian_verdict(struct ebb__arena *a, const struct ebb__report *r, enum ebb_language lang,
                                        bool *ret_ok);
const char *ebb__report_tangents_verdict(struct ebb__arena *a, const struct ebb__report *r, enum ebb_language lang,
                                         bool *ret_ok);
/* Whether any of a gradient's elements was compared with differences. */
bool ebb__report_any_check(const struct ebb__report *r);
/* What the checks say, in a sentence; in the arena. */
const char *ebb__report_verdict(struct ebb__arena *a, const struct ebb__report *r, enum ebb_language lang,
                                bool *ret_ok);

#endif
