/* Running the program `ebb` in a test: its exit status, and what it prints. Include before any other header. */
#ifndef EBB_TESTS_PROGRAM_H
#define EBB_TESTS_PROGRAM_H

#define _XOPEN_SOURCE 700
#include "tests/output.h"
#include <sys/wait.h>
#include <unistd.h>

/* Run `ebb ARGUMENTS`; its output, errors included, is in output[]. Returns its exit status. */
static int ebb(const char *arguments) {
    char command[2048];
    const char *bin = getenv("EBB_BIN");
    (void)snprintf(command, sizeof command, "%s/ebb %s 2>&1", bin ? bin : "build/release/bin", arguments);
    FILE *pipe = popen(command, "r");
    CHECK(pipe != NULL);
    output[fread(output, 1, sizeof output - 1, pipe)] = '\0';
    int status = pclose(pipe);
    CHECK(WIFEXITED(status));
    return WEXITSTATUS(status);
}

#endif
