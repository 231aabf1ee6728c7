/* Text on its way to a file or into memory of the caller's, where what does not fit is cut off and counted. */
#ifndef EBB_BASE_OUT_H
#define EBB_BASE_OUT_H

#include "base/base.h"

struct ebb__out {
    char *to; /* or NULL: */
    FILE *file;
    size_t size;
    size_t length; /* of the whole text, written or not */
    size_t line;   /* where its last line begins */
};

/* Into ret_text with room for `size` bytes, which holds an empty text then. */
struct ebb__out ebb__out_to_text(char *ret_text, size_t size);
void ebb__out_put(struct ebb__out *out, const char *text);
void ebb__out_print(struct ebb__out *out, const char *format, ...) EBB_PRINTF(2, 3); /* at most 1023 bytes */
void ebb__out_spaces(struct ebb__out *out, int64_t n);
void ebb__out_line(struct ebb__out *out);                            /* end the line */
ebb_status ebb__out_end(const struct ebb__out *out, const char *op); /* EBB_ERR_IO when the file could not be written */

/* "512 B", "1.5 KiB", "23 MiB" into text; returns text. */
#define EBB__BYTES_TEXT 32
char *ebb__bytes_text(char text[EBB__BYTES_TEXT], int64_t bytes);

#endif
