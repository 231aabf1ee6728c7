/* What the JSON of gradients and that of dimensions have in common. */
#ifndef EBB_EXPLAIN_JSON_H
#define EBB_EXPLAIN_JSON_H

#include "tool/json.h"
#include <ebb/explain.h>

/* A number; of what JSON has no words for the texts "nan", "inf", "-inf". */
void ebb__json_value(struct ebb__json *j, const char *key, double v);
void ebb__json_dims(struct ebb__json *j, const char *key, ebb_dims d);

/* Where what the JSON says is read: by a program, in one language, or on a page, in both. */
struct ebb__json_view {
    struct ebb__json *j;
    struct ebb__arena *arena; /* for what is said */
    enum ebb_language lang;
    bool page;
    const char *key; /* of the whole, where it is a part of something; or NULL */
};

/* A sentence in the view's language; for a page {"en": …, "zh": …}. */
void ebb__json_say(const struct ebb__json_view *v, const char *key, const char *en, const char *zh);

#endif
