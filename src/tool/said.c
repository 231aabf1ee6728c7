/* Saying what is wrong in the thread's language. */
#include "tool/said.h"

#include <stdarg.h>
#include <string.h>

static _Thread_local bool in_chinese;
static _Thread_local char last[256]; /* the beginning of what was said last, by which an error is known as said */

bool ebb__say_in_chinese(bool chinese) {
    bool before = in_chinese;
    in_chinese = chinese;
    return before;
}

const char *ebb__said(const char *english) {
    for (size_t i = 0; in_chinese && ebb__said_zh[i][0]; i++)
        if (strcmp(ebb__said_zh[i][0], english) == 0) return ebb__said_zh[i][1];
    return english;
}

void ebb__as_said(void) { (void)snprintf(last, sizeof last, "%s", ebb_error() ? ebb_error()->message : ""); }

bool ebb__is_said(void) { return ebb_error() && last[0] && strncmp(ebb_error()->message, last, strlen(last)) == 0; }

ebb_status ebb__fail_said(ebb_status status, const char *format, ...) {
    char message[800];
    va_list arguments;
    if (ebb_error()) return ebb_error_status();
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof message, ebb__said(format), arguments);
    va_end(arguments);
    (void)ebb_fail(status, "%s", message);
    ebb__as_said();
    return status;
}

const char *ebb__meant(const char *meant) {
    static _Thread_local char text[160];
    text[0] = '\0';
    if (meant) (void)snprintf(text, sizeof text, ebb__said("; did you mean %s?"), meant);
    return text;
}

const char *ebb__said_status(ebb_status status) {
    static const char *const texts[] = {
        [EBB_ERR_ARGUMENT] = SAID("an argument does not fit"),
        [EBB_ERR_SHAPE] = SAID("shapes do not fit"),
        [EBB_ERR_DTYPE] = SAID("a dtype does not fit"),
        [EBB_ERR_INDEX] = SAID("a dimension or index is out of range"),
        [EBB_ERR_MEMORY] = SAID("out of memory"),
        [EBB_ERR_GRAPH] = SAID("this cannot be differentiated"),
        [EBB_ERR_VERSION] = SAID("a tensor that backward needs was overwritten in place"),
        [EBB_ERR_FREED] = SAID("what backward needs has been released"),
        [EBB_ERR_NAME] = SAID("there is no such name"),
        [EBB_ERR_IO] = SAID("a file cannot be read or written"),
        [EBB_ERR_FORMAT] = SAID("a file is not what it should be"),
        [EBB_ERR_UNSUPPORTED] = SAID("this is not offered here"),
        [EBB_ERR_CALLBACK] = SAID("a function that was called failed"),
        [EBB_ERR_NONFINITE] = SAID("a NaN or an infinity was computed"),
    };
    size_t i = (size_t)status;
    return ebb__said(i < sizeof texts / sizeof *texts && texts[i] ? texts[i] : SAID("it failed"));
}

const char *ebb__said_library(const char *text) {
    static const char leading[] = SAID("the library says: ");
    return ebb__said(leading) == leading ? NULL : strstr(text, ebb__said(leading));
}

ebb_status ebb__say_error(const char *called) {
    const ebb_error_info *e = ebb_error();
    char op[64], message[640];
    if (!e || !in_chinese || ebb__is_said() || e->status == EBB_ERR_MEMORY) return ebb_error_status();
    ebb_status status = e->status;
    (void)snprintf(op, sizeof op, "%s", called ? called : e->op);
    (void)snprintf(message, sizeof message, "%s", e->message);
    ebb_clear_error();
    if (op[0]) return ebb__fail_said(status, "%s: %s; the library says: %s", op, ebb__said_status(status), message);
    return ebb__fail_said(status, "%s; the library says: %s", ebb__said_status(status), message);
}

void ebb__say_end(bool before) {
    (void)ebb__say_error(NULL);
    in_chinese = before;
}
