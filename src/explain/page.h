/* The page: reports that are walked step by step in a browser, in one file that needs nothing else. */
#ifndef EBB_EXPLAIN_PAGE_H
#define EBB_EXPLAIN_PAGE_H

#include "explain/report_view.h"

struct ebb__page {
    FILE *to;
    enum ebb_language lang;
    int64_t n; /* reports written so far */
};

/* In both languages, or NULL. */
struct ebb__page_words {
    const char *title[2], *text[2];
};

void ebb__page_begin(struct ebb__page *page);
ebb_status ebb__page_add(struct ebb__page *page, const struct ebb__report *r, const struct ebb__page_words *words);
void ebb__page_end(struct ebb__page *page);

#endif
