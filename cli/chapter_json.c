/* The chapter told to a program: one JSON object with the facts of chapter_text.c. */
#include "cli/chapter.h"
#include "tool/json.h"

enum { MAX_SHOWN = 64 }; /* elements of a tensor that is written out */

static void write_shape(struct ebb__json *j, const char *key, ebb_dims shape) {
    ebb__json_open(j, key, '(');
    for (int i = 0; i < shape.n; i++) ebb__json_int(j, NULL, shape.d[i]);
    ebb__json_close(j);
}

/* A tensor as nested arrays. */
static void write_elements(struct ebb__json *j, const char *key, const ebb_tensor *t, ebb_dims index, int dim) {
    if (dim == ebb_tensor_ndim(t)) {
        ebb__json_number(j, key, ebb_at_index(t, index));
        return;
    }
    ebb__json_open(j, key, '(');
    for (int64_t i = 0; i < ebb_tensor_size(t, dim); i++) {
        index.d[dim] = i;
        write_elements(j, NULL, t, index, dim + 1);
    }
    ebb__json_close(j);
}

static void write_tensor(struct ebb__json *j, const char *key, const ebb_tensor *t) {
    if (ebb_tensor_numel(t) > MAX_SHOWN) return;
    write_elements(j, key, t, (ebb_dims){.n = ebb_tensor_ndim(t)}, 0);
}

static void write_gradients(struct ebb__json *j, const struct chapter_result *r) {
    ebb__json_open(j, "gradients", '{');
    for (int i = 0; i < r->example->n; i++) {
        if (!r->example->variables[i].gradient) continue;
        ebb__json_open(j, r->example->variables[i].key, '{');
        ebb__json_number(j, "max_rel_diff", r->diff[i]);
        ebb__json_number(j, "max_rel_diff_fd", r->diff_fd[i]);
        ebb__json_int(j, "fd_entries", r->tried[i]);
        write_shape(j, "shape", ebb_tensor_shape(r->value[i]));
        write_tensor(j, "automatic", r->automatic[i]);
        write_tensor(j, "by_hand", r->by_hand[i]);
        write_tensor(j, "finite_differences", r->numeric[i]);
        ebb__json_close(j);
    }
    ebb__json_close(j);
}

static void write_steps(struct ebb__json *j, const struct chapter_result *r) {
    const struct chapter_variable *v = r->example->variables;
    ebb__json_open(j, "steps", '[');
    for (const struct chapter_step *s = r->steps; s < r->steps + r->n_steps; s++) {
        ebb__json_open(j, NULL, '{');
        ebb__json_int(j, "step", s->number);
        ebb__json_text(j, "upstream", v[s->from].key);
        ebb__json_text(j, "gradient", v[s->to].key);
        ebb__json_text(j, "vjp", s->vjp);
        if (s->left.n) {
            ebb__json_open(j, "product", '(');
            write_shape(j, NULL, s->left);
            write_shape(j, NULL, s->right);
            ebb__json_close(j);
        }
        write_shape(j, "shape", ebb_tensor_shape(r->by_hand[s->to]));
        ebb__json_bool(j, "fits", s->fits);
        ebb__json_close(j);
    }
    ebb__json_close(j);
}

static void write_result(struct ebb__json *j, const struct chapter_result *r) {
    ebb__json_open(j, NULL, '{');
    ebb__json_int(j, "example", (int64_t)(r->example - chapter_examples) + 1);
    ebb__json_text(j, "name", r->example->name);
    ebb__json_text(j, "formula", r->example->formula);
    ebb__json_bool(j, "ok", r->ok);
    ebb__json_number(j, "max_rel_diff", r->max_diff);
    ebb__json_number(j, "max_rel_diff_fd", r->max_diff_fd);
    ebb__json_open(j, "values", '{');
    for (int i = 0; i < r->example->n; i++) write_tensor(j, r->example->variables[i].key, r->value[i]);
    ebb__json_close(j);
    write_gradients(j, r);
    write_steps(j, r);
    if (r->mask) write_tensor(j, "relu_mask", r->mask);
    ebb__json_close(j);
}

void chapter_json(FILE *to, const struct chapter_report *report, const struct chapter_options *options,
                  const struct chapter_files *files) {
    struct ebb__json j = {.to = to};
    ebb__json_open(&j, NULL, '{');
    ebb__json_bool(&j, "ok", report->ok);
    ebb__json_number(&j, "max_rel_diff", report->max_diff);
    ebb__json_number(&j, "max_rel_diff_fd", report->max_diff_fd);
    ebb__json_number(&j, "limit", report->limit);
    ebb__json_number(&j, "limit_fd", report->limit_fd);
    ebb__json_text(&j, "dtype", ebb_dtype_name(options->dtype));
    ebb__json_uint(&j, "seed", options->seed);
    ebb__json_open(&j, "examples", '[');
    for (int i = 0; i < report->n; i++) write_result(&j, &report->results[i]);
    ebb__json_close(&j);
    if (files->dot[0]) {
        ebb__json_open(&j, "files", '[');
        ebb__json_text(&j, NULL, files->dot);
        if (files->svg[0]) ebb__json_text(&j, NULL, files->svg);
        ebb__json_close(&j);
    }
    ebb__json_close(&j);
}
