/* Formulas of gradients that are sentences, in Chinese. Those of operators, and what remains of one in mathematics. */
#include "explain/words.h"

#include <string.h>

/* NULL: mathematics, which is the same in both languages. A test holds the table to the operators. */
static const char *const sentences[][2] = {
    {"zeros(self.shape) with g added to the region", "与 self 形状相同的零张量，在该区域上加上 g"},
    {"the part of g", "g 中属于它的那一部分"},
    {"of the cosine: -g where target is 1, g where target is -1 and cos > margin",
     "对余弦而言：target 为 1 处是 -g，target 为 -1 且 cos > margin 处是 g"},
    {"(softmax(self) - target) * weight * g / count, target as probabilities",
     "(softmax(self) - target) * weight * g / count，其中 target 写成概率"},
    {"-log_softmax(self) * weight * g / count, for probabilities",
     "-log_softmax(self) * weight * g / count，仅当 target 是概率"},
    {"sum(g * the gradient for 1)", "sum(g * 上游梯度为 1 时的梯度)"},
    {"the second derivative of the loss by log_probs, times g * grad_output",
     "损失对 log_probs 的二阶导数，乘以 g * grad_output"},
    {"that of embedding", "与 embedding 相同"},
    {"d @ key * scale, d = p * (g @ value^T - sum(g * output)), p = exp(scores - logsumexp)", NULL},
    {"d^T @ query * scale", NULL},
    {"p^T @ g", NULL},
    {"d, whole, and summed", "完整的 d，再求和"},
    {"the gradient of the formulas of flash_attention, written in matrix products",
     "对 flash_attention 的各梯度公式（以矩阵乘法写出）再求梯度"},
    {"as that of batch_norm, for each batch", "与 batch_norm 相同，逐个样本计算"},
    {"sum(g * n)", NULL},
    {"sum(g)", NULL},
    {"h = linear_recurrence(g, factor, the other way)", "h = linear_recurrence(g, factor)，方向相反"},
    {"h * y[k - 1], in reverse h[k - 1] * y", "h * y[k - 1]；反向时为 h[k - 1] * y"},
    {"-g * the probability of each class at each time, given the labels", "-g * 给定标签时，每个时刻各个类别的概率"},
    {"weight * J(h) + hw * n + hb, J(h) = rstd * (h - mean(h) - n * mean(h * n))", NULL},
    {"rstd * q, q = hw * g - rstd * (h * mean(u * n) + u * mean(h * n))", NULL},
    {"sum(q * (input - mean)) + sum(h * (u - mean(u) - n * mean(u * n)))", NULL},
    {"-sum(rstd * q)", NULL},
    {"sum(grad_output * J(h))", NULL},
    {"-(y g^T y)^T + (I - A y) g y^T y ... (Golub and Pereyra 1973)",
     "-(y g^T y)^T + (I - A y) g y^T y ……（Golub 与 Pereyra，1973）"},
    {"(g_Q + Q sym(triu(g_R R^T - Q^T g_Q))) R^-T", NULL},
    {"P L^-T (tril(L^T g_LU, -1) + triu(g_LU U^T)) U^-T, for square A",
     "P L^-T (tril(L^T g_LU, -1) + triu(g_LU U^T)) U^-T，其中 A 是方阵"},
    {"-gB X^T for A, through A = P L U", "经由 A = P L U 得到的 A 的梯度 -gB X^T"},
    {"g summed over the repetitions", "g 对各次重复求和"},
    {"by reduction: g; g y / self; g / count; g where self is y, shared by ties",
     "依归约方式而定：g；g y / self；g / count；在 self 等于 y 处是 g，并列者平分"},
    {"the same for src, gathered", "对 src 同样处理，再用 gather 取出"},
    {"the same for source, of the slices that index names", "对 source 同样处理，取 index 指定的切片"},
    {"that of pinv(self), whose gradient is g_solution @ b.mT; and the share of the sums of squares",
     "与 pinv(self) 相同，其上游梯度为 g_solution @ b.mT；再加上残差平方和的贡献"},
    {"g / C for each i not listed, -g / C for each y listed, where 1 - self[y] + self[i] > 0",
     "对每个未列出的 i 是 g / C，对每个列出的 y 是 -g / C，凡 1 - self[y] + self[i] > 0 处"},
    {"pinv(self).mT @ g_solution; and the share of the sums of squares",
     "pinv(self).mT @ g_solution；再加上残差平方和的贡献"},
    {"U ((skew(U^T g_U) / E) S + S (skew(Vh g_Vh^T) / E) + diag(g_S)) Vh + what lies outside, E = S_j^2 - S_i^2",
     "U ((skew(U^T g_U) / E) S + S (skew(Vh g_Vh^T) / E) + diag(g_S)) Vh + 子空间之外的部分，E = S_j^2 - S_i^2"},
    {"scatter_add(zeros, dim, indices, g), where they were broadcast",
     "scatter_add(zeros, dim, indices, g)，再对广播过的维求和"},
    {"(dc * z * i * (1 - i), dc * c_before * f * (1 - f), dc * i * (1 - z**2), dh * tanh(c) * o * (1 - o)) of each "
     "step, the last one first, for activations (i, f, z, o)",
     "每一步的 (dc * z * i * (1 - i), dc * c_before * f * (1 - f), dc * i * (1 - z**2), "
     "dh * tanh(c) * o * (1 - o))，从最后一步开始，其中 activations 为 (i, f, z, o)"},
    {"dc * f of the first step, dc = dc_after * f_after + dh * o * (1 - tanh(c)**2)",
     "第一步的 dc * f，dc = dc_after * f_after + dh * o * (1 - tanh(c)**2)"},
    {"d_gates @ w_hh of the first step; dh of a step has the same of the step after",
     "第一步的 d_gates @ w_hh；每一步的 dh 都含有后一步的同一项"},
    {"the sum of d_gates^T @ h_before over all steps", "所有步的 d_gates^T @ h_before 之和"},
    {"the gradient of d_gates, the formulas of lstm_recurrence, written with operators for each step",
     "对 d_gates，即 lstm_recurrence 的梯度公式（每一步都用运算写出）再求梯度"},
    {"linear(input, w_ih, b_ih + b_hh), then lstm_recurrence", "linear(input, w_ih, b_ih + b_hh)，再 lstm_recurrence"},
    {"g of each part, added", "各部分的 g 相加"},
    {"g at the first of each", "每组相同的值中第一个所在处的 g"},
};

const char *ebb__formula_words(enum ebb_language lang, const char *sentence) {
    for (size_t i = 0; i < sizeof sentences / sizeof *sentences && lang == EBB_CHINESE; i++)
        if (strcmp(sentences[i][0], sentence) == 0) return sentences[i][1] ? sentences[i][1] : sentence;
    return sentence;
}

bool ebb__formula_words_known(const char *sentence) {
    for (size_t i = 0; i < sizeof sentences / sizeof *sentences; i++)
        if (strcmp(sentences[i][0], sentence) == 0) return true;
    return false;
}
