/* Expressions as C programs evaluate them. */
#include "expr/value.h"
#include <ebb/expr.h>

/* What the program is worth, as a tensor. */
static ebb_tensor *result(const struct ebb__run *r) {
    if (r->last.kind == EBB__UNSET) {
        (void)ebb_fail(EBB_ERR_ARGUMENT, "eval: the text has no expression");
        return NULL;
    }
    ebb_tensor *t = ebb__value_as_tensor(&r->last, NULL);
    if (!t && !ebb_error())
        (void)ebb_fail(EBB_ERR_ARGUMENT, "eval: the result is %s, not a tensor", ebb__value_kind_name(&r->last));
    return t;
}

ebb_tensor *(ebb_eval)(const char *text, ebb_eval_options options) {
    struct ebb__program p;
    struct ebb__run r = {0};
    ebb_tensor *t = NULL;
    if (ebb_error()) return NULL;
    if (!text) {
        (void)ebb_fail(EBB_ERR_ARGUMENT, "eval: the text is NULL");
        return NULL;
    }
    ebb_status status = ebb__program_parse(&p, text);
    if (!status) status = ebb__eval_begin(&r, &p);
    for (int64_t i = 0; !status && i < options.variables.n; i++) status = ebb__eval_set(&r, &options.variables.arg[i]);
    if (!status) status = ebb__eval_all(&r);
    if (!status) t = result(&r);
    ebb__eval_end(&r);
    ebb__program_free(&p);
    return t;
}
