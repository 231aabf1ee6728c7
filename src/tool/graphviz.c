/* Graphviz's program `dot`, run without a shell. */
#if defined(__unix__) || defined(__APPLE__)
#define _POSIX_C_SOURCE 200809L
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
#define HAVE_PROCESSES 1
extern char **environ;
#else
#define HAVE_PROCESSES 0
#endif
#include "tool/graphviz.h"

#include <errno.h>
#include <string.h>

void ebb__label_text(FILE *to, const char *text) {
    for (; *text; text++) {
        switch (*text) {
        case '&': (void)fputs("&amp;", to); break;
        case '<': (void)fputs("&lt;", to); break;
        case '>': (void)fputs("&gt;", to); break;
        case '"': (void)fputs("&quot;", to); break;
        case '\n': (void)fputs("<br/>", to); break;
        default: (void)fputc((unsigned char)*text < ' ' ? ' ' : *text, to);
        }
    }
}

#if HAVE_PROCESSES

static ebb_status run(const char *format, FILE *in, FILE *out, FILE *messages) {
    static char name[] = "dot";
    char option[16];
    (void)snprintf(option, sizeof option, "-T%s", format);
    char *const words[] = {name, option, NULL};
    posix_spawn_file_actions_t files;
    pid_t child = 0;
    FILE *const standard[] = {in, out, messages};
    int problem = posix_spawn_file_actions_init(&files), ended = 0;
    if (problem) return ebb_fail(EBB_ERR_MEMORY, "the program dot cannot be started: %s", strerror(problem));
    for (int i = 0; i < 3 && !problem; i++) problem = posix_spawn_file_actions_adddup2(&files, fileno(standard[i]), i);
    if (!problem) problem = posix_spawnp(&child, name, &files, NULL, words, environ);
    (void)posix_spawn_file_actions_destroy(&files);
    while (!problem && waitpid(child, &ended, 0) < 0)
        if (errno != EINTR) problem = errno;
    /* Where starting a program reports nothing itself, a missing one ends with 127. */
    if (problem == ENOENT || (!problem && WIFEXITED(ended) && WEXITSTATUS(ended) == 127))
        return ebb_fail(EBB_ERR_UNSUPPORTED, "a drawing needs Graphviz, whose program dot was not found; install it "
                                             "(Debian: graphviz), or write DOT text");
    if (problem) return ebb_fail(EBB_ERR_IO, "the program dot cannot be run: %s", strerror(problem));
    if (WIFEXITED(ended) && WEXITSTATUS(ended) == 0) return EBB_OK;
    char line[256] = "";
    rewind(messages);
    if (!fgets(line, (int)sizeof line, messages)) line[0] = '\0';
    return ebb_fail(EBB_ERR_IO, "Graphviz's dot failed: %s", line[0] ? line : "it says no reason");
}

ebb_status ebb__graphviz(const char *format, FILE *in, FILE *out) {
    FILE *messages = tmpfile();
    if (!messages) return ebb_fail(EBB_ERR_IO, "no temporary file: %s", strerror(errno));
    ebb_status status = EBB_OK;
    if (fflush(in) || fflush(out) || fseek(in, 0, SEEK_SET))
        status = ebb_fail(EBB_ERR_IO, "a temporary file: %s", strerror(errno));
    if (!status) status = run(format, in, out, messages);
    (void)fclose(messages);
    return status;
}

#else

ebb_status ebb__graphviz(const char *format, FILE *in, FILE *out) {
    (void)format;
    (void)in;
    (void)out;
    return ebb_fail(EBB_ERR_UNSUPPORTED, "drawings are not made on this system; write DOT text");
}

#endif
