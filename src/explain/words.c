/* What explanations say, in English and Chinese. */
#include "explain/words.h"

#include <stdarg.h>
#include <string.h>

static const char *const phrases[EBB__N_PHRASES][2] = {
    [EBB__SAY_NOT_KEPT] = {"not kept", "未保留"},
    [EBB__SAY_EMPTY] = {"no elements", "没有元素"},
    [EBB__SAY_SUMMARY] = {"{1} values from {2} to {3}, mean {4}", "{1} 个元素，从 {2} 到 {3}，均值 {4}"},
    [EBB__SAY_SUMMARY_BAD] = {"{1}; {2} are not finite", "{1}；其中 {2} 个不是有限数"},
    [EBB__SAY_NOT_FINITE_VALUES] = {"{1} values, none of them finite", "{1} 个元素，都不是有限数"},
    [EBB__SAY_OF_GRAPH] = {"The graph of {1}", "{1} 的计算图"},
    [EBB__SAY_SETTING] = {"computed in {1}, seed {2}", "以 {1} 计算，随机种子 {2}"},
    [EBB__SAY_VARIABLES] = {"Variables", "变量"},
    [EBB__SAY_CONSTANT] = {"constant", "常量"},
    [EBB__SAY_FORWARD] = {"Forward: {1} operations, recorded as they are computed",
                          "前向传播：共 {1} 个运算，边计算边记录"},
    [EBB__SAY_BACKWARD] = {"Backward: from {1} = 1 to the variables, in the engine's order",
                           "反向传播：从 {1} = 1 出发，按引擎的次序回到各个变量"},
    [EBB__SAY_BACKWARD_SUM] = {"Backward: {2} has several elements, so their sum is differentiated: {1} is all ones",
                               "反向传播：{2} 有多个元素，故对它们的和求导，上游梯度 {1} 全为 1"},
    [EBB__SAY_GRADIENTS] = {"Gradients", "梯度"},
    [EBB__SAY_HEAD_NAME] = {"name", "名称"},
    [EBB__SAY_HEAD_TEXT] = {"computed as", "算式"},
    [EBB__SAY_HEAD_SHAPE] = {"shape", "形状"},
    [EBB__SAY_HEAD_VALUE] = {"value", "值"},
    [EBB__SAY_HEAD_SAVED] = {"saved for backward", "为反向保存"},
    [EBB__SAY_HEAD_GRADIENT] = {"gradient", "梯度"},
    [EBB__SAY_HEAD_DIFFERENCES] = {"finite differences", "有限差分"},
    [EBB__SAY_HEAD_WORST] = {"differ by", "相差"},
    [EBB__SAY_HEAD_MOVES] = {"along {1}", "沿 {1}"},
    [EBB__SAY_HEAD_RATE] = {"rate", "变化率"},
    [EBB__SAY_UPSTREAM] = {"upstream", "上游梯度"},
    [EBB__SAY_SHAPE_OF] = {"the shape of {1}", "与 {1} 的形状一致"},
    [EBB__SAY_SUMMED] = {"summed over dim {1}, where {2} was broadcast: {3} → {4}",
                         "{2} 曾被广播，故沿第 {1} 维求和：{3} → {4}"},
    [EBB__SAY_FIRST_PATH] = {"the 1st of {1} paths into {2}", "汇入 {2} 的 {1} 条路径中的第 1 条"},
    [EBB__SAY_NEXT_PATH] = {"the {1} of {2}, together {3} = {4}", "共 {2} 条中的第 {1} 条，累加得 {3} = {4}"},
    [EBB__SAY_COMPLETE] = {"{1}.grad += {2}", "{1}.grad += {2}"},
    [EBB__SAY_COMPLETE_PATHS] = {"{1}.grad += {2}, all {3} paths added", "{1}.grad += {2}，{3} 条路径已全部累加"},
    [EBB__SAY_NO_GRADIENT] = {"no gradient reaches it", "没有梯度到达"},
    [EBB__SAY_CHECK_OK] =
        {"The gradients agree with central finite differences in float64: relative differences are at most {1} "
         "(allowed: {2}).",
         "梯度与 float64 中心差分一致：相对误差至多 {1}，允许 {2}。"},
    [EBB__SAY_CHECK_BAD] =
        {"The gradients do NOT all agree with central finite differences: relative differences reach {1} "
         "(allowed: {2}). At a kink, as of relu at 0, both are right in their way.",
         "梯度与中心差分并不都一致：相对误差达到 {1}，允许 {2}。在不可导的点（如 relu 的 0 处），两者各有道理。"},
    [EBB__SAY_CHECK_SOME] = {"Differences were taken for {1} of {2} elements.", "对 {2} 个元素中的 {1} 个取了差分。"},
    [EBB__SAY_CHECK_NONE] =
        {"Gradients of a graph are not checked against finite differences: that needs the function.",
         "只有计算图而没有函数，无法用有限差分检验梯度。"},
    [EBB__SAY_SAVED] = {"For backward the graph holds {1} bytes beyond the variables.",
                        "除变量之外，计算图为反向传播保存了 {1} 字节。"},
    [EBB__SAY_SAVED_NOTHING] = {"For backward the graph holds nothing beyond the variables.",
                                "除变量之外，计算图没有为反向传播保存任何东西。"},
    [EBB__SAY_LEFT_OUT_OPERATIONS] = {"… {1} operations are left out here; --limit shows more, --format json all",
                                      "…… 此处略去 {1} 个运算；--limit 可多显示，--format json 给出全部"},
    [EBB__SAY_LEFT_OUT_STEPS] = {"… {1} steps are left out here", "…… 此处略去 {1} 步"},
    [EBB__SAY_LEFT_OUT_VARIABLES] = {"… {1} variables are left out here", "…… 此处略去 {1} 个变量"},
    [EBB__SAY_HESSIAN] = {"Second derivatives (the Hessian)", "二阶导数（Hessian 矩阵）"},
    [EBB__SAY_HESSIAN_OK] =
        {"They agree with finite differences of the gradients: relative differences are at most {1}.",
         "与梯度的有限差分一致：相对误差至多 {1}。"},
    [EBB__SAY_HESSIAN_BAD] =
        {"They do NOT all agree with finite differences of the gradients: relative differences reach {1}.",
         "与梯度的有限差分并不都一致：相对误差达到 {1}。"},
    [EBB__SAY_HESSIAN_LARGE] = {"The variables have {1} elements together; second derivatives are shown for up to {2}.",
                                "变量共有 {1} 个元素；二阶导数至多对 {2} 个元素给出。"},
    [EBB__SAY_TANGENTS] = {"Forward mode: what each value changes by when one variable moves at rate 1",
                           "前向模式：某个变量以速率 1 变化时，各个值的变化率"},
    [EBB__SAY_TANGENTS_OK] =
        {"The tangents of {1} are the sums of the gradients' elements, as they must be: they differ by {2} at most.",
         "{1} 的每个切向量都等于相应变量的梯度元素之和，理应如此：相差至多 {2}。"},
    [EBB__SAY_TANGENTS_BAD] = {"The tangents of {1} are NOT the sums of the gradients: they differ by {2}.",
                               "{1} 的切向量与梯度元素之和不一致：相差 {2}。"},
};

const char *ebb__say(struct ebb__arena *a, enum ebb_language lang, enum ebb__phrase phrase, ...) {
    const char *put[4] = {"", "", "", ""}, *text = phrases[phrase][lang == EBB_CHINESE];
    int places = 0;
    for (const char *c = text; (c = strchr(c, '{')); c++)
        if (c[1] - '0' > places) places = c[1] - '0';
    va_list arguments;
    va_start(arguments, phrase);
    for (int i = 0; i < places && i < 4; i++) put[i] = va_arg(arguments, const char *);
    va_end(arguments);
    struct ebb__text out = {0};
    while (*text) {
        size_t n = strcspn(text, "{");
        ebb__text_add(&out, text, n);
        text += n;
        if (!*text) break;
        int i = text[1] - '1';
        ebb__text_add(&out, put[i] ? put[i] : "", put[i] ? strlen(put[i]) : 0);
        text += 3;
    }
    const char *copy = ebb__arena_copy(a, ebb__text_of(&out), (size_t)out.n);
    ebb__text_free(&out);
    return copy ? copy : "";
}

const char *ebb__ordinal(struct ebb__arena *a, enum ebb_language lang, int64_t n) {
    int64_t ten = n % 100, one = n % 10;
    const char *end = ten >= 11 && ten <= 13 ? "th" : one == 1 ? "st" : one == 2 ? "nd" : one == 3 ? "rd" : "th";
    const char *text = ebb__arena_print(a, "%lld%s", (long long)n, lang == EBB_CHINESE ? "" : end);
    return text ? text : "";
}
