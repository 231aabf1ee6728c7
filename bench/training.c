/* Training steps: forward, backward, update; and beside them the loss alone, so that a gradient can be told from its
 * function. Results compared are the losses and gradients' norms of the first three steps. */
#include "bench/models.h"

#include <math.h>
#include <stdlib.h>

static ebb_optim *plain(ebb_list p) { return ebb_sgd(p, .lr = 0.01); }
static ebb_optim *momentum(ebb_list p) { return ebb_sgd(p, .lr = 0.01, .momentum = 0.9); }
static ebb_optim *decayed(ebb_list p) { return ebb_sgd(p, .lr = 0.01, .momentum = 0.9, .weight_decay = 5e-4); }
static ebb_optim *adamw(ebb_list p) { return ebb_adamw(p, .lr = 3e-4); }

static const struct {
    const char *name;
    ebb_tensor *(*loss)(bench_model *m);
    ebb_optim *(*optim)(ebb_list parameters);
    double growth; /* of rounding, from one step to the next: so many times more may results differ */
    int64_t size[4];
} kinds[] = {
    {"mlp-32x16-32-32-1", model_mlp, plain, 1, {32, 0}},
    {"mlp-64x784-128-10", model_mlp, plain, 1, {64, 1}},
    {"mlp-256x784-1024-1024-10", model_mlp, plain, 1, {256, 2}},
    {"lenet5-64", model_lenet, momentum, 1, {64}},
    /* Batch normalization amplifies it: PyTorch's own float32 and float64 are 1e-6, 1e-4 and 2e-4 apart. */
    {"resnet18-32", model_resnet18, decayed, 20, {32}},
    {"lstm-32x32x256", model_lstm, adamw, 1, {32, 32, 256}},
    {"gpt-6x384-8x128", model_gpt, adamw, 1, {6, 384, 8, 128}},
    {"gpt2-124M-4x64", model_gpt, adamw, 1, {12, 768, 4, 64}},
};
#define LARGE_KINDS "{mlp-256x784-1024-1024-10,gpt-6x384-8x128,gpt2-124M-4x64}"
#define KINDS \
    "{mlp-32x16-32-32-1,mlp-64x784-128-10,mlp-256x784-1024-1024-10,lenet5-64,resnet18-32,lstm-32x32x256," \
    "gpt-6x384-8x128,gpt2-124M-4x64}"

typedef struct training {
    bench_model model;
    ebb_tensor *(*loss)(bench_model *m);
    ebb_optim *optim;
    double growth;
    bool autocast;
} training;

static ebb_tensor *loss(training *t) {
    ebb_tensor *l = NULL;
    t->model.next = 0;
    EBB_AUTOCAST(.disabled = !t->autocast) l = t->loss(&t->model);
    return l;
}

static void setup(bench_job *job) {
    training *t = job->state = calloc(1, sizeof *t);
    size_t kind = 0;
    while (kind < sizeof kinds / sizeof *kinds && !bench_arg_is(job, 0, kinds[kind].name)) kind++;
    if (!t || kind == sizeof kinds / sizeof *kinds) {
        BENCH_UNKNOWN(job, 0);
        return;
    }
    t->loss = kinds[kind].loss;
    t->growth = kinds[kind].growth;
    for (int i = 0; i < 4; i++) t->model.size[i] = kinds[kind].size[i];
    EBB_SCOPE { (void)loss(t); } /* makes the parameters */
    t->model.built = true;
    ebb_tensor *parameters[MODEL_MAX_TENSORS];
    int n = 0;
    for (int i = 0; i < t->model.n; i++)
        if (ebb_tensor_requires_grad(t->model.t[i])) parameters[n++] = t->model.t[i];
    t->optim = kinds[kind].optim((ebb_list){n, parameters});
    job->dtype = EBB_F32;
    job->flops = t->model.forward_flops;
}

static void drop(bench_job *job) {
    training *t = job->state;
    (void)ebb_optim_free(t->optim);
    for (int i = 0; i < t->model.n; i++) (void)ebb_drop(t->model.t[i]);
    free(t);
}

static void train_setup(bench_job *job) {
    setup(job);
    const training *t = job->state;
    if (t) job->flops += t->model.backward_flops;
}

static void step(bench_job *job) {
    training *t = job->state;
    EBB_SCOPE {
        (void)ebb_backward(loss(t));
        (void)ebb_optim_step(t->optim);
        (void)ebb_optim_zero_grad(t->optim);
    }
}

/* The norm of all gradients together. */
static double gradient_norm(const bench_model *m) {
    double squares = 0;
    for (int i = 0; i < m->n; i++) {
        ebb_tensor *g = ebb_tensor_grad(m->t[i]);
        const float *v = ebb_tensor_data(g);
        for (int64_t j = 0; j < ebb_tensor_numel(g); j++) squares += (double)v[j] * (double)v[j];
    }
    return sqrt(squares);
}

static void train_check(bench_job *job) {
    training *t = job->state;
    double factor = 1;
    for (int i = 0; i < 3 && !ebb_error(); i++, factor *= t->growth) {
        EBB_SCOPE {
            ebb_tensor *l = loss(t);
            (void)ebb_backward(l);
            bench_note_loosely(job, ebb_item(l), factor);
            bench_note_loosely(job, gradient_norm(&t->model), factor);
            (void)ebb_optim_step(t->optim);
            (void)ebb_optim_zero_grad(t->optim);
        }
    }
}

static void loss_once(bench_job *job) {
    EBB_NO_GRAD EBB_SCOPE { (void)loss(job->state); }
}

static void loss_check(bench_job *job) {
    EBB_NO_GRAD EBB_SCOPE { bench_note(job, ebb_item(loss(job->state))); }
}

const struct bench_family bench_train = {
    .name = "train",
    .cases = (const char *const[]){KINDS, NULL},
    .unit = "s",
    .tolerance = 5e-5, /* of steps in float32; ResNet-18's differ by 2.7e-5, whose convolutions are summed otherwise */
    .setup = train_setup,
    .once = step,
    .check = train_check,
    .drop = drop,
};

const struct bench_family bench_loss = {
    .name = "loss",
    .cases = (const char *const[]){KINDS, NULL},
    .unit = "s",
    .tolerance = 2e-5,
    .setup = setup,
    .once = loss_once,
    .check = loss_check,
    .drop = drop,
};

/* The same step with products of bfloat16. */
static void autocast_setup(bench_job *job) {
    train_setup(job);
    training *t = job->state;
    if (t) t->autocast = true;
    job->dtype = EBB_BF16;
}

const struct bench_family bench_autocast = {
    .name = "autocast",
    .cases = (const char *const[]){LARGE_KINDS, NULL},
    .unit = "s",
    .tolerance = 5e-3,
    .setup = autocast_setup,
    .once = step,
    .check = train_check,
    .drop = drop,
};

/* The same step while the first NaN is looked for. */
static void watched_once(bench_job *job) {
    EBB_DETECT_ANOMALY() { step(job); }
}

const struct bench_family bench_watched = {
    .name = "watched",
    .cases = (const char *const[]){KINDS, NULL},
    .unit = "s",
    .setup = train_setup,
    .once = watched_once,
    .drop = drop,
};
