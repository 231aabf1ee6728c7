/* Errors: the first one of each thread is kept with its operator and the caller's line until it is looked at. */
#include "base/base.h"
#include "base/thread.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* Told when there is no memory even for a record. Shared by all threads and never written. */
static struct ebb__error no_memory = {
    .info = {EBB_ERR_MEMORY, "", "out of memory, also for the text of this error", "", 0}};

static const char *const status_names[] = {
    [EBB_OK] = "ok",
    [EBB_ERR_ARGUMENT] = "argument",
    [EBB_ERR_SHAPE] = "shape",
    [EBB_ERR_DTYPE] = "dtype",
    [EBB_ERR_INDEX] = "index",
    [EBB_ERR_MEMORY] = "memory",
    [EBB_ERR_GRAPH] = "graph",
    [EBB_ERR_VERSION] = "version",
    [EBB_ERR_FREED] = "freed",
    [EBB_ERR_NAME] = "name",
    [EBB_ERR_IO] = "io",
    [EBB_ERR_FORMAT] = "format",
    [EBB_ERR_UNSUPPORTED] = "unsupported",
    [EBB_ERR_CALLBACK] = "callback",
    [EBB_ERR_NONFINITE] = "nonfinite",
};

const char *ebb_status_name(ebb_status status) {
    size_t i = (size_t)status;
    return i < sizeof status_names / sizeof *status_names ? status_names[i] : "unknown";
}

int ebb_at(const char *file, int line) {
    ebb__thread.file = file;
    ebb__thread.line = line;
    return 0;
}

/* Text that does not fit ends in dots; line breaks become blanks, since a message is one line. */
static void tidy(char *text, size_t size, int wanted) {
    if (wanted < 0) text[0] = '\0';
    if (wanted >= 0 && (size_t)wanted >= size) memcpy(text + size - 4, "...", 4);
    for (char *c = strpbrk(text, "\r\n"); c; c = strpbrk(c, "\r\n")) *c = ' ';
}

static EBB_PRINTF(3, 0) ebb_status
    keep_first(const char *op, ebb_status status, const char *format, va_list arguments) {
    struct ebb__thread *th = &ebb__thread;
    if (status == EBB_OK) return status;
    th->failures++;
    if (th->error) return status;
    struct ebb__error *record = th->error_record; /* not from ebb__alloc: to be had also when that one fails */
    if (!record) {
        record = th->error_record = malloc(sizeof *record);
        if (!record) {
            th->error = &no_memory;
            return status;
        }
        ebb__thread_attach();
    }
    tidy(record->op, sizeof record->op, snprintf(record->op, sizeof record->op, "%s", op ? op : ""));
    tidy(record->message, sizeof record->message,
         vsnprintf(record->message, sizeof record->message, format, arguments));
    record->within = false;
    record->told = 0;
    record->info =
        (ebb_error_info){status, record->op, record->message, th->file ? th->file : "", th->file ? th->line : 0};
    th->error = record;
    return status;
}

ebb_status ebb_fail(ebb_status status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    (void)keep_first("", status, format, arguments);
    va_end(arguments);
    return status;
}

ebb_status ebb__fail_op(const char *op, ebb_status status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    (void)keep_first(op, status, format, arguments);
    va_end(arguments);
    return status;
}

void ebb__error_named(const char *op) {
    struct ebb__error *e = ebb__thread.error;
    if (e && e != &no_memory) tidy(e->op, sizeof e->op, snprintf(e->op, sizeof e->op, "%s", op));
}

void ebb__error_within(const char *what) {
    struct ebb__error *e = ebb__thread.error;
    if (!e || e == &no_memory || !e->op[0] || strcmp(e->op, what) == 0) return;
    if (!e->within) {
        char message[sizeof e->message];
        tidy(message, sizeof message, snprintf(message, sizeof message, "%s: %s", e->op, e->message));
        memcpy(e->message, message, sizeof message);
        e->told = 0;
    }
    e->within = true;
    ebb__error_named(what);
}

ebb_status ebb__fail_null(const char *op, const char *what) {
    ebb_status status = ebb__fail_op(op, EBB_ERR_ARGUMENT, "%s is NULL", what);
    return ebb__thread.error ? ebb__thread.error->info.status : status;
}

const ebb_error_info *ebb_error(void) { return ebb__thread.error ? &ebb__thread.error->info : NULL; }

ebb_status ebb_error_status(void) { return ebb__thread.error ? ebb__thread.error->info.status : EBB_OK; }

int ebb_perror(const char *prefix) {
    const ebb_error_info *e = ebb_error();
    if (!e) return 0;
    ebb_status status = e->status;
    char place[32] = "";
    if (e->file[0]) (void)snprintf(place, sizeof place, ":%d", e->line);
    const char *const parts[] = {prefix ? prefix : "", e->file, e->op, e->message};
    /* Put together first and written at once, so that the lines of several threads do not mix. */
    char text[2048];
    size_t used = 0, n = sizeof parts / sizeof *parts;
    for (size_t i = 0; i < n && used < sizeof text; i++) {
        if (!parts[i][0]) continue;
        int wrote =
            snprintf(text + used, sizeof text - used, "%s%s%s", parts[i], i == 1 ? place : "", i + 1 < n ? ": " : "");
        used += wrote > 0 ? (size_t)wrote : 0;
    }
    (void)fprintf(stderr, "%s\n", text);
    ebb_clear_error();
    return (int)status;
}

void ebb_clear_error(void) { ebb__thread.error = NULL; }

void ebb__error_release(void) {
    ebb__thread.error = NULL;
    free(ebb__thread.error_record);
    ebb__thread.error_record = NULL;
}
