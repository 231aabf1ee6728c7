/* Tables of tensors by the line that is to blame for them, and how they are printed. */
#include "autograd/memory_table.h"
#include "base/out.h"
#include <stdlib.h>
#include <string.h>

/* ---- making one ---- */

static int compare(int64_t a, int64_t b) { return (a > b) - (a < b); }

static int by_line(const void *left, const void *right) {
    const struct ebb__item *a = left, *b = right;
    int order = strcmp(a->file, b->file);
    if (!order) order = compare(a->line, b->line);
    return order ? order : strcmp(a->op, b->op);
}

static int by_bytes(const void *left, const void *right) {
    const ebb_memory_line *a = left, *b = right;
    int order = compare(b->bytes, a->bytes);
    if (!order) order = compare(b->tensors, a->tensors);
    if (!order) order = strcmp(a->file, b->file);
    if (!order) order = compare(a->line, b->line);
    return order ? order : strcmp(a->op, b->op);
}

/* "self "h" float32 [64, 128]", or "w float32 [3]" of one that is alive. */
static void describe(char text[EBB_MEMORY_TEXT], const struct ebb__item *item) {
    char whole[EBB__SAVED_TEXT], shape[EBB__SHAPE_TEXT];
    if (item->node) {
        ebb__saved_text(whole, item->node, item->saved);
    } else {
        const char *name = ebb_tensor_name(item->t);
        snprintf(whole, sizeof whole, "%s%s%s%s %s", name[0] ? "\"" : "", name, name[0] ? "\" " : "",
                 ebb_dtype_name((ebb_dtype)item->t->dtype), ebb__shape_text(shape, item->t->ndim, ebb__sizes(item->t)));
    }
    snprintf(text, EBB_MEMORY_TEXT, "%.*s", EBB_MEMORY_TEXT - 1, whole);
}

ebb_status ebb__items_to_table(struct ebb__items *items, ebb_memory_table *ret_table) {
    ebb_memory_table table = {.n = 0};
    size_t n = items->n, rows = 0;
    if (n) qsort(items->item, n, sizeof *items->item, by_line);
    for (size_t i = 0; i < n; i++) rows += i == 0 || by_line(&items->item[i - 1], &items->item[i]) != 0;
    table.lines = ebb__alloc_zeroed(rows * sizeof *table.lines);
    if (!table.lines) return ebb_error_status();
    table.n = (int64_t)rows;
    ebb_memory_line *row = table.lines;
    for (size_t i = 0, largest = 0; i < n; i++) {
        const struct ebb__item *item = &items->item[i];
        if (i > 0 && by_line(item - 1, item) != 0) row++;
        if (row->tensors == 0 || item->size > items->item[largest].size) largest = i;
        if (row->tensors == 0) {
            row->file = item->file;
            row->line = item->line;
            row->op = item->op;
        }
        row->tensors++;
        row->only_graph += item->only_graph;
        row->bytes += item->bytes;
        table.tensors++;
        table.bytes += item->bytes;
        bool last = i + 1 == n || by_line(item, item + 1) != 0;
        if (last) describe(row->largest, &items->item[largest]);
    }
    if (rows) qsort(table.lines, rows, sizeof *table.lines, by_bytes);
    *ret_table = table;
    return EBB_OK;
}

void ebb__items_end(struct ebb__items *items) { ebb__free(items->item, items->capacity * sizeof *items->item); }

void ebb_memory_table_free(ebb_memory_table *table) {
    if (!table) return;
    ebb__free(table->lines, (size_t)table->n * sizeof *table->lines);
    *table = (ebb_memory_table){.n = 0};
}

/* ---- printing it ---- */

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* "model.c:31" */
static void place_text(char *text, size_t size, const ebb_memory_line *row) {
    if (row->file[0]) snprintf(text, size, "%.60s:%d", base_name(row->file), row->line);
    else snprintf(text, size, "-");
}

static int wider(int width, const char *text) { return (int)strlen(text) > width ? (int)strlen(text) : width; }

static void put(struct ebb__out *out, const ebb_memory_table *t) {
    char place[96], bytes[EBB__BYTES_TEXT];
    int at = 4, op = 8;
    for (int64_t i = 0; i < t->n; i++) {
        place_text(place, sizeof place, &t->lines[i]);
        at = wider(at, place);
        op = wider(op, t->lines[i].op);
    }
    ebb__out_print(out, "%10s  %5s  %7s  %-*s  %-*s  %s\n", "bytes", "share", "tensors", op, "operator", at, "line",
                   "the largest");
    for (int64_t i = 0; i < t->n; i++) {
        const ebb_memory_line *row = &t->lines[i];
        double share = t->bytes ? 100.0 * (double)row->bytes / (double)t->bytes : 0;
        place_text(place, sizeof place, row);
        ebb__out_print(out, "%10s  %4.0f%%  %7lld  %-*s  %-*s  %s", ebb__bytes_text(bytes, row->bytes), share,
                       (long long)row->tensors, op, row->op, at, place, row->largest);
        if (row->only_graph) ebb__out_print(out, " (%lld only in the graph)", (long long)row->only_graph);
        ebb__out_put(out, "\n");
    }
    ebb__out_print(out, "%10s  %5s  %7lld  in all", ebb__bytes_text(bytes, t->bytes), "", (long long)t->tensors);
    if (t->leaf_bytes) ebb__out_print(out, "; leaves have %s more", ebb__bytes_text(bytes, t->leaf_bytes));
    ebb__out_put(out, "\n");
}

ebb_status ebb_memory_table_print(const ebb_memory_table *table, FILE *to) {
    struct ebb__out out = {.file = to};
    if (!table || !to) return ebb__fail_null("memory_table_print", table ? "the file" : "the table");
    put(&out, table);
    return ebb__out_end(&out, "memory_table_print");
}

size_t ebb_memory_table_format(char *ret_text, size_t size, const ebb_memory_table *table) {
    struct ebb__out out = ebb__out_to_text(ret_text, size);
    if (table) put(&out, table);
    else ebb__fail_null("memory_table_format", "the table");
    return out.length;
}

/* ---- the two at once ---- */

static ebb_status print_and_free(ebb_status status, ebb_memory_table *table, FILE *to) {
    if (!status) status = ebb_memory_table_print(table, to);
    ebb_memory_table_free(table);
    return status;
}

ebb_status(ebb_print_saved)(ebb_list roots, FILE *to) {
    ebb_memory_table table = {.n = 0};
    return print_and_free((ebb_saved_table)(roots, &table), &table, to);
}

ebb_status(ebb_print_alive)(FILE *to) {
    ebb_memory_table table = {.n = 0};
    return print_and_free((ebb_alive_table)(&table), &table, to);
}
