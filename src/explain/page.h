/* The page: reports that are walked step by step in a browser, in one file that needs nothing else. */
#ifndef EBB_EXPLAIN_PAGE_H
#define EBB_EXPLAIN_PAGE_H

#include "explain/json.h"
#include "explain/report_view.h"

enum ebb__page_kind { EBB__PAGE_GRADIENTS, EBB__PAGE_DIMS };

struct ebb__page {
    enum ebb__page_kind kind;
    enum ebb_language lang;
    struct ebb__json json; /* what is shown, in a temporary file until the page is whole */
    struct ebb__arena arena;
};

/* In both languages, or NULL. */
struct ebb__page_words {
    const char *title[2], *text[2];
};

ebb_status ebb__page_begin(struct ebb__page *page);
/* One thing to show, which the reader turns to: an object, to be closed by ebb__json_close(). */
void ebb__page_open(struct ebb__page *page, const struct ebb__page_words *words);
/* Write the page where nothing has failed, so that no half of one is ever written; returns what failed. */
ebb_status ebb__page_end(struct ebb__page *page, FILE *to, ebb_status status);

/* A page's JSON is in both languages. */
static inline struct ebb__json_view ebb__page_view(struct ebb__page *page) {
    return (struct ebb__json_view){.j = &page->json, .arena = &page->arena, .lang = page->lang, .page = true};
}

/* A report, as one thing to show. */
ebb_status ebb__page_add(struct ebb__page *page, const struct ebb__report *r, const struct ebb__page_words *words);

#endif
