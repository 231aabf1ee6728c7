/* What the JSON of gradients and that of dimensions have in common. */
#include "explain/json.h"

#include <math.h>

void ebb__json_value(struct ebb__json *j, const char *key, double v) {
    if (isfinite(v)) ebb__json_number(j, key, v);
    else ebb__json_text(j, key, isnan(v) ? "nan" : v > 0 ? "inf" : "-inf");
}

void ebb__json_dims(struct ebb__json *j, const char *key, ebb_dims d) {
    ebb__json_open(j, key, '(');
    for (int i = 0; i < d.n; i++) ebb__json_int(j, NULL, d.d[i]);
    ebb__json_close(j);
}

void ebb__json_say(const struct ebb__json_view *v, const char *key, const char *en, const char *zh) {
    if (!v->page) {
        ebb__json_text(v->j, key, v->lang == EBB_CHINESE ? zh : en);
        return;
    }
    ebb__json_open(v->j, key, '{');
    ebb__json_text(v->j, "en", en);
    ebb__json_text(v->j, "zh", zh);
    ebb__json_close(v->j);
}
