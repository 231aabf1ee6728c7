/* Tables on a terminal. */
#include "tool/table.h"
#include "tool/terminal.h"

#include <string.h>

void ebb__table_add(struct ebb__table *t, const char *text) {
    if (!ebb__array_grow(&t->cells, &t->room, t->n + 1, sizeof *t->cells)) return;
    const char *copy = ebb__arena_copy(&t->arena, text ? text : "", text ? strlen(text) : 0);
    t->cells[t->n++] = copy ? copy : "";
}

void ebb__table_free(struct ebb__table *t) {
    ebb__array_free(t->cells, t->room, sizeof *t->cells);
    ebb__arena_free(&t->arena);
    *t = (struct ebb__table){0};
}

/* Line k of a cell, its length in bytes; false when there is none. */
static bool line_of(const char *cell, int k, const char **ret_line, size_t *ret_n) {
    for (; k > 0; k--) {
        cell = strchr(cell, '\n');
        if (!cell) return false;
        cell++;
    }
    *ret_line = cell;
    *ret_n = strcspn(cell, "\n");
    return true;
}

static int columns_of(const char *line, size_t n) {
    char part[1024];
    (void)snprintf(part, sizeof part, "%.*s", (int)n, line);
    return ebb__columns(part);
}

static int width_of(const struct ebb__table *t, int column) {
    int width = 0;
    for (int64_t i = column; i < t->n; i += t->columns) {
        const char *line;
        size_t n;
        for (int k = 0; line_of(t->cells[i], k, &line, &n); k++) {
            int w = columns_of(line, n);
            if (w > width) width = w;
        }
    }
    return width;
}

/* Line k of a row; false when no cell has that many. Nothing is written behind its last cell. */
static bool print_line(const struct ebb__table *t, FILE *to, int64_t row, int k, int indent, int gap,
                       const int *widths) {
    const char *const *cells = t->cells + row * t->columns, *line;
    size_t n;
    int last = -1, pending = indent;
    for (int c = 0; c < t->columns; c++)
        if (line_of(cells[c], k, &line, &n) && (n || k == 0)) last = n ? c : last;
    bool any = k == 0;
    for (int c = 0; c < t->columns; c++) any = any || line_of(cells[c], k, &line, &n);
    if (!any) return false;
    for (int c = 0; c <= last; c++) {
        if (!line_of(cells[c], k, &line, &n)) n = 0;
        if (n) (void)fprintf(to, "%*s%.*s", pending, "", (int)n, line);
        if (n) pending = 0;
        pending += widths[c] - (n ? columns_of(line, n) : 0) + gap;
    }
    return true;
}

void ebb__table_print(const struct ebb__table *t, FILE *to, int indent, const char *head, const char *plain, int gap) {
    int widths[EBB__TABLE_MAX_COLUMNS];
    for (int c = 0; c < t->columns; c++) widths[c] = width_of(t, c);
    for (int64_t row = 0; (row + 1) * t->columns <= t->n; row++) {
        bool styled = row == 0 && head && head[0];
        for (int k = 0;; k++) {
            if (styled) (void)fputs(head, to);
            bool printed = print_line(t, to, row, k, indent, gap, widths);
            if (styled) (void)fputs(plain, to);
            if (!printed) break;
            (void)fputc('\n', to);
        }
    }
}
