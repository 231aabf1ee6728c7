/* Text on its way to a file or into memory of the caller's. */
#include "base/out.h"

#include <stdarg.h>
#include <string.h>

struct ebb__out ebb__out_to_text(char *ret_text, size_t size) {
    struct ebb__out out = {.to = ret_text, .size = ret_text ? size : 0};
    if (out.size) ret_text[0] = 0;
    return out;
}

void ebb__out_put(struct ebb__out *out, const char *text) {
    size_t n = strlen(text);
    if (out->file) (void)fwrite(text, 1, n, out->file);
    else if (out->length + 1 < out->size) {
        size_t room = out->size - 1 - out->length, part = n < room ? n : room;
        memcpy(out->to + out->length, text, part);
        out->to[out->length + part] = 0;
    }
    out->length += n;
}

void ebb__out_print(struct ebb__out *out, const char *format, ...) {
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    ebb__out_put(out, text);
}

void ebb__out_spaces(struct ebb__out *out, int64_t n) {
    for (; n > 0; n--) ebb__out_put(out, " ");
}

void ebb__out_line(struct ebb__out *out) {
    ebb__out_put(out, "\n");
    out->line = out->length;
}

ebb_status ebb__out_end(const struct ebb__out *out, const char *op) {
    return out->file && ferror(out->file) ? ebb__fail_op(op, EBB_ERR_IO, "the file cannot be written") : EBB_OK;
}

char *ebb__bytes_text(char text[EBB__BYTES_TEXT], int64_t bytes) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024 && unit + 1 < sizeof units / sizeof *units) {
        value /= 1024;
        unit++;
    }
    (void)snprintf(text, EBB__BYTES_TEXT, unit && value < 100 ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return text;
}
