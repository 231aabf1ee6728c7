/* The page as one file: looks and scripts (src/explain/page), what is shown as JSON, graphs as Graphviz draws them. Of
 * a graph that is too large to be laid out the script shows the tape around each step. */
#include "explain/page.h"
#include "tool/graphviz.h"

#include <errno.h>
#include <string.h>

enum { DRAWN = 300 }; /* nodes that Graphviz lays out */

/* The parts, as cmake/embed.cmake makes them of the files in src/explain/page. */
#define PART(name) \
    extern const unsigned char ebb__page_##name[]; \
    extern const unsigned long ebb__page_##name##_size
PART(page_css);
PART(page_html);
PART(page_js);
PART(gradients_css);
PART(gradients_js);
PART(dims_css);
PART(dims_js);
#undef PART

struct part {
    const unsigned char *text;
    const unsigned long *size;
};
#define PART(name) \
    { ebb__page_##name, &ebb__page_##name##_size }
static const struct part body = PART(page_html), common_looks = PART(page_css), common_script = PART(page_js),
                         looks[] = {[EBB__PAGE_GRADIENTS] = PART(gradients_css), [EBB__PAGE_DIMS] = PART(dims_css)},
                         scripts[] = {[EBB__PAGE_GRADIENTS] = PART(gradients_js), [EBB__PAGE_DIMS] = PART(dims_js)};
#undef PART

static const char *const languages[] = {[EBB_ENGLISH] = "en", [EBB_CHINESE] = "zh"};

static void write_part(FILE *to, const struct part *part) { (void)fwrite(part->text, 1, *part->size, to); }

static ebb_status no_file(void) { return ebb_fail(EBB_ERR_IO, "explain: no temporary file: %s", strerror(errno)); }

ebb_status ebb__page_begin(struct ebb__page *page) {
    FILE *to = tmpfile();
    if (!to) return no_file();
    page->json = (struct ebb__json){.to = to, .in_html = true, .flat = 1};
    (void)fprintf(to,
                  "<!doctype html>\n<html lang=\"%s\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
                  "content=\"width=device-width, initial-scale=1\">\n<title>Ebb</title>\n<style>\n",
                  languages[page->lang]);
    write_part(to, &common_looks);
    write_part(to, &looks[page->kind]);
    (void)fputs("</style>\n<body>\n", to);
    write_part(to, &body);
    (void)fputs("<script type=\"application/json\" id=\"data\">\n", to);
    ebb__json_open(&page->json, NULL, '[');
    return EBB_OK;
}

ebb_status ebb__page_end(struct ebb__page *page, FILE *to, ebb_status status) {
    char bytes[4096];
    FILE *file = page->json.to;
    ebb__arena_free(&page->arena);
    if (!file) return status;
    while (page->json.depth) ebb__json_close(&page->json);
    (void)fputs("</script>\n<script>\n", file);
    write_part(file, &common_script);
    write_part(file, &scripts[page->kind]);
    (void)fputs("</script>\n</body>\n</html>\n", file);
    if (!status && (fflush(file) || ferror(file)))
        status = ebb_fail(EBB_ERR_IO, "explain: a temporary file: %s", strerror(errno));
    rewind(file);
    for (size_t n; !status && (n = fread(bytes, 1, sizeof bytes, file)) > 0;) (void)fwrite(bytes, 1, n, to);
    (void)fclose(file);
    return status;
}

static void both(const struct ebb__json_view *v, const char *key, const char *const *text) {
    const char *en = text[EBB_ENGLISH], *zh = text[EBB_CHINESE];
    if (en || zh) ebb__json_say(v, key, en ? en : zh, zh ? zh : en);
}

void ebb__page_open(struct ebb__page *page, const struct ebb__page_words *words) {
    struct ebb__json_view v = ebb__page_view(page);
    ebb__json_open(&page->json, NULL, '{');
    both(&v, "title", words->title);
    both(&v, "text", words->text);
}

/* ---- the graph ---- */

/* Two lines are left free in each node: the script writes the value and the gradient there. */
static void write_node(FILE *to, const struct ebb__report *r, int64_t id) {
    static const char *const classes[] = {"variable", "constant", "operation"};
    const struct ebb__report_node *n = &r->nodes[id];
    (void)fprintf(to, "n%lld [id=\"n%lld\", class=\"%s%s\", style=\"%s\", label=<<b>", (long long)id, (long long)id,
                  classes[n->kind], id == r->root ? " root" : "",
                  n->kind == EBB__OPERATION ? "filled" : "rounded,filled");
    for (int64_t k = 0; k < n->n_out && k < 4; k++) {
        if (k) (void)fputs(", ", to);
        ebb__label_text(to, n->out[k].name.in[EBB__UNICODE]);
    }
    (void)fputs("</b>", to);
    if (n->kind == EBB__OPERATION) {
        (void)fputs("&#160;= ", to);
        ebb__label_text(to, n->text.in[EBB__UNICODE]);
    }
    (void)fputs("<br/><font point-size=\"12\">0000000000</font><br/><font point-size=\"12\">0000000000</font>>];\n",
                to);
    for (int64_t i = 0; i < n->n_in; i++) {
        if (n->in[i].node < 0 || r->nodes[n->in[i].node].number) continue; /* numbers stand in the text */
        (void)fprintf(to, "n%d -> n%lld [id=\"e%lld_%lld\"%s];\n", (int)n->in[i].node, (long long)id, (long long)id,
                      (long long)i, n->in[i].gradient ? "" : ", style=dashed");
    }
}

static int64_t drawn_nodes(const struct ebb__report *r) {
    int64_t n = 0;
    for (int64_t i = 0; i < r->n_nodes; i++) n += !r->nodes[i].number;
    return n;
}

/* What Graphviz writes, from "<svg" on. */
static ebb_status add_drawing(struct ebb__json *j, FILE *drawn) {
    struct ebb__text text = {0};
    char bytes[4096];
    rewind(drawn);
    for (size_t n; (n = fread(bytes, 1, sizeof bytes, drawn)) > 0;) ebb__text_add(&text, bytes, n);
    const char *svg = strstr(ebb__text_of(&text), "<svg");
    if (svg) ebb__json_text(j, "svg", svg);
    ebb__text_free(&text);
    return ebb_error_status();
}

static ebb_status draw(struct ebb__json *j, const struct ebb__report *r) {
    FILE *in = tmpfile(), *out = tmpfile();
    ebb_status status = in && out ? EBB_OK : no_file();
    if (!status) {
        (void)fputs(
            "digraph { graph [rankdir=TB, nodesep=0.5, ranksep=0.45, bgcolor=transparent, fontname=\"Arial\"];\n"
            "node [shape=box, fontname=\"Arial\", fontsize=13, margin=\"0.16,0.09\"]; edge [arrowsize=0.7];\n",
            in);
        for (int64_t i = 0; i < r->n_nodes; i++)
            if (!r->nodes[i].number) write_node(in, r, i);
        (void)fputs("}\n", in);
        status = ebb__graphviz("svg", in, out);
    }
    if (!status) status = add_drawing(j, out);
    if (in) (void)fclose(in);
    if (out) (void)fclose(out);
    return status;
}

ebb_status ebb__page_add(struct ebb__page *page, const struct ebb__report *r, const struct ebb__page_words *words) {
    struct ebb__json_view v = ebb__page_view(page);
    ebb__page_open(page, words);
    ebb_status status = drawn_nodes(r) <= DRAWN ? draw(&page->json, r) : EBB_OK;
    if (status == EBB_ERR_UNSUPPORTED) { /* without a drawing the page shows the tape */
        ebb_clear_error();
        status = EBB_OK;
    }
    v.key = "report";
    if (!status) status = ebb__report_json_in(r, &v);
    ebb__json_close(&page->json);
    return status;
}

ebb_status ebb__report_page(const struct ebb__report *r, const struct ebb__view *view) {
    struct ebb__page page = {.kind = EBB__PAGE_GRADIENTS, .lang = view->lang};
    struct ebb__page_words words = {0};
    for (int lang = 0; lang < 2; lang++) words.title[lang] = ebb__report_title(&page.arena, r, (enum ebb_language)lang);
    ebb_status status = ebb__page_begin(&page);
    if (!status) status = ebb__page_add(&page, r, &words);
    return ebb__page_end(&page, view->to, status);
}
