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
#include <signal.h>
#include <string.h>
#include <time.h>

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

enum { SECONDS = 20 };

/* Whether the child was still running when its time was over. */
static bool wait_for(pid_t child, int *ret_ended, int *ret_problem) {
    const struct timespec pause = {.tv_nsec = 2000000};
    struct timespec start, now;
    (void)clock_gettime(CLOCK_MONOTONIC, &start);
    for (;;) {
        const pid_t done = waitpid(child, ret_ended, WNOHANG);
        if (done > 0) return false;
        if (done < 0 && errno != EINTR) {
            *ret_problem = errno;
            return false;
        }
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        if (now.tv_sec - start.tv_sec > SECONDS) break;
        (void)nanosleep(&pause, NULL);
    }
    (void)kill(child, SIGKILL);
    while (waitpid(child, ret_ended, 0) < 0 && errno == EINTR) {}
    return true;
}

static ebb_status run(const char *format, FILE *in, FILE *out, FILE *messages) {
    /* The network simplex may take minutes for a few hundred nodes of which one leads to many: less of it. */
    static char name[] = "dot", less[][16] = {"-Gnslimit=1", "-Gnslimit1=1", "-Gmclimit=0.3"};
    char option[16];
    (void)snprintf(option, sizeof option, "-T%s", format);
    char *const words[] = {name, option, less[0], less[1], less[2], NULL};
    posix_spawn_file_actions_t files;
    pid_t child = 0;
    FILE *const standard[] = {in, out, messages};
    int problem = posix_spawn_file_actions_init(&files), ended = 0;
    if (problem) return ebb_fail(EBB_ERR_MEMORY, "the program dot cannot be started: %s", strerror(problem));
    for (int i = 0; i < 3 && !problem; i++) problem = posix_spawn_file_actions_adddup2(&files, fileno(standard[i]), i);
    if (!problem) problem = posix_spawnp(&child, name, &files, NULL, words, environ);
    (void)posix_spawn_file_actions_destroy(&files);
    if (!problem && wait_for(child, &ended, &problem))
        return ebb_fail(EBB_ERR_UNSUPPORTED,
                        "Graphviz's dot has not drawn this graph in %d s: write DOT text, or a page", SECONDS);
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
