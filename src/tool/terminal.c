/* Terminals: colours where they are wanted, and the width of texts that mix scripts. */
#if !defined(_WIN32)
#define _POSIX_C_SOURCE 200809L
#include <unistd.h>
#endif
#include "tool/terminal.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static bool wants_colour(FILE *to) {
#if defined(_WIN32)
    (void)to;
    return false;
#else
    const char *none = getenv("NO_COLOR"), *kind = getenv("TERM");
    return !(none && none[0]) && kind && strcmp(kind, "dumb") != 0 && isatty(fileno(to));
#endif
}

const char *ebb__style(FILE *to, enum ebb__style style) {
    static const char *const sequences[] = {
        [EBB__PLAIN] = "\033[0m", [EBB__BOLD] = "\033[1m",   [EBB__DIM] = "\033[2m",
        [EBB__GOOD] = "\033[32m", [EBB__BAD] = "\033[1;31m", [EBB__TITLE] = "\033[1;36m",
    };
    return wants_colour(to) ? sequences[style] : "";
}

/* The next character of a UTF-8 text, and where it ends; stray bytes count as characters. */
static uint32_t next_character(const unsigned char **text) {
    const unsigned char *p = *text;
    uint32_t c = *p++;
    int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0 ? 1 : 0;
    if (more) c &= 0x3fU >> more;
    for (; more > 0 && (*p & 0xc0) == 0x80; more--) c = c << 6 | (*p++ & 0x3fU);
    *text = p;
    return c;
}

static int width(uint32_t c) {
    if (c >= 0x300 && c < 0x370) return 0;
    bool wide = (c >= 0x1100 && c < 0x1160) || (c >= 0x2e80 && c < 0xa4d0) || (c >= 0xac00 && c < 0xd7a4) ||
                (c >= 0xf900 && c < 0xfb00) || (c >= 0xfe30 && c < 0xfe70) || (c >= 0xff00 && c < 0xff61) ||
                (c >= 0x20000 && c < 0x40000);
    return wide ? 2 : 1;
}

/* The end of a sequence that switches styles, or text itself. */
static const unsigned char *skip_style(const unsigned char *text) {
    if (text[0] != 0x1b || text[1] != '[') return text;
    const unsigned char *end = text + 2 + strspn((const char *)text + 2, "0123456789;");
    return *end == 'm' ? end + 1 : text;
}

int ebb__columns(const char *text) {
    int columns = 0;
    const unsigned char *p = (const unsigned char *)text, *after;
    while (*p) {
        if ((after = skip_style(p)) != p) p = after;
        else columns += width(next_character(&p));
    }
    return columns;
}

void ebb__pad(FILE *to, const char *text, int columns) {
    (void)fprintf(to, "%s%*s", text, columns > ebb__columns(text) ? columns - ebb__columns(text) : 0, "");
}
