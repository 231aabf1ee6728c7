/* Models of language: GPT-2 in any size, and one layer of LSTM. */
#include "bench/models.h"

#include <math.h>

enum { LAYERS, WIDTH, BATCH, TIME };

static ebb_tensor *attention(bench_model *m, ebb_tensor *x, int layer) {
    const int64_t batch = m->size[BATCH], time = m->size[TIME], width = m->size[WIDTH], heads = width / 64;
    ebb_tensor *qkv = model_linear(m, x, "h.%d.attn.c_attn", layer, 3 * width);
    /* (batch, time, 3 * heads * 64) as three of (batch, heads, time, 64) */
    qkv = ebb_permute(ebb_view(qkv, EBB_DIMS(batch, time, 3, heads, 64)), EBB_DIMS(2, 0, 3, 1, 4));
    ebb_tensor *y = ebb_scaled_dot_product_attention(ebb_select(qkv, 0, 0), ebb_select(qkv, 0, 1),
                                                     ebb_select(qkv, 0, 2), .is_causal = true);
    model_count(m, 2.0 * (double)(batch * heads * time * time * 64), true); /* two products, half of each masked */
    y = ebb_reshape(ebb_transpose(y, 1, 2), EBB_DIMS(batch, time, width));
    return model_linear(m, y, "h.%d.attn.c_proj", layer, width);
}

ebb_tensor *model_gpt(bench_model *m) {
    const int64_t batch = m->size[BATCH], time = m->size[TIME], width = m->size[WIDTH];
    const int64_t vocabulary = width == 768 ? 50257 : 65;
    ebb_tensor *tokens = model_indices(m, "tokens", vocabulary, EBB_DIMS(batch, time));
    ebb_tensor *targets = model_indices(m, "targets", vocabulary, EBB_DIMS(batch * time));
    ebb_tensor *wte = model_parameter(m, "wte", 0, EBB_DIMS(vocabulary, width), 0.035, 0);
    ebb_tensor *wpe = model_parameter(m, "wpe", 0, EBB_DIMS(time, width), 0.035, 0);
    ebb_tensor *x = ebb_add(ebb_embedding(tokens, wte), wpe);
    for (int i = 0; i < (int)m->size[LAYERS]; i++) {
        x = ebb_add(x, attention(m, model_layer_norm(m, x, "h.%d.ln_1", i), i));
        ebb_tensor *h = model_linear(m, model_layer_norm(m, x, "h.%d.ln_2", i), "h.%d.mlp.c_fc", i, 4 * width);
        x = ebb_add(x, model_linear(m, ebb_gelu(h, .approximate = 1 /* tanh */), "h.%d.mlp.c_proj", i, width));
    }
    x = ebb_view(model_layer_norm(m, x, "ln_f", 0), EBB_DIMS(batch * time, width));
    model_count(m, 2.0 * (double)(batch * time * width * vocabulary), true);
    return ebb_cross_entropy(ebb_linear(x, wte), targets); /* the head's weights are the embedding's */
}

/* As torch.nn.LSTM. */
ebb_tensor *model_lstm(bench_model *m) {
    enum { VOCABULARY = 96 };
    const int64_t batch = m->size[0], time = m->size[1], width = m->size[2];
    const double scale = 1 / sqrt((double)width);
    ebb_tensor *tokens = model_indices(m, "tokens", VOCABULARY, EBB_DIMS(time, batch));
    ebb_tensor *targets = model_indices(m, "targets", VOCABULARY, EBB_DIMS(time * batch));
    ebb_tensor *embedding = model_parameter(m, "embedding", 0, EBB_DIMS(VOCABULARY, width), 1.0, 0);
    ebb_tensor *w_ih = model_parameter(m, "lstm.weight_ih", 0, EBB_DIMS(4 * width, width), scale, 0);
    ebb_tensor *w_hh = model_parameter(m, "lstm.weight_hh", 0, EBB_DIMS(4 * width, width), scale, 0);
    ebb_tensor *b_ih = model_parameter(m, "lstm.bias_ih", 0, EBB_DIMS(4 * width), scale, 0);
    ebb_tensor *b_hh = model_parameter(m, "lstm.bias_hh", 0, EBB_DIMS(4 * width), scale, 0);
    ebb_tensor *zero = ebb_zeros(EBB_DIMS(batch, width));
    ebb_tensor *all =
        ebb_lstm_layer(ebb_embedding(tokens, embedding), zero, zero, w_ih, w_hh, .b_ih = b_ih, .b_hh = b_hh);
    model_count(m, 2.0 * (double)(2 * time * batch * width * 4 * width), true);
    all = ebb_reshape(all, EBB_DIMS(time * batch, width));
    return ebb_cross_entropy(model_linear(m, all, "head", 0, VOCABULARY), targets);
}
