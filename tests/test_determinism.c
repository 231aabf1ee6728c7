/* Results are bit for bit the same for any number of threads, forward and backward: every operator on its samples, made
 * as large as it takes for threads to be used, and what networks are made of. */
#include "tests/check.h"

#include <ctype.h>
#include <ebb/ebb.h>
#include <ebb/explain.h>
#include <math.h>

static const int threads[] = {1, 2, 3, 8};
enum { N_THREADS = sizeof threads / sizeof *threads, LARGE = 100000, MAX_PARTS = 64 };

/* ---- what a computation gave, byte for byte ---- */

struct bytes {
    unsigned char *at;
    size_t n;
};

static void append(struct bytes *b, const ebb_tensor *t) {
    if (!t) return;
    ebb_dtype dtype = ebb_tensor_dtype(t);
    size_t more = (size_t)ebb_tensor_numel(t) * ebb_dtype_size(dtype);
    unsigned char *grown = realloc(b->at, b->n + more + 1);
    CHECK(grown != NULL);
    b->at = grown;
    if (ebb_tensor_is_contiguous(t)) memcpy(b->at + b->n, ebb_tensor_data(t), more);
    else CHECK(ebb_tensor_read(t, dtype, b->at + b->n) == EBB_OK);
    b->n += more;
}

/* ---- a call and its gradients ---- */

/* The results of a call, and the gradients of all its inputs, with the results themselves as upstream gradients. */
static void call(const struct ebb_op *op, const struct ebb_sample *s, struct bytes *b) {
    ebb_manual_seed(1);
    EBB_SCOPE {
        ebb_list out = ebb_call_op_list(op, s->in, s->n_in, s->attrs);
        ebb_tensor *roots[MAX_PARTS], *upstream[MAX_PARTS];
        int64_t n = 0;
        for (int64_t k = 0; k < out.n; k++) {
            if (strncmp(op->name, "empty", 5) != 0 && strcmp(op->name, "new_empty") != 0) append(b, out.t[k]);
            if (n == MAX_PARTS || !ebb_tensor_requires_grad(out.t[k])) continue;
            roots[n] = out.t[k];
            upstream[n++] = ebb_detach(out.t[k]);
        }
        if (n) ebb_backward_list(((ebb_list){n, roots}), .gradients = (ebb_list){n, upstream});
        for (int64_t i = 0; i < s->n_in; i++) {
            append(b, ebb_tensor_grad(s->in[i]));
            if (s->in[i]) ebb_set_grad(s->in[i], NULL);
        }
    }
}

/* ---- larger samples ---- */

static bool is_size(const char *word, size_t n) {
    static const char *const names[] = {
        "size=", "shape=", "normalized_shape=", "sizes=", "weight_size=", "input_size="};
    if (!memchr(word, '=', n)) return true; /* an input */
    for (size_t k = 0; k < sizeof names / sizeof *names; k++)
        if (strncmp(word, names[k], strlen(names[k])) == 0) return true;
    return false;
}

/* The sample with every size above 1 of its inputs multiplied. */
static void enlarge(const char *sample, int64_t factor, char text[1024]) {
    size_t at = 0;
    bool inside = false, sizes = true;
    for (const char *c = sample; *c && at < 1000; c++) {
        if (c == sample || c[-1] == ' ') sizes = is_size(c, strcspn(c, " "));
        inside = (inside || *c == '(') && *c != ')';
        if (!inside || !sizes || !isdigit((unsigned char)*c)) {
            text[at++] = *c;
            continue;
        }
        char *end;
        long size = strtol(c, &end, 10);
        at += (size_t)snprintf(text + at, 1024 - at, "%lld", (long long)(size > 1 ? size * factor : size));
        c = end - 1;
    }
    text[at] = 0;
}

static bool make(const struct ebb_op *op, const char *text, struct ebb_sample *s) {
    if (ebb_sample_make(op, text, EBB_F32, 1, s)) return ebb_clear_error(), false;
    for (int64_t i = 0; i < s->n_in; i++)
        if (s->in[i] && !ebb_tensor_is_number(s->in[i]) && ebb_dtype_is_floating(ebb_tensor_dtype(s->in[i])))
            ebb_requires_grad_(s->in[i], true);
    return true;
}

/* The same bits for every number of threads. */
static void compare(const struct ebb_op *op, const char *text, const struct ebb_sample *s) {
    struct bytes first = {NULL, 0};
    for (int t = 0; t < N_THREADS; t++) {
        struct bytes b = {NULL, 0};
        ebb_set_num_threads(threads[t]);
        call(op, s, t ? &b : &first);
        CHECK_OK();
        if (t && (b.n != first.n || (b.n && memcmp(b.at, first.at, b.n) != 0))) {
            print_error("%s %s: %d threads give other bits than 1\n", op->name, text, threads[t]);
            _fail(__FILE__, __LINE__);
        }
        free(b.at);
    }
    free(first.at);
    ebb_set_num_threads(0);
}

/* How many elements the largest tensor of a call has; 0 of one that fails. */
static int64_t measure(const struct ebb_op *op, const struct ebb_sample *s) {
    int64_t most = 1;
    EBB_NO_GRAD EBB_SCOPE {
        ebb_list out = ebb_call_op_list(op, s->in, s->n_in, s->attrs);
        for (int64_t i = 0; i < s->n_in; i++)
            if (s->in[i] && ebb_tensor_numel(s->in[i]) > most) most = ebb_tensor_numel(s->in[i]);
        for (int64_t k = 0; k < out.n; k++)
            if (ebb_tensor_numel(out.t[k]) > most) most = ebb_tensor_numel(out.t[k]);
        if (ebb_error()) most = 0;
        ebb_clear_error();
    }
    return most;
}

/* A sample made so large that threads are used; false where that cannot be. How the largest tensor grows with the sizes
 * is seen at small ones. */
static bool compare_enlarged(const struct ebb_op *op, const char *sample) {
    struct ebb_sample s;
    char text[1024];
    int64_t factor = 2, before = 0, most = 0;
    for (int tries = 0; tries < 6 && most < LARGE; tries++) {
        enlarge(sample, factor, text);
        if (!make(op, text, &s)) return false;
        most = measure(op, &s);
        if (most >= LARGE) compare(op, text, &s);
        ebb_sample_release(&s);
        if (most <= before) return false;
        double power = before ? log2((double)most / (double)before) / log2(tries > 1 ? 1.25 : 2) : 1;
        int64_t wanted = (int64_t)((double)factor * pow(1.1 * LARGE / (double)most, 1 / power));
        before = most;
        factor = tries == 0 ? 4 : tries == 1 ? wanted : factor + (factor + 3) / 4;
    }
    return most >= LARGE;
}

/* Calls of their own: of what takes long when its samples are enlarged, or where threads meet in one element, or that
 * are cut in more than one way. */
static const char *const own[][2] = {
    {"multilabel_margin_loss", "(60,40) i40(60,40)"},
    {"ctc_loss", "(30,8,12) i11(8,6) blank=11"},
    {"native_ctc_loss", "(30,8,12) i11(8,6) i31(8) i7(8) blank=11 zero_infinity=true"},
    {"ctc_loss_backward", "(8) (30,8,12) i11(8,6) blank=11"},
    {"conv1d", "(8,16,200) (32,16,5) (32) padding=2"},
    {"conv2d", "(8,8,24,24) (16,8,3,3) (16) padding=1"},
    {"conv2d", "(8,16,24,24) (16,1,3,3) (16) groups=16"},
    {"conv2d", "(1,3,64,64) (8,3,7,7) (8) stride=2 padding=3"},
    {"conv3d", "(2,4,8,8,8) (8,4,3,3,3) (8)"},
    {"convolution", "(8,8,24,24) (16,8,3,3) (16) dilation=2"},
    {"conv_transpose1d", "(8,16,100) (16,16,5) (16)"},
    {"conv_transpose2d", "(8,8,12,12) (8,16,3,3) (16) stride=2"},
    {"conv_transpose3d", "(2,4,6,6,6) (4,4,3,3,3) (4)"},
    {"fold", "(8,72,324) output_size=(20,20) kernel_size=(3,3)"},
    {"cdist", "(150,20) (150,20)"},
    {"cross", "(40000,3) (40000,3)"},
    {"linalg_cross", "(40000,3) (40000,3) dim=1"},
    {"pinv", "wc(8,20,12)"},
    {"svd", "wc(8,20,12)"},
    {"svdvals", "wc(8,20,12)"},
    {"matrix_norm_ord", "wc(8,20,12) ord=2"},
    {"eigh", "sym(8,20,20)"},
    {"eigvalsh", "sym(8,20,20)"},
    {"qr", "wc(8,30,20)"},
    {"lstsq", "wc(8,30,20) (8,30,2)"},
    {"solve", "wc(8,40,40) (8,40,3)"},
    {"cholesky", "spd(8,40,40)"},
    {"cholesky_solve", "(8,40,3) spd(8,40,40)"},
    {"slogdet", "wc(8,40,40)"},
    {"logdet", "spd(8,40,40)"},
    {"polygamma", "(40000) n=1"},
    {"unbind", "(20,5000) dim=0"},
    {"split", "(40,5000) split_size=7 dim=0"},
    {"pad_backward", "(1,402,302) input_sizes=(1,400,300) pad=(1,1,1,1) mode=reflect"},
    {"embedding", "i100(3000) (100,64)"},
    {"embedding", "i100(3000) (100,64) scale_grad_by_freq=true"},
    {"index_add", "(100,64) i100(3000) (3000,64) dim=0"},
    {"index_add", "(64,100) i100(3000) (64,3000) dim=1"},
    {"scatter_add", "(100,64) i100(3000,64) (3000,64) dim=0"},
    {"index_put", "(100,64) [i100(3000)] (3000,64) accumulate=true"},
    {"gather", "(100,64) i100(3000,64) dim=0"},
    {"index_select", "(100,64) i100(3000) dim=0"},
    {"take", "(50) i50(100000)"},
    {"batch_norm", "(16,32,20,20) none none (32) (32) training=true"},
    {"matmul", "(8,20000) (20000,8)"},
    {"matmul", "(300,200) (200,310)"},
    {"matmul", "(7,300,20) (20,31)"},
    {"mm", "(1,100000) (100000,1)"},
    {"mm", "(100000,2) (2,3)"},
    {"mv", "(20,20000) (20000)"},
    {"mv", "(20000,20) (20)"},
    {"dot", "(200000) (200000)"},
    {"bmm", "(32,40,50) (32,50,40)"},
    {"bmm", "(1500,8,8) (1500,8,8)"},
    {"scaled_dot_product_attention", "(2,4,100,32) (2,4,100,32) (2,4,100,32)"},
    {"scaled_dot_product_attention", "(2,4,100,32) (2,4,100,32) (2,4,100,32) is_causal=true"},
    {"sum", "(500000)"},
    {"sum", "(200000,3) dim=(0)"},
    {"sum", "(3,200000) dim=(1)"},
    {"var", "(300000)"},
    {"norm", "(300000)"},
    {"cumsum", "(3,100000) dim=1"},
    {"sort", "(200000)"},
};
enum { N_OWN = sizeof own / sizeof *own };

EBB_TEST(every_operator) {
    int large = 0;
    for (int i = 0; i < ebb_op_count(); i++) {
        const struct ebb_op *op = ebb_op_get(i);
        bool done = false;
        for (int k = 0; k < N_OWN; k++) done = done || strcmp(own[k][0], op->name) == 0;
        for (const char *const *sample = ebb_op_text(op).samples; sample && *sample && !done; sample++)
            if ((*sample)[0] != '!') done = compare_enlarged(op, *sample);
        large += done;
    }
    CHECK(large > ebb_op_count() * 9 / 10); /* the others have sizes that depend on each other, or make few elements */
}

EBB_TEST(where_threads_meet) {
    for (int k = 0; k < N_OWN; k++) {
        const struct ebb_op *op = ebb_op_find(own[k][0]);
        struct ebb_sample s;
        if (!op || !make(op, own[k][1], &s)) {
            print_error("%s %s is no sample\n", own[k][0], own[k][1]);
            _fail(__FILE__, __LINE__);
        }
        compare(op, own[k][1], &s);
        ebb_sample_release(&s);
    }
}

/* ---- training ---- */

enum { PARAMETERS = 8 };

static ebb_tensor *parameter(ebb_dims shape) { return ebb_requires_grad_(ebb_mul(ebb_randn(shape), 0.1), true); }

/* Tokens through an embedding, attention, normalization and two layers; and images through convolutions. */
static ebb_tensor *loss_of(ebb_tensor *const *p, ebb_tensor *tokens, ebb_tensor *images, ebb_tensor *labels) {
    ebb_tensor *x = ebb_embedding(tokens, p[0]);
    x = ebb_add(x, ebb_scaled_dot_product_attention(x, x, x, .is_causal = true));
    x = ebb_layer_norm(x, EBB_DIMS(64), .weight = p[1]);
    x = ebb_matmul(ebb_gelu(ebb_matmul(x, p[2])), p[3]);
    ebb_tensor *words = ebb_cross_entropy(ebb_reshape(x, EBB_DIMS(-1, 64)), ebb_reshape(tokens, EBB_DIMS(-1)));
    ebb_tensor *y = ebb_relu(ebb_conv2d(images, p[4], .bias = p[5], .padding = EBB_DIMS(1, 1)));
    y = ebb_flatten(ebb_max_pool2d(y, EBB_DIMS(2, 2)), 1, -1);
    return ebb_add(words, ebb_cross_entropy(ebb_addmm(p[7], y, p[6]), labels));
}

static void train(int n_threads, struct bytes *b) {
    ebb_set_num_threads(n_threads);
    ebb_manual_seed(3);
    ebb_tensor *tokens = ebb_randint(0, 64, EBB_DIMS(16, 64)), *images = ebb_randn(EBB_DIMS(32, 3, 24, 24));
    ebb_tensor *labels = ebb_randint(0, 10, EBB_DIMS(32));
    ebb_tensor *p[PARAMETERS] = {parameter(EBB_DIMS(64, 64)),      parameter(EBB_DIMS(64)),
                                 parameter(EBB_DIMS(64, 256)),     parameter(EBB_DIMS(256, 64)),
                                 parameter(EBB_DIMS(8, 3, 3, 3)),  parameter(EBB_DIMS(8)),
                                 parameter(EBB_DIMS(8 * 144, 10)), parameter(EBB_DIMS(10))};
    ebb_optim *adam = ebb_adamw(((ebb_list){PARAMETERS, p}), .lr = 1e-2);
    for (int step = 0; step < 3; step++) {
        EBB_SCOPE {
            ebb_tensor *loss = loss_of(p, tokens, images, labels);
            append(b, loss);
            CHECK(ebb_backward(loss) == EBB_OK && ebb_optim_step(adam) == EBB_OK);
            ebb_optim_zero_grad(adam);
        }
    }
    for (int i = 0; i < PARAMETERS; i++) append(b, p[i]);
    ebb_optim_free(adam);
    ebb_set_num_threads(0);
}

EBB_TEST(training) {
    struct bytes first = {NULL, 0};
    train(1, &first);
    for (int t = 1; t < N_THREADS; t++) {
        struct bytes b = {NULL, 0};
        train(threads[t], &b);
        CHECK(b.n == first.n && memcmp(b.at, first.at, b.n) == 0);
        free(b.at);
    }
    free(first.at);
}

EBB_TEST_MAIN
