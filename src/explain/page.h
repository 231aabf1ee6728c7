/* The page: reports that are walked step by step in a browser, in one file that needs nothing else. */
#ifndef EBB_EXPLAIN_PAGE_H
#define EBB_EXPLAIN_PAGE_H

#include "explain/report_view.h"

struct ebb__page {
    FILE *to; /* a temporary file until the page is whole */
    enum ebb_language lang;
    int64_t n; /* reports written so far */
};

/* In both languages, or NULL. */
struct ebb__page_words {
    const char *title[2], *text[2];
};

ebb_status ebb__page_begin(struct ebb__page *page);
ebb_status ebb__page_add(struct ebb__page *page, const struct ebb__report *r, const struct ebb__page_words *words);
/* Write the page where nothing has failed, so that no half of one is ever written; returns what failed. */
ebb_status ebb__page_end(struct ebb__page *page, FILE *to, ebb_status status);

#endif
