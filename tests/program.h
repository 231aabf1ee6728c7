/* Running the program `ebb` in a test: its exit status, and what it prints. Include before any other header. */
#ifndef EBB_TESTS_PROGRAM_H
#define EBB_TESTS_PROGRAM_H

#define _XOPEN_SOURCE 700
#include "tests/check.h"
#include <sys/wait.h>
#include <unistd.h>

static char output[1 << 17];

/* Run `ebb ARGUMENTS`; its output, errors included, is in output[]. Returns its exit status. */
static int ebb(const char *arguments) {
    char command[2048];
    const char *bin = getenv("EBB_BIN");
    (void)snprintf(command, sizeof command, "%s/ebb %s 2>&1", bin ? bin : "build/release/bin", arguments);
    FILE *pipe = popen(command, "r");
    CHECK(pipe != NULL);
    size_t n = fread(output, 1, sizeof output - 1, pipe);
    output[n] = '\0';
    int status = pclose(pipe);
    CHECK(WIFEXITED(status));
    return WEXITSTATUS(status);
}

#define CHECK_OUTPUT(text) check_output((text), __FILE__, __LINE__)
static inline void check_output(const char *text, const char *file, int line) {
    if (strstr(output, text)) return;
    print_error("expected \"%s\" in the output: %s\n", text, output);
    _fail(file, line);
}

#endif
