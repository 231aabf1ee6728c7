/* Drawing graphs: what is in the text, that it is well formed, files as a whole or not at all, Graphviz missing. */
#define _XOPEN_SOURCE 700
#include "tests/output.h"
#include <ebb/ebb.h>
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

/* The DOT text of a root in output[]. */
static void draw(ebb_tensor *root, ebb_graph_options options) {
    FILE *file = output_begin();
    CHECK((ebb_graph_write)(root, file, options) == EBB_OK);
    CHECK_OK();
    output_end(file);
}

static int count(const char *part) {
    int n = 0;
    for (const char *at = strstr(output, part); at; at = strstr(at + 1, part)) n++;
    return n;
}

static ebb_tensor *leaf(const char *name) { return ebb_name(ebb_scalar(2.0, .requires_grad = true), name); }

EBB_TEST(leaves_operators_and_root) {
    EBB_SCOPE {
        ebb_tensor *x = ebb_name(ebb_ones(EBB_DIMS(2, 3), .requires_grad = true), "x");
        ebb_tensor *w = ebb_ones(EBB_DIMS(3), .dtype = EBB_F64, .requires_grad = true);
        ebb_tensor *h = ebb_name(ebb_mul(x, w), "hidden");
        ebb_tensor *loss = ebb_sum(ebb_add(h, x));
        draw(loss, (ebb_graph_options){.root = "loss", .title = "a < b", .named = EBB_LIST(h)});
        CHECK(count("<b>x</b>") == 1);
        CHECK(count("(2, 3) float32") == 1);
        CHECK(count("<b>leaf</b>") == 1);
        CHECK(count("(3) float64") == 1);
        CHECK(count("<b>MulBackward0</b>") == 1);
        CHECK(count("hidden (2, 3) float64") == 1);
        CHECK(count("<b>AddBackward0</b>") == 1);
        CHECK(count("<b>SumBackward0</b>") == 1);
        CHECK(count("<b>loss</b>") == 1 && count("= 12<br/>") == 1);
        CHECK(count("label=<a &lt; b>") == 1);
        CHECK(count(" -> ") == 6);
        CHECK(output[strlen(output) - 2] == '}');
        draw(loss, (ebb_graph_options){.lines = true, .leftright = true});
        CHECK(count("test_graph.c:") == 3);
        CHECK(count("rankdir=LR") == 1 && count("<b>root</b>") == 1);
    }
}

EBB_TEST(names_cannot_break_the_text) {
    EBB_SCOPE {
        draw(ebb_sin(leaf("a\"b<c>&\n\\")), (ebb_graph_options){0});
        CHECK(count("<b>a&quot;b&lt;c&gt;&amp;<br/>\\</b>") == 1);
    }
}

EBB_TEST(a_leaf_alone_and_outputs_of_one_node) {
    EBB_SCOPE {
        draw(leaf("x"), (ebb_graph_options){0});
        CHECK(count(" -> ") == 1 && count("<b>x</b>") == 2);
        ebb_tensor *x = ebb_ones(EBB_DIMS(2, 3), .requires_grad = true), *indices;
        draw(ebb_sum(ebb_max_dim(x, 1, .ret_indices = &indices)), (ebb_graph_options){0});
        CHECK(count("MaxBackward0") == 1);
    }
}

EBB_TEST(long_chains_do_not_recurse) {
    EBB_SCOPE {
        ebb_tensor *x = leaf("x");
        for (int i = 0; i < 200000; i++) x = ebb_neg(x);
        FILE *file = fopen("/dev/null", "w");
        CHECK(file && !ebb_graph_write(x, file));
        CHECK(fclose(file) == 0);
    }
}

EBB_TEST(wrong_use) {
    EBB_SCOPE {
        ebb_tensor *x = leaf("x");
        CHECK(ebb_graph_write(ebb_scalar(1.0), stdout) == EBB_ERR_GRAPH);
        CHECK_ERROR(EBB_ERR_GRAPH, "nothing was recorded");
        CHECK(ebb_graph_write(NULL, stdout) == EBB_ERR_ARGUMENT);
        CHECK_ERROR(EBB_ERR_ARGUMENT, "the tensor is NULL");
        CHECK(ebb_graph_write(x, NULL) == EBB_ERR_ARGUMENT);
        CHECK_ERROR(EBB_ERR_ARGUMENT, "the stream is NULL");
        CHECK(ebb_graph_dot(x, "") == EBB_ERR_ARGUMENT);
        CHECK_ERROR(EBB_ERR_ARGUMENT, "the path is NULL or empty");
        CHECK(ebb_graph_dot(x, "/proc/none/such.dot") == EBB_ERR_IO);
        CHECK(strstr(ebb_error()->file, "test_graph.c") != NULL);
        CHECK_ERROR(EBB_ERR_IO, "/proc/none/such.dot cannot be written: No such");
    }
}

/* ---- files ---- */

static char folder[] = "build/graph_XXXXXX";

static const char *in_folder(const char *name) {
    static char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static bool read_file(const char *name) {
    FILE *file = fopen(in_folder(name), "r");
    if (!file) return false;
    output[fread(output, 1, sizeof output - 1, file)] = '\0';
    (void)fclose(file);
    return true;
}

static int files_in_folder(void) {
    DIR *dir = opendir(folder);
    CHECK(dir != NULL);
    int n = -2; /* . and .. */
    while (readdir(dir)) n++;
    (void)closedir(dir);
    return n;
}

EBB_TEST(files_are_whole) {
    CHECK(mkdtemp(folder) != NULL);
    EBB_SCOPE {
        ebb_tensor *z = ebb_mul(leaf("x"), leaf("y"));
        CHECK(!ebb_graph_dot(z, in_folder("a.dot"), .root = "first"));
        CHECK(!ebb_graph_dot(z, in_folder("a.dot"), .root = "second"));
        CHECK(read_file("a.dot") && count("second") == 1 && count("first") == 0);
        CHECK(ebb_graph_dot(ebb_scalar(1.0), in_folder("a.dot")) == EBB_ERR_GRAPH);
        CHECK_ERROR(EBB_ERR_GRAPH, "nothing was recorded");
        CHECK(read_file("a.dot") && count("second") == 1);
        CHECK(files_in_folder() == 1);

        char *path = getenv("PATH"), before[4096];
        (void)snprintf(before, sizeof before, "%s", path ? path : "");
        CHECK(setenv("PATH", folder, 1) == 0);
        CHECK(ebb_graph_svg(z, in_folder("a.svg")) == EBB_ERR_UNSUPPORTED);
        CHECK_ERROR(EBB_ERR_UNSUPPORTED, "needs Graphviz");
        CHECK(files_in_folder() == 1);

        /* A program of that name that fails. */
        FILE *file = fopen(in_folder("dot"), "w");
        CHECK(file && fputs("#!/bin/sh\necho no paper left >&2\nexit 3\n", file) >= 0 && fclose(file) == 0);
        CHECK(chmod(in_folder("dot"), 0755) == 0);
        CHECK(ebb_graph_svg(z, in_folder("a.svg")) == EBB_ERR_IO);
        CHECK_ERROR(EBB_ERR_IO, "dot failed: no paper left");
        CHECK(unlink(in_folder("dot")) == 0);
        CHECK(files_in_folder() == 1);

        CHECK(setenv("PATH", before, 1) == 0);
        if (ebb_graph_svg(z, in_folder("a.svg")) == EBB_ERR_UNSUPPORTED) {
            ebb_clear_error(); /* no Graphviz here */
        } else {
            CHECK_OK();
            CHECK(read_file("a.svg") && count("</svg>") == 1 && count("MulBackward0") >= 1);
            CHECK(unlink(in_folder("a.svg")) == 0);
        }
        CHECK(unlink(in_folder("a.dot")) == 0 && rmdir(folder) == 0);
    }
}

static void draw_once(void) {
    EBB_SCOPE {
        ebb_tensor *x = leaf("x");
        for (int i = 0; i < 100; i++) x = ebb_neg(x);
        (void)ebb_graph_dot(x, "/dev/null/none");
        if (ebb_error_status() == EBB_ERR_IO) ebb_clear_error();
        FILE *file = fopen("/dev/null", "w");
        CHECK(file != NULL);
        (void)ebb_graph_write(x, file);
        (void)fclose(file);
    }
}

EBB_TEST(every_allocation_may_fail) { CHECK_ALLOCATIONS_FAILING(draw_once, 0); }

EBB_TEST_MAIN
