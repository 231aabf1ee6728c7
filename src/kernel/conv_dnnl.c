/* Convolutions in float32 by oneDNN, in the layout that it likes best: every array is brought into it, and the result
 * back, a tile at a time. Tiles are cut by shape only and computed by one thread each. */
#include "base/base.h"
#include "kernel/blas.h"
#include "kernel/conv_dnnl.h"
#include "kernel/kernel.h"

#if (defined(EBB_HAVE_DNNL)) && (defined(__unix__) || defined(__APPLE__))
#include <pthread.h>
#include <string.h>

enum {
    WORK = 1 << 21,          /* multiplications from which the library pays */
    TILES = 16,              /* of images, or parts of their channels */
    FEW_TILES = 4,           /* parts of the channels of few images */
    CHANNELS = 16,           /* parts are a multiple of these */
    PARTIAL_BYTES = 1 << 22, /* of the parts of a gradient of weights that belong to images */
    PLANS = 256
};

/* ---- plans: a primitive for the sizes of a tile, kept for ever, up to PLANS of them ---- */

struct key {
    ebb__conv c;                                        /* of the tile */
    int64_t result, x_channels, y_channels, w_channels; /* of the whole arrays that it is a part of */
};

struct plan {
    struct key key;
    bool usable;
    void *recipe, *primitive;
    void *reorder[3];         /* primitives, NULL where the library takes the array as it lies; its result's is back */
    ebb__dnnl_array plain[3]; /* as it lies */
    const void *chosen[3];
    size_t bytes[3]; /* of what is reordered */
    size_t scratch_bytes;
    size_t all_bytes;
};

static struct {
    pthread_mutex_t lock;
    int n;
    struct plan plans[PLANS]; /* not allocated: what is never freed would look like a leak */
} cache = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct sizes {
    int n; /* spatial dimensions: 2 or 3 */
    int64_t size[3][6], stride[3][6];
    int ndim[3];
    int64_t step[3], dilation[3], front[3], end[3];
};

/* Append the spatial sizes of an array, contiguous, behind `at` dimensions. */
static void append(struct sizes *s, int which, int at, const int64_t sizes[3]) {
    int64_t stride = 1;
    for (int i = s->n - 1; i >= 0; i--) {
        s->size[which][at + i] = sizes[3 - s->n + i];
        s->stride[which][at + i] = stride;
        stride *= sizes[3 - s->n + i];
    }
    s->ndim[which] = at + s->n;
}

/* False for what the library could not do, or is not meant to. */
static bool describe(const struct key *k, struct sizes *s) {
    const ebb__conv *c = &k->c;
    const int64_t in = ebb__volume(c->in), out = ebb__volume(c->out), taps = ebb__volume(c->kernel);
    const int64_t in_group = c->in_channels / c->groups, out_group = c->out_channels / c->groups;
    s->n = c->in[0] == 1 && c->kernel[0] == 1 && c->out[0] == 1 && c->padding[0] == 0 ? 2 : 3;
    const int grouped = c->groups > 1;
    append(s, EBB__DNNL_X, 2, c->in);
    append(s, EBB__DNNL_Y, 2, c->out);
    append(s, EBB__DNNL_W, 2 + grouped, c->kernel);
    memcpy(s->size[EBB__DNNL_X], (const int64_t[]){c->batch, c->in_channels}, 16);
    memcpy(s->stride[EBB__DNNL_X], (const int64_t[]){k->x_channels * in, in}, 16);
    memcpy(s->size[EBB__DNNL_Y], (const int64_t[]){c->batch, c->out_channels}, 16);
    memcpy(s->stride[EBB__DNNL_Y], (const int64_t[]){k->y_channels * out, out}, 16);
    memcpy(s->size[EBB__DNNL_W], (const int64_t[]){c->groups, 0}, 16);
    memcpy(s->stride[EBB__DNNL_W], (const int64_t[]){out_group * in_group * taps, 0}, 16);
    memcpy(s->size[EBB__DNNL_W] + grouped, (const int64_t[]){out_group, in_group}, 16);
    memcpy(s->stride[EBB__DNNL_W] + grouped, (const int64_t[]){k->w_channels * taps, taps}, 16);
    for (int i = 0; i < s->n; i++) {
        const int d = 3 - s->n + i;
        const int64_t reach = (c->out[d] - 1) * c->stride[d] + (c->kernel[d] - 1) * c->dilation[d] + 1;
        s->step[i] = c->stride[d];
        s->dilation[i] = c->dilation[d] - 1;
        s->front[i] = c->padding[d];
        s->end[i] = reach - c->in[d] - c->padding[d];
        if (s->end[i] < 0) s->end[i] = 0; /* inputs at the end that are not read */
        if (c->in[d] + s->front[i] + s->end[i] - reach >= c->stride[d]) return false;
    }
    return true;
}

/* Where the library wants another layout: the primitive that brings the array there, or the result back. */
static bool plan_reorder(struct plan *p, int which) {
    const void *plain = ebb__dnnl_of(&p->plain[which]), *chosen;
    p->chosen[which] = chosen =
        ebb__dnnl_chosen(p->recipe, (enum ebb__dnnl_result)p->key.result, (enum ebb__dnnl_result)which);
    if (!chosen) return false;
    if (ebb__dnnl_same(plain, chosen)) return true;
    const bool back = which == p->key.result;
    void *recipe = back ? ebb__dnnl_reorder(chosen, plain) : ebb__dnnl_reorder(plain, chosen);
    const void *scratch = recipe ? ebb__dnnl_scratch(recipe) : NULL;
    const bool simple = recipe && (!scratch || ebb__dnnl_bytes(scratch) == 0);
    p->reorder[which] = simple ? ebb__dnnl_primitive(recipe) : NULL;
    ebb__dnnl_forget_recipe(recipe);
    p->bytes[which] = (ebb__dnnl_bytes(chosen) + 63) / 64 * 64;
    return p->reorder[which] != NULL;
}

static bool make(struct plan *p) {
    struct sizes s = {0};
    ebb__dnnl_array any[3] = {0};
    const void *arrays[3];
    bool ok = describe(&p->key, &s);
    for (int i = 0; i < 3 && ok; i++) {
        ok = ebb__dnnl_describe(&p->plain[i], s.ndim[i], s.size[i], s.stride[i]) &&
             ebb__dnnl_describe(&any[i], s.ndim[i], s.size[i], NULL);
        arrays[i] = ebb__dnnl_of(&any[i]);
    }
    if (ok)
        p->recipe = ebb__dnnl_convolution((enum ebb__dnnl_result)p->key.result, arrays, NULL, s.step, s.dilation,
                                          s.front, s.end);
    p->primitive = ok && p->recipe ? ebb__dnnl_primitive(p->recipe) : NULL;
    ok = p->primitive != NULL;
    for (int i = 0; i < 3; i++) {
        ok = ok && plan_reorder(p, i);
        ebb__dnnl_forget(&any[i]);
    }
    const void *scratch = ok ? ebb__dnnl_scratch(p->recipe) : NULL;
    p->scratch_bytes = scratch ? (ebb__dnnl_bytes(scratch) + 63) / 64 * 64 : 0;
    p->all_bytes = p->bytes[0] + p->bytes[1] + p->bytes[2] + p->scratch_bytes;
    return ok;
}

static bool same_key(const struct key *a, const struct key *b) {
    const ebb__conv *c = &a->c, *e = &b->c;
    bool same = a->result == b->result && a->x_channels == b->x_channels && a->y_channels == b->y_channels &&
                a->w_channels == b->w_channels && c->batch == e->batch && c->groups == e->groups &&
                c->in_channels == e->in_channels && c->out_channels == e->out_channels;
    for (int d = 0; d < 3 && same; d++)
        same = c->in[d] == e->in[d] && c->kernel[d] == e->kernel[d] && c->out[d] == e->out[d] &&
               c->stride[d] == e->stride[d] && c->padding[d] == e->padding[d] && c->dilation[d] == e->dilation[d];
    return same;
}

/* The plan of these sizes, or NULL. A refusal is remembered too. */
static const struct plan *plan_of(const struct key *key) {
    struct plan *found = NULL;
    (void)pthread_mutex_lock(&cache.lock);
    for (int i = 0; i < cache.n && !found; i++)
        if (same_key(&cache.plans[i].key, key)) found = &cache.plans[i];
    if (!found && cache.n < PLANS) {
        found = &cache.plans[cache.n++];
        found->key = *key;
        const int threads = ebb__blas_one_thread();
        found->usable = make(found);
        ebb__blas_threads_again(threads);
    }
    (void)pthread_mutex_unlock(&cache.lock);
    return found && found->usable ? found : NULL;
}

/* ---- tiles ---- */

enum axis { IMAGES, OUT, IN };

struct job {
    const ebb__conv *c;
    enum ebb__dnnl_result result;
    char *data[3]; /* of x, w and y; only the result's is written */
    char *bias;
    enum axis axis;
    int64_t each, tiles;        /* images or channels of a tile */
    int64_t partial;            /* elements of the weights of one tile of images, 0 when there are no such parts */
    const struct plan *plan[2]; /* of a tile, and of the last one */
    char *weights;              /* reordered, when all tiles share them */
    _Atomic bool failed, no_memory;
    const void *thread;
};

/* The sizes of a tile of n images or channels. */
static struct key key_of(const struct job *j, int64_t n) {
    struct key k = {.c = *j->c, .result = j->result};
    *(j->axis == IMAGES ? &k.c.batch : j->axis == IN ? &k.c.in_channels : &k.c.out_channels) = n;
    k.x_channels = j->c->in_channels;
    k.y_channels = j->c->out_channels;
    k.w_channels = j->c->in_channels / j->c->groups;
    return k;
}

static void cut(struct job *j) {
    const ebb__conv *c = j->c;
    const int64_t n = j->result == EBB__DNNL_X ? c->in_channels : c->out_channels;
    const int64_t weights = c->out_channels * (c->in_channels / c->groups) * ebb__volume(c->kernel);
    int64_t images = ebb__least(c->batch, TILES), parts = FEW_TILES;
    bool by_image = c->batch >= FEW_TILES;
    if (j->result == EBB__DNNL_W) {
        parts = TILES / 2;
        images = ebb__least(images, PARTIAL_BYTES / (weights * 4));
        by_image = images >= FEW_TILES;
        if (images < 1) images = 1;
    }
    j->axis = by_image || c->groups > 1 || n < 2 * CHANNELS ? IMAGES : j->result == EBB__DNNL_X ? IN : OUT;
    if (j->axis == IMAGES) {
        j->each = ebb__divide_up(c->batch, images);
        j->tiles = ebb__divide_up(c->batch, j->each);
        j->partial = j->result == EBB__DNNL_W && j->tiles > 1 ? weights : 0;
    } else {
        j->each = ebb__round_up(ebb__divide_up(n, parts), CHANNELS);
        j->tiles = ebb__divide_up(n, j->each);
    }
}

/* Where a tile begins in each array. */
static void places(const struct job *j, int64_t tile, char *ret_data[3]) {
    const ebb__conv *c = j->c;
    const int64_t first = tile * j->each, taps = ebb__volume(c->kernel), in = ebb__volume(c->in);
    const int64_t out = ebb__volume(c->out), group = c->in_channels / c->groups;
    int64_t x = 0, y = 0, w = tile * j->partial;
    if (j->axis == IMAGES) {
        x = first * c->in_channels * in;
        y = first * c->out_channels * out;
    } else if (j->axis == OUT) {
        y = first * out;
        w = first * group * taps;
    } else {
        x = first * in;
        w = first * taps;
    }
    ret_data[EBB__DNNL_X] = j->data[EBB__DNNL_X] + 4 * x;
    ret_data[EBB__DNNL_Y] = j->data[EBB__DNNL_Y] + 4 * y;
    ret_data[EBB__DNNL_W] = j->data[EBB__DNNL_W] + 4 * w;
}

static bool reorder(const struct plan *p, int which, const char *from, char *to) {
    const void *plain = ebb__dnnl_of(&p->plain[which]), *chosen = p->chosen[which];
    const bool back = which == p->key.result;
    return ebb__dnnl_run(p->reorder[which], 2,
                         (const struct ebb__dnnl_argument[]){{EBB__DNNL_FROM, back ? chosen : plain, from},
                                                             {EBB__DNNL_TO, back ? plain : chosen, to}});
}

/* `data` in the layouts of the plan, with room of all_bytes. */
static bool compute(const struct job *j, const struct plan *p, char *const data[3], char *room) {
    struct ebb__dnnl_argument a[EBB__DNNL_ARGUMENTS];
    const char *use[3];
    char *result = NULL;
    for (int i = 0; i < 3; i++) {
        use[i] = data[i];
        if (!p->reorder[i]) continue;
        if (i == EBB__DNNL_W && j->weights) {
            use[i] = j->weights;
        } else {
            use[i] = room;
            if (i == p->key.result) result = room;
            else if (!reorder(p, i, data[i], room)) return false;
            room += p->bytes[i];
        }
    }
    for (int i = 0; i < 3; i++)
        a[i] =
            (struct ebb__dnnl_argument){ebb__dnnl_operand(j->result, (enum ebb__dnnl_result)i), p->chosen[i], use[i]};
    a[3] = (struct ebb__dnnl_argument){EBB__DNNL_SCRATCH, ebb__dnnl_scratch(p->recipe), room};
    if (!ebb__dnnl_run(p->primitive, p->scratch_bytes ? 4 : 3, a)) return false;
    return !result || reorder(p, (int)p->key.result, result, data[p->key.result]);
}

static void add_bias(const struct job *j, const struct plan *p, int64_t tile, char *to) {
    const bool x = j->result == EBB__DNNL_X;
    const ebb__conv *c = &p->key.c;
    const int64_t volume = ebb__volume(x ? c->in : c->out), channels = x ? c->in_channels : c->out_channels;
    const int64_t all = x ? p->key.x_channels : p->key.y_channels, first = j->axis == IMAGES ? 0 : tile * j->each;
    for (int64_t image = 0; image < c->batch; image++)
        for (int64_t i = 0; i < channels; i++) {
            char *y = to + 4 * (image * all + i) * volume;
            ebb__loops_add[EBB_F32](volume, (char *const[]){y, y, j->bias + 4 * (first + i)},
                                    (const int64_t[]){4, 4, 0}, NULL);
        }
}

static void run_tiles(void *context, int64_t first, int64_t last) {
    struct job *j = context;
    const int threads = ebb__blas_one_thread();
    for (int64_t tile = first; tile < last && !j->failed; tile++) {
        const struct plan *p = j->plan[tile + 1 == j->tiles];
        char *data[3], *room = p->all_bytes ? ebb__alloc(p->all_bytes) : NULL;
        places(j, tile, data);
        if (p->all_bytes && !room) j->failed = j->no_memory = true;
        else if (!compute(j, p, data, room)) j->failed = true;
        else if (j->bias) add_bias(j, p, tile, data[j->result]);
        ebb__free(room, p->all_bytes);
        if (j->failed && j->thread != &ebb__thread) ebb_clear_error(); /* it is reported to the caller only */
    }
    ebb__blas_threads_again(threads);
}

/* The sum of the weights of all tiles, in their order. */
struct partial {
    int64_t n, parts;
    char *from, *to;
};

static void add_partial(void *context, int64_t first, int64_t last) {
    const struct partial *p = context;
    char *to = p->to + 4 * first;
    memcpy(to, p->from + 4 * first, (size_t)(last - first) * 4);
    for (int64_t i = 1; i < p->parts; i++)
        ebb__loops_add[EBB_F32](last - first, (char *const[]){to, to, p->from + 4 * (i * p->n + first)},
                                (const int64_t[]){4, 4, 4}, NULL);
}

static bool find_plans(struct job *j) {
    const int64_t whole = j->axis == IMAGES ? j->c->batch : j->axis == IN ? j->c->in_channels : j->c->out_channels;
    const struct key key = key_of(j, j->each), last = key_of(j, whole - (j->tiles - 1) * j->each);
    j->plan[0] = plan_of(&key);
    j->plan[1] = j->plan[0] ? plan_of(&last) : NULL;
    return j->plan[1] != NULL;
}

/* All tiles of images read the same weights, so these are brought into the library's layout once. */
static bool share_weights(struct job *j) {
    const struct plan *p = j->plan[0], *last = j->plan[1];
    if (j->axis != IMAGES || j->result == EBB__DNNL_W || !p->reorder[EBB__DNNL_W] || !last->reorder[EBB__DNNL_W] ||
        !ebb__dnnl_same(p->chosen[EBB__DNNL_W], last->chosen[EBB__DNNL_W]))
        return true;
    if (!(j->weights = ebb__alloc(p->bytes[EBB__DNNL_W]))) {
        j->no_memory = true;
        return false;
    }
    const int threads = ebb__blas_one_thread();
    const bool ok = reorder(p, EBB__DNNL_W, j->data[EBB__DNNL_W], j->weights);
    ebb__blas_threads_again(threads);
    return ok;
}

static bool run(struct job *j) {
    char *const w = j->data[EBB__DNNL_W];
    const size_t bytes = (size_t)(j->tiles * j->partial) * 4;
    if (bytes && !(j->data[EBB__DNNL_W] = ebb__alloc(bytes))) {
        j->no_memory = true;
        return false;
    }
    if (share_weights(j)) ebb__parallel_for(j->tiles, 1, run_tiles, j);
    else j->failed = true;
    if (j->partial && !j->failed) {
        struct partial p = {j->partial, j->tiles, j->data[EBB__DNNL_W], w};
        ebb__parallel_for(j->partial, 1 << 14, add_partial, &p);
    }
    if (bytes) ebb__free(j->data[EBB__DNNL_W], bytes);
    if (j->weights) ebb__free(j->weights, j->plan[0]->bytes[EBB__DNNL_W]);
    return !j->failed;
}

/* Where an image is its own columns, or has few channels, products need no other layout and are as fast. */
static bool pays(const ebb__conv *c) {
    const int64_t in = c->in_channels / c->groups, out = c->out_channels / c->groups, taps = ebb__volume(c->kernel);
    const int64_t work = c->batch * c->out_channels * in * taps * ebb__volume(c->out);
    return c->dtype == EBB_F32 && taps > 1 && work >= WORK && (in == 1 || (in >= CHANNELS && out >= CHANNELS));
}

ebb_status ebb__conv_by_dnnl(const ebb__conv *c, enum ebb__dnnl_result result, const void *x, const void *w,
                             const void *y, const void *bias, bool *ret_done) {
    *ret_done = false;
    if (!pays(c) || !ebb__blas_dnnl()) return EBB_OK;
    struct job j = {.c = c, .result = result, .bias = (char *)(uintptr_t)bias, .thread = &ebb__thread};
    j.data[EBB__DNNL_X] = (char *)(uintptr_t)x;
    j.data[EBB__DNNL_W] = (char *)(uintptr_t)w;
    j.data[EBB__DNNL_Y] = (char *)(uintptr_t)y;
    cut(&j);
    *ret_done = find_plans(&j) && run(&j);
    return j.no_memory ? ebb_fail(EBB_ERR_MEMORY, "out of memory for a convolution") : EBB_OK;
}

#else

ebb_status ebb__conv_by_dnnl(const ebb__conv *c, enum ebb__dnnl_result result, const void *x, const void *w,
                             const void *y, const void *bias, bool *ret_done) {
    (void)c, (void)result, (void)x, (void)w, (void)y, (void)bias;
    *ret_done = false;
    return EBB_OK;
}

#endif
