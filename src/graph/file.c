/* Graphs into files, as DOT or as pictures. */
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
#include "graph/graph.h"
#include "io/output.h"
#include <errno.h>
#include <string.h>

static ebb_status check_path(const char *path) {
    if (path && path[0]) return EBB_OK;
    return ebb_error() ? ebb_error_status() : ebb_fail(EBB_ERR_ARGUMENT, "graph: the path is NULL or empty");
}

ebb_status(ebb_graph_dot)(ebb_tensor *root, const char *path, ebb_graph_options options) {
    struct ebb__output o;
    ebb_status status = check_path(path);
    if (status || (status = ebb__output_open(&o, path))) return status;
    return ebb__output_close(&o, (ebb_graph_write)(root, o.file, options));
}

#if HAVE_PROCESSES

/* Run `dot -Tsvg` with these three files as its standard ones; no shell is involved. */
static ebb_status run_dot(FILE *in, FILE *out, FILE *messages) {
    static char name[] = "dot", format[] = "-Tsvg";
    char *const words[] = {name, format, NULL};
    posix_spawn_file_actions_t files;
    pid_t child = 0;
    int problem = posix_spawn_file_actions_init(&files);
    if (problem) return ebb_fail(EBB_ERR_MEMORY, "graph: the program dot cannot be started: %s", strerror(problem));
    FILE *const standard[] = {in, out, messages};
    for (int i = 0; i < 3 && !problem; i++) problem = posix_spawn_file_actions_adddup2(&files, fileno(standard[i]), i);
    if (!problem) problem = posix_spawnp(&child, name, &files, NULL, words, environ);
    (void)posix_spawn_file_actions_destroy(&files);
    int ended = 0;
    while (!problem && waitpid(child, &ended, 0) < 0)
        if (errno != EINTR) problem = errno;
    /* Where starting a program reports nothing itself, a missing one ends with 127. */
    if (problem == ENOENT || (!problem && WIFEXITED(ended) && WEXITSTATUS(ended) == 127))
        return ebb_fail(
            EBB_ERR_UNSUPPORTED,
            "graph: a picture needs Graphviz, whose program dot was not found; install it (Debian: graphviz), or write DOT");
    if (problem) return ebb_fail(EBB_ERR_IO, "graph: the program dot cannot be run: %s", strerror(problem));
    if (WIFEXITED(ended) && WEXITSTATUS(ended) == 0) return EBB_OK;
    char line[256] = "";
    rewind(messages);
    if (!fgets(line, (int)sizeof line, messages)) line[0] = '\0';
    return ebb_fail(EBB_ERR_IO, "graph: Graphviz's dot failed: %s", line[0] ? line : "it says no reason");
}

static ebb_status picture(ebb_tensor *root, FILE *out, const ebb_graph_options *options) {
    FILE *in = tmpfile(), *messages = tmpfile();
    ebb_status status = EBB_OK;
    if (!in || !messages) status = ebb_fail(EBB_ERR_IO, "graph: no temporary file: %s", strerror(errno));
    if (!status) status = (ebb_graph_write)(root, in, *options);
    if (!status && fflush(in)) status = ebb_fail(EBB_ERR_IO, "graph: a temporary file: %s", strerror(errno));
    if (!status) {
        rewind(in);
        status = run_dot(in, out, messages);
    }
    if (in) (void)fclose(in);
    if (messages) (void)fclose(messages);
    return status;
}

#else

static ebb_status picture(ebb_tensor *root, FILE *out, const ebb_graph_options *options) {
    (void)root;
    (void)out;
    (void)options;
    return ebb_fail(EBB_ERR_UNSUPPORTED, "graph: pictures are not made on this system; write DOT");
}

#endif

ebb_status(ebb_graph_svg)(ebb_tensor *root, const char *path, ebb_graph_options options) {
    struct ebb__output o;
    ebb_status status = check_path(path);
    if (status || (status = ebb__output_open(&o, path))) return status;
    return ebb__output_close(&o, picture(root, o.file, &options));
}
