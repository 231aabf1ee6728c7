/* What is written to a stream, or by a program, kept as text: in output[]. */
#ifndef EBB_TESTS_OUTPUT_H
#define EBB_TESTS_OUTPUT_H

#include "tests/check.h"

static char output[1 << 20];

/* A stream to write to; what was written is in output[] once it is closed by output_end(). */
static inline FILE *output_begin(void) {
    FILE *file = tmpfile();
    CHECK(file != NULL);
    return file;
}

static inline void output_end(FILE *file) {
    rewind(file);
    output[fread(output, 1, sizeof output - 1, file)] = '\0';
    (void)fclose(file);
}

/* Every one of these texts is in the output. */
#define CHECK_OUTPUT(...) check_output((const char *const[]){__VA_ARGS__, NULL}, __FILE__, __LINE__)
static inline void check_output(const char *const *texts, const char *file, int line) {
    for (; *texts; texts++) {
        if (strstr(output, *texts)) continue;
        print_error("expected \"%s\" in the output: %s\n", *texts, output);
        _fail(file, line);
    }
}

#endif
