/* Tables on a terminal: columns as wide as their cells, cells of several lines. */
#ifndef EBB_TOOL_TABLE_H
#define EBB_TOOL_TABLE_H

#include "tool/memory.h"

#include <stdio.h>

enum { EBB__TABLE_MAX_COLUMNS = 32 };

struct ebb__table { /* all zero: empty */
    struct ebb__arena arena;
    const char **cells; /* row by row; a line break begins another line of the cell */
    int64_t n, room;
    int columns;
};

/* Add a cell, which is copied; after as many as there are columns a new row begins. A text before that is NULL counts
 * as empty. */
void ebb__table_add(struct ebb__table *t, const char *text);
/* Print every line with `indent` blanks before it, and `gap` between columns. The first row is written in `head`, a
 * style's sequence, NULL or "" for none. */
void ebb__table_print(const struct ebb__table *t, FILE *to, int indent, const char *head, const char *plain, int gap);
void ebb__table_free(struct ebb__table *t);

#endif
