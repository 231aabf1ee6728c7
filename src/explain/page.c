/* The page as one file: looks and script (src/explain/page), reports as JSON, their graphs as Graphviz draws them. Of a
 * graph that is too large to be laid out the script shows the tape around each step. */
#include "explain/page.h"
#include "tool/graphviz.h"

#include <errno.h>
#include <string.h>

enum { DRAWN = 300 }; /* nodes that Graphviz lays out */

extern const unsigned char ebb__page_css[], ebb__page_html[], ebb__page_js[];
extern const unsigned long ebb__page_css_size, ebb__page_html_size, ebb__page_js_size;

static const char *const languages[] = {[EBB_ENGLISH] = "en", [EBB_CHINESE] = "zh"};

static void part(FILE *to, const unsigned char *text, unsigned long size) { (void)fwrite(text, 1, size, to); }

static ebb_status no_file(void) { return ebb_fail(EBB_ERR_IO, "explain: no temporary file: %s", strerror(errno)); }

ebb_status ebb__page_begin(struct ebb__page *page) {
    if (!(page->to = tmpfile())) return no_file();
    (void)fprintf(page->to,
                  "<!doctype html>\n<html lang=\"%s\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
                  "content=\"width=device-width, initial-scale=1\">\n<title>Ebb</title>\n<style>\n",
                  languages[page->lang]);
    part(page->to, ebb__page_css, ebb__page_css_size);
    (void)fputs("</style>\n<body>\n", page->to);
    part(page->to, ebb__page_html, ebb__page_html_size);
    (void)fputs("<script type=\"application/json\" id=\"data\">\n[", page->to);
    return EBB_OK;
}

ebb_status ebb__page_end(struct ebb__page *page, FILE *to, ebb_status status) {
    char bytes[4096];
    if (!page->to) return status;
    (void)fputs("]\n</script>\n<script>\n", page->to);
    part(page->to, ebb__page_js, ebb__page_js_size);
    (void)fputs("</script>\n</body>\n</html>\n", page->to);
    if (!status && (fflush(page->to) || ferror(page->to)))
        status = ebb_fail(EBB_ERR_IO, "explain: a temporary file: %s", strerror(errno));
    rewind(page->to);
    for (size_t n; !status && (n = fread(bytes, 1, sizeof bytes, page->to)) > 0;) (void)fwrite(bytes, 1, n, to);
    (void)fclose(page->to);
    return status;
}

/* ---- JSON inside a page: nothing in it may end the script ---- */

static void in_text(FILE *to, int c) {
    if (c == '"' || c == '\\') (void)fprintf(to, "\\%c", c);
    else if (c == '<' || (c >= 0 && c < ' ')) (void)fprintf(to, "\\u%04x", (unsigned)c);
    else (void)fputc(c, to);
}

static void text_or_null(FILE *to, const char *text) {
    if (!text) {
        (void)fputs("null", to);
        return;
    }
    (void)fputc('"', to);
    for (; *text; text++) in_text(to, (unsigned char)*text);
    (void)fputc('"', to);
}

static void both(FILE *to, const char *key, const char *const *text) {
    (void)fprintf(to, "\"%s\": {\"en\": ", key);
    text_or_null(to, text ? text[EBB_ENGLISH] : NULL);
    (void)fputs(", \"zh\": ", to);
    text_or_null(to, text ? text[EBB_CHINESE] : NULL);
    (void)fputs("},\n", to);
}

static ebb_status add_json(struct ebb__page *page, const struct ebb__report *r) {
    FILE *file = tmpfile();
    if (!file) return no_file();
    const struct ebb__view view = {file, page->lang, 0};
    ebb_status status = ebb__report_json(r, &view);
    rewind(file);
    for (int c; !status && (c = fgetc(file)) != EOF;) {
        if (c == '<') (void)fputs("\\u003c", page->to); /* only texts have one */
        else (void)fputc(c, page->to);
    }
    (void)fclose(file);
    return status;
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
    (void)fputs("<br/><font point-size=\"11\">00000000000</font><br/><font point-size=\"11\">00000000000</font>>];\n",
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

/* As a text in JSON, from "<svg" on. */
static ebb_status add_drawing(struct ebb__page *page, const struct ebb__report *r) {
    FILE *in = tmpfile(), *out = tmpfile();
    ebb_status status = in && out ? EBB_OK : no_file();
    if (!status) {
        (void)fputs(
            "digraph { graph [rankdir=TB, nodesep=0.35, ranksep=0.45, bgcolor=transparent, fontname=\"Arial\"];\n"
            "node [shape=box, fontname=\"Arial\", fontsize=13, margin=\"0.14,0.06\"]; edge [arrowsize=0.7];\n",
            in);
        for (int64_t i = 0; i < r->n_nodes; i++)
            if (!r->nodes[i].number) write_node(in, r, i);
        (void)fputs("}\n", in);
        status = ebb__graphviz("svg", in, out);
    }
    if (!status) {
        static const char start[] = "<svg";
        size_t matched = 0;
        rewind(out);
        (void)fputc('"', page->to);
        for (int c; (c = fgetc(out)) != EOF;) {
            if (matched == sizeof start - 1) {
                in_text(page->to, c);
            } else {
                matched = c == start[matched] ? matched + 1 : c == start[0];
                for (size_t i = 0; matched == sizeof start - 1 && i < matched; i++) in_text(page->to, start[i]);
            }
        }
        (void)fputc('"', page->to);
    }
    if (in) (void)fclose(in);
    if (out) (void)fclose(out);
    return status;
}

ebb_status ebb__page_add(struct ebb__page *page, const struct ebb__report *r, const struct ebb__page_words *words) {
    (void)fputs(page->n++ ? ",\n{" : "{", page->to);
    both(page->to, "title", words ? words->title : NULL);
    both(page->to, "text", words ? words->text : NULL);
    (void)fputs("\"svg\": ", page->to);
    ebb_status status = EBB_OK;
    if (drawn_nodes(r) <= DRAWN) status = add_drawing(page, r);
    else text_or_null(page->to, NULL);
    (void)fputs(",\n\"report\": ", page->to);
    if (!status) status = add_json(page, r);
    (void)fputc('}', page->to);
    return status;
}

ebb_status ebb__report_page(const struct ebb__report *r, const struct ebb__view *view) {
    struct ebb__page page = {.lang = view->lang};
    struct ebb__arena a = {0};
    const char *title = ebb__report_title(&a, r, view->lang);
    const struct ebb__page_words words = {.title = {title, title}};
    ebb_status status = ebb__page_begin(&page);
    if (!status) status = ebb__page_add(&page, r, &words);
    status = ebb__page_end(&page, view->to, status);
    ebb__arena_free(&a);
    return status;
}
