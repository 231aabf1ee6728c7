/* The chapter told to a program: one JSON object with the facts of chapter_text.c. */
#include "cli/chapter.h"
#include "cli/json.h"

enum { MAX_SHOWN = 64 }; /* elements of a tensor that is written out */

static void write_shape(struct json *j, const char *key, ebb_dims shape) {
    json_open(j, key, '(');
    for (int i = 0; i < shape.n; i++) json_int(j, NULL, shape.d[i]);
    json_close(j);
}

/* A tensor as nested arrays. */
static void write_elements(struct json *j, const char *key, const ebb_tensor *t, ebb_dims index, int dim) {
    if (dim == ebb_tensor_ndim(t)) {
        json_number(j, key, ebb_at_index(t, index));
        return;
    }
    json_open(j, key, '(');
    for (int64_t i = 0; i < ebb_tensor_size(t, dim); i++) {
        index.d[dim] = i;
        write_elements(j, NULL, t, index, dim + 1);
    }
    json_close(j);
}

static void write_tensor(struct json *j, const char *key, const ebb_tensor *t) {
    if (ebb_tensor_numel(t) > MAX_SHOWN) return;
    write_elements(j, key, t, (ebb_dims){.n = ebb_tensor_ndim(t)}, 0);
}

static void write_gradients(struct json *j, const struct chapter_result *r) {
    json_open(j, "gradients", '{');
    for (int i = 0; i < r->example->n; i++) {
        if (!r->example->variables[i].gradient) continue;
        json_open(j, r->example->variables[i].key, '{');
        json_number(j, "max_rel_diff", r->diff[i]);
        json_number(j, "max_rel_diff_fd", r->diff_fd[i]);
        json_int(j, "fd_entries", r->tried[i]);
        write_shape(j, "shape", ebb_tensor_shape(r->value[i]));
        write_tensor(j, "automatic", r->automatic[i]);
        write_tensor(j, "by_hand", r->by_hand[i]);
        write_tensor(j, "finite_differences", r->numeric[i]);
        json_close(j);
    }
    json_close(j);
}

static void write_steps(struct json *j, const struct chapter_result *r) {
    const struct chapter_variable *v = r->example->variables;
    json_open(j, "steps", '[');
    for (const struct chapter_step *s = r->steps; s < r->steps + r->n_steps; s++) {
        json_open(j, NULL, '{');
        json_int(j, "step", s->number);
        json_text(j, "upstream", v[s->from].key);
        json_text(j, "gradient", v[s->to].key);
        json_text(j, "vjp", s->vjp);
        if (s->left.n) {
            json_open(j, "product", '(');
            write_shape(j, NULL, s->left);
            write_shape(j, NULL, s->right);
            json_close(j);
        }
        write_shape(j, "shape", ebb_tensor_shape(r->by_hand[s->to]));
        json_bool(j, "fits", s->fits);
        json_close(j);
    }
    json_close(j);
}

static void write_result(struct json *j, const struct chapter_result *r) {
    json_open(j, NULL, '{');
    json_int(j, "example", (int64_t)(r->example - chapter_examples) + 1);
    json_text(j, "name", r->example->name);
    json_text(j, "formula", r->example->formula);
    json_bool(j, "ok", r->ok);
    json_number(j, "max_rel_diff", r->max_diff);
    json_number(j, "max_rel_diff_fd", r->max_diff_fd);
    json_open(j, "values", '{');
    for (int i = 0; i < r->example->n; i++) write_tensor(j, r->example->variables[i].key, r->value[i]);
    json_close(j);
    write_gradients(j, r);
    write_steps(j, r);
    if (r->mask) write_tensor(j, "relu_mask", r->mask);
    json_close(j);
}

void chapter_json(FILE *to, const struct chapter_report *report, const struct chapter_options *options,
                  const struct chapter_files *files) {
    struct json j = {.to = to};
    json_open(&j, NULL, '{');
    json_bool(&j, "ok", report->ok);
    json_number(&j, "max_rel_diff", report->max_diff);
    json_number(&j, "max_rel_diff_fd", report->max_diff_fd);
    json_number(&j, "limit", report->limit);
    json_number(&j, "limit_fd", report->limit_fd);
    json_text(&j, "dtype", ebb_dtype_name(options->dtype));
    json_uint(&j, "seed", options->seed);
    json_open(&j, "examples", '[');
    for (int i = 0; i < report->n; i++) write_result(&j, &report->results[i]);
    json_close(&j);
    if (files->dot[0]) {
        json_open(&j, "files", '[');
        json_text(&j, NULL, files->dot);
        if (files->svg[0]) json_text(&j, NULL, files->svg);
        json_close(&j);
    }
    json_close(&j);
}
