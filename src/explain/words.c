/* What explanations say, in English and Chinese. */
#include "explain/words.h"

#include <stdarg.h>
#include <string.h>

static const char *const phrases[EBB__N_PHRASES][2] = {
    [EBB__SAY_COMMA] = {", ", "，"},
    [EBB__SAY_SEMICOLON] = {"; ", "；"},
    [EBB__SAY_BRACKETS] = {"({1})", "（{1}）"},
    [EBB__SAY_NOT_KEPT] = {"not kept", "未保留"},
    [EBB__SAY_TENSOR] = {"tensor", "张量"},
    [EBB__SAY_EMPTY] = {"no elements", "没有元素"},
    [EBB__SAY_SUMMARY] = {"{1} values from {2} to {3}, mean {4}", "{1} 个元素，从 {2} 到 {3}，均值 {4}"},
    [EBB__SAY_SUMMARY_SAME] = {"{1} values, all {2}", "{1} 个元素，都是 {2}"},
    [EBB__SAY_SUMMARY_BAD] = {"{1}; {2} {2:is|are} not finite", "{1}；其中 {2} 个不是有限数"},
    [EBB__SAY_NOT_FINITE_VALUES] = {"{1} values, none of them finite", "{1} 个元素，都不是有限数"},
    [EBB__SAY_OF_GRAPH] = {"The graph of {1}", "{1} 的计算图"},
    [EBB__SAY_SETTING] = {"computed in {1}, seed {2}", "以 {1} 计算，随机种子 {2}"},
    [EBB__SAY_SETTING_INTEGERS] = {"computed in {1}, also where integers were given; seed {2}",
                                   "以 {1} 计算，给出的整数也先转换；随机种子 {2}"},
    [EBB__SAY_VARIABLES] = {"Variables", "变量"},
    [EBB__SAY_CONSTANT] = {"constant", "常量"},
    [EBB__SAY_CONSTANT_WHOLE] = {"constant: {1} cannot be differentiated by", "常量：{1} 不能求导"},
    [EBB__SAY_FORWARD] = {"Forward: {1} {1:operation, recorded as it is|operations, recorded as they are} computed",
                          "前向传播：共 {1} 个运算，边计算边记录"},
    [EBB__SAY_BACKWARD] = {"Backward: from {1} = 1 to the variables, in the engine's order",
                           "反向传播：从 {1} = 1 出发，按引擎的次序回到各个变量"},
    [EBB__SAY_BACKWARD_SUM] = {"Backward: {2} has several elements, so their sum is differentiated: {1} is all ones",
                               "反向传播：{2} 有多个元素，故对它们的和求导，上游梯度 {1} 全为 1"},
    [EBB__SAY_SIGNS] = {"Signs: {1}.", "符号：{1}。"},
    [EBB__SAY_SIGN_ELEMENTS] = {"⊙ multiplies element by element", "⊙ 逐元素相乘"},
    [EBB__SAY_SIGN_TRUE] = {"1(c) is 1 where c holds and 0 elsewhere", "1(c) 在 c 成立处为 1，别处为 0"},
    [EBB__SAY_SIGN_DIMS] = {"Σ and mean name dimensions below them; with keepdim these stay, of size 1",
                            "Σ 与 mean 的下标是所沿的维；有 keepdim 时该维保留，大小为 1"},
    [EBB__SAY_SIGN_PUT] = {"zeros[…] ← g is zeros with g put into that place",
                           "zeros[…] ← g 是在该处放入 g 的全零张量"},
    [EBB__SAY_SIGN_SIZE] = {"sum_to_size(g, shape) sums g over what was broadcast",
                            "sum_to_size(g, 形状) 对 g 沿广播过的维求和"},
    [EBB__SAY_SIGN_SECOND] = {"{1} is the second value of the name {2}", "{1} 是第二个名为 {2} 的值"},
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
    [EBB__SAY_INSERTED] = {"inserted by {1}", "由 {1} 插入"},
    [EBB__SAY_PART] = {"a part of {1}", "{1} 的一部分"},
    [EBB__SAY_UPSTREAM] = {"upstream", "上游梯度"},
    [EBB__SAY_SHAPE_OF] = {"the shape of {1}", "与 {1} 的形状一致"},
    [EBB__SAY_WITH] = {"with {1}", "其中 {1}"},
    [EBB__SAY_SUMMED] = {"summed over {1,dim|dims} {1}, where {2} was broadcast: {3} → {4}",
                         "{2} 曾被广播，故沿第 {1} 维求和：{3} → {4}"},
    [EBB__SAY_FIRST_PATH] = {"the 1st of {1} paths into {2}", "汇入 {2} 的 {1} 条路径中的第 1 条"},
    [EBB__SAY_NEXT_PATH] = {"the {1} of {2}, together {3} = {4}", "共 {2} 条中的第 {1} 条，累加得 {3} = {4}"},
    [EBB__SAY_TOGETHER] = {"the {1} of {2}, together:", "共 {2} 条中的第 {1} 条，累加得："},
    [EBB__SAY_COMPLETE] = {"{1}.grad += {2}", "{1}.grad += {2}"},
    [EBB__SAY_COMPLETE_PATHS] = {"{1}.grad += {2}, the sum of {3} paths", "{1}.grad += {2}，{3} 条路径已全部累加"},
    [EBB__SAY_NO_GRADIENT] = {"no gradient reaches it", "没有梯度到达"},
    [EBB__SAY_CHECK_OK] =
        {"The gradients agree with central finite differences in float64: relative differences are at most {1} "
         "(allowed: {2}).",
         "梯度与 float64 中心差分一致：相对误差至多 {1}，允许 {2}。"},
    [EBB__SAY_CHECK_BAD] =
        {"The gradients do NOT all agree with central finite differences: relative differences reach {1} "
         "(allowed: {2}). At a kink, as of relu at 0, and at a jump or a pole, differences say little; and they follow "
         "what is detached, which gradients do not.",
         "梯度与中心差分并不都一致：相对误差达到 {1}，允许 {2}。在不可导的点（如 relu 的 0 处）、跳跃处或极点，差分说明不了什么；"
         "此外，差分会经过 detach 的部分，梯度则不会。"},
    [EBB__SAY_CHECK_SOME] = {"Differences were taken for {1} of {2} elements.", "对 {2} 个元素中的 {1} 个取了差分。"},
    [EBB__SAY_CHECK_NONE] =
        {"Gradients of a graph are not checked against finite differences: that needs the function.",
         "只有计算图而没有函数，无法用有限差分检验梯度。"},
    [EBB__SAY_CHECK_NOWHERE] = {"There is no check: beside this point the expression has no value.",
                                "没有检验：在这一点附近，表达式没有值。"},
    [EBB__SAY_VALUE_NOT_FINITE] =
        {"{1} = {2} is not finite: {3}. There the operation leaves its domain or meets a pole; nan "
         "is no number, inf is "
         "without bound, and what is computed from them is seldom finite.",
         "{1} = {2} 不是有限数：{3}。运算在此处超出定义域，或遇到极点；nan 不是数，inf 没有界，由它们算出的结果多半也不是有限数。"},
    [EBB__SAY_SLOPE_NOT_FINITE] = {"The gradient {1} is not finite, although what comes in is: {2}. There the slope is "
                                   "infinite, or there is none.",
                                   "传入的梯度有限，而 {1} 不是有限数：{2}。此处的斜率为无穷大，或不存在。"},
    [EBB__SAY_CHECK_NOT_FINITE] =
        {"Finite differences compare both sides of the point. Where the value or the slope is nan "
         "or inf they reach over "
         "it, so that they say nothing about the rule, and a gradient that is finite is only what the formula gives.",
         "有限差分比较该点的两侧。在值或斜率为 nan 或 inf 处，差分跨过了这一点，不能说明规则的对错；有限的梯度也只是公式给出的数。"},
    [EBB__SAY_AT] = {"{1} at [{2}]", "[{2}] 处为 {1}"},
    [EBB__SAY_SAVED] = {"For backward the graph holds {1} {1:byte|bytes} beyond the variables.",
                        "除变量之外，计算图为反向传播保存了 {1} 字节。"},
    [EBB__SAY_SAVED_NOTHING] = {"For backward the graph holds nothing beyond the variables.",
                                "除变量之外，计算图没有为反向传播保存任何东西。"},
    [EBB__SAY_LEFT_OUT_OPERATIONS] =
        {"… {1} {1:operation is|operations are} left out here; --limit shows more, --format json all",
         "…… 此处略去 {1} 个运算；--limit 可多显示，--format json 给出全部"},
    [EBB__SAY_LEFT_OUT_STEPS] = {"… {1} {1:step is|steps are} left out here", "…… 此处略去 {1} 步"},
    [EBB__SAY_LEFT_OUT_VARIABLES] = {"… {1} {1:variable is|variables are} left out here", "…… 此处略去 {1} 个变量"},
    [EBB__SAY_HESSIAN] = {"Second derivatives (the Hessian)", "二阶导数（Hessian 矩阵）"},
    [EBB__SAY_HESSIAN_BLOCKS] =
        {"Rows and columns are the elements of the variables, counted row by row; the rest follows by symmetry.",
         "行与列是变量的元素，逐行计数；其余由对称性得出。"},
    [EBB__SAY_HESSIAN_OK] =
        {"They agree with finite differences of the gradients: relative differences are at most {1}.",
         "与梯度的有限差分一致：相对误差至多 {1}。"},
    [EBB__SAY_HESSIAN_BAD] =
        {"They do NOT all agree with finite differences of the gradients: relative differences reach {1}.",
         "与梯度的有限差分并不都一致：相对误差达到 {1}。"},
    [EBB__SAY_HESSIAN_LARGE] = {"The variables have {1} elements together; second derivatives are shown for up to {2}.",
                                "变量共有 {1} 个元素；二阶导数至多对 {2} 个元素给出。"},
    [EBB__SAY_TANGENTS] =
        {"Forward mode: how each value changes when one variable moves, each of its elements at rate 1",
         "前向模式：某个变量的每个元素都以速率 1 变化时，各个值的变化率"},
    [EBB__SAY_TANGENTS_OK] =
        {"The tangents of {1} are the sums of the gradients' elements, as they must be: they differ by {2} at most.",
         "{1} 的每个切向量都等于相应变量的梯度元素之和，理应如此：相差至多 {2}。"},
    [EBB__SAY_TANGENTS_BAD] = {"The tangents of {1} are NOT the sums of the gradients: they differ by {2}.",
                               "{1} 的切向量与梯度元素之和不一致：相差 {2}。"},
    [EBB__SAY_DIMS_NEW] = {"{1}: a new storage of {2} {2:element|elements}", "{1}：新的存储，{2} 个元素"},
    [EBB__SAY_DIMS_SHARES] = {"{1}: shares the storage of {2}", "{1}：与 {2} 共享存储"},
    [EBB__SAY_DIMS_BEFORE] = {"before", "之前"},
    [EBB__SAY_DIMS_AFTER] = {"after", "之后"},
    [EBB__SAY_DIMS_FROM] = {"the {1} of step {2}", "即第 {2} 步的 {1}"},
    [EBB__SAY_DIMS_SHAPE] = {"shape", "形状"},
    [EBB__SAY_DIMS_STRIDES] = {"strides", "步长"},
    [EBB__SAY_DIMS_OFFSET] = {"offset", "偏移"},
    [EBB__SAY_DIMS_CONTIGUOUS] = {"contiguous", "连续"},
    [EBB__SAY_DIMS_NOT_CONTIGUOUS] = {"not contiguous", "不连续"},
    [EBB__SAY_DIMS_STORAGE] = {"storage", "存储"},
    [EBB__SAY_DIMS_READS] = {"element", "元素"},
    [EBB__SAY_DIMS_MORE] = {"… the strip goes on to element {1}", "…… 一直到下标 {1}"},
    [EBB__SAY_DIMS_ADDRESS] = {"{1}[{2}] lies at {3} of the storage", "{1}[{2}] 位于存储中下标 {3} 处"},
    [EBB__SAY_DIMS_BACKWARD] = {"backward", "反向"},
    [EBB__SAY_DIMS_FAILS] = {"This fails: {1}", "此处出错：{1}"},
    [EBB__SAY_DIMS_NOTHING] = {"No operator is called: there are no dimensions to show.",
                               "没有调用任何算子，也就没有维度可看。"},
    [EBB__SAY_NO_CHANGE] = {"Nothing changes: shape, strides and offset are as they were.",
                            "什么也没有改变：形状、步长和偏移都和原来一样。"},
    [EBB__SAY_VIEW] =
        {"The same elements in the same order, counted in other dimensions: only shape and strides are new.",
         "同样的元素，同样的次序，换一种维度来数：只有形状和步长是新的。"},
    [EBB__SAY_RESHAPE_VIEW] = {"Here strides can describe the new shape, so that this is a view; nothing is copied.",
                               "此处用步长就能描述新形状，因此得到的是视图，没有拷贝。"},
    [EBB__SAY_RESHAPE_COPY] =
        {"No strides describe the new shape in the old storage: neighbours in the new order do not lie evenly "
         "spaced. So "
         "the elements are copied; view would refuse.",
         "旧的存储里，按新次序相邻的元素间隔不均匀，没有任何步长能描述新形状。因此元素被拷贝；view 则会拒绝。"},
    [EBB__SAY_SQUEEZE] = {"Dimensions of size 1 go; their strides were never used.",
                          "大小为 1 的维被去掉；它们的步长本来就用不到。"},
    [EBB__SAY_UNSQUEEZE] = {"A dimension of size 1 comes in; its stride is never used.",
                            "插入一个大小为 1 的维；它的步长用不到。"},
    [EBB__SAY_PERMUTE] = {"Sizes and strides change places; no element moves.",
                          "大小与步长一起换位，元素一个也不移动。"},
    [EBB__SAY_EXPAND] =
        {"A dimension of size 1 becomes longer with stride 0: the same element is read again and again.",
         "大小为 1 的维变长，步长为 0：同一个元素被反复读取。"},
    [EBB__SAY_EXPAND_FRONT] =
        {"The new dimensions in front, and those of size 1 that become longer, have stride 0: the "
         "same elements are read "
         "again and again.",
         "前面新增的维，以及变长的大小为 1 的维，步长都为 0：同样的元素被反复读取。"},
    [EBB__SAY_CONTIGUOUS_SAME] = {"It was contiguous: the same tensor comes back.", "本来就是连续的：原样返回。"},
    [EBB__SAY_CONTIGUOUS_COPY] = {"The elements are copied into the order in which they are counted.",
                                  "元素按计数的次序拷贝到新的存储里。"},
    [EBB__SAY_CLONE] = {"A copy.", "一份拷贝。"},
    [EBB__SAY_SLICE] = {"The offset says where the part begins, the strides how far apart its elements lie.",
                        "偏移说明这一部分从哪里开始，步长说明其中的元素相隔多远。"},
    [EBB__SAY_INDEX_COPY] = {"Indices in any order cannot be described by strides: the elements are copied.",
                             "任意次序的下标无法用步长描述：元素被拷贝。"},
    [EBB__SAY_CAT] = {"The parts are copied one behind the other along a dimension; all others must agree.",
                      "各部分沿某一维首尾相接地拷贝；其余各维必须一致。"},
    [EBB__SAY_STACK] = {"The parts, all of one shape, are copied along a new dimension.",
                        "形状相同的各部分沿一个新的维拷贝。"},
    [EBB__SAY_SPLIT] = {"Each part is a view: the strides stay, the offsets differ.",
                        "每一部分都是视图：步长不变，偏移不同。"},
    [EBB__SAY_BROADCAST] =
        {"Shapes are aligned at their last dimension; where one has 1, or nothing, it is read again as with expand.",
         "形状从最后一维对齐；某一方为 1 或缺失的维，像 expand 那样重复读取。"},
    [EBB__SAY_MATMUL] =
        {"Rows of the left with columns of the right: the last size left must be the last but one right; what "
         "stands before "
         "is broadcast.",
         "左边的行配右边的列：左边的最后一维须等于右边的倒数第二维；更前面的维按广播处理。"},
    [EBB__SAY_MATMUL_VECTOR] = {"A vector counts as a row on the left and as a column on the right, and that dimension "
                                "goes again. Its size must "
                                "be the one that it is multiplied with.",
                                "左边的向量当作行，右边的当作列，乘完后该维去掉。向量的大小须等于与之相乘的那一维。"},
    [EBB__SAY_REDUCE] = {"The dimensions that are reduced go; keepdim=True would keep them with size 1.",
                         "被归约的维消失；若写 keepdim=True，则保留，大小为 1。"},
    [EBB__SAY_REDUCE_KEEP] =
        {"The dimensions that are reduced stay with size 1 (keepdim), so that the result broadcasts "
         "against what was reduced.",
         "被归约的维保留下来，大小为 1（keepdim），结果可与原张量广播。"},
    [EBB__SAY_VIEW_FAILS] = {"No strides describe the new shape in the old storage; view may not copy, reshape would.",
                             "旧的存储里，没有任何步长能描述新形状；view 不能拷贝，reshape 则会拷贝。"},
    [EBB__SAY_WHY_NO_VIEW] =
        {"Dims {1} and {2} of {3} cannot become one: a step in dim {1} is {4} in the storage, all of dim {2} is {5}.",
         "{3} 的第 {1} 维与第 {2} 维无法合并：第 {1} 维走一步，在存储里前进 {4}；而走完整个第 {2} 维是 {5}。"},
    [EBB__SAY_WHY_NOT_CONTIGUOUS] =
        {"{1} is not contiguous: to be counted row by row its strides would have to be {2}.",
         "{1} 不连续：要逐行连续，步长须为 {2}。"},
    [EBB__SAY_BACK_RESHAPE] = {"the gradient is given the old shape", "梯度换回原来的形状"},
    [EBB__SAY_BACK_SQUEEZE] = {"the dimensions of size 1 come back", "大小为 1 的维恢复"},
    [EBB__SAY_BACK_UNSQUEEZE] = {"the dimension of size 1 goes again", "插入的维去掉"},
    [EBB__SAY_BACK_TRANSPOSE] = {"the same transposition again", "再做一次同样的转置"},
    [EBB__SAY_BACK_PERMUTE] = {"the inverse permutation", "逆置换"},
    [EBB__SAY_BACK_EXPAND] = {"an element that was read several times gets the sum of its gradients",
                              "被多次读取的元素，得到各处梯度之和"},
    [EBB__SAY_BACK_SAME] = {"the gradient as it is", "梯度原样传回"},
    [EBB__SAY_BACK_SLICE] = {"the gradient is scattered into zeros: what was not read gets none",
                             "梯度散布到全零张量里：没有读到的元素梯度为零"},
    [EBB__SAY_BACK_INDEX] =
        {"the gradient is added into zeros where it was read: what was read twice gets both, what was "
         "not read none",
         "梯度加到全零张量中读取过的位置：读两次的得到两份之和，没有读到的为零"},
    [EBB__SAY_BACK_CAT] = {"each part gets its slice of the gradient", "每一部分得到梯度中属于自己的那一段"},
    [EBB__SAY_BACK_SPLIT] = {"the gradients of the parts are put together again, those of unused parts are zero",
                             "各部分的梯度重新拼接起来，未用到的部分为零"},
    [EBB__SAY_BACK_BROADCAST] = {"what was read again gets the sum over the dimensions along which it was",
                                 "重复读取的一方，沿重复的维求和"},
    [EBB__SAY_BACK_MATMUL] = {"the gradient times the other factor, transposed", "梯度与另一个因子的转置相乘"},
    [EBB__SAY_BACK_SUM] = {"the gradient is expanded to the shape before", "梯度扩展回原来的形状"},
    [EBB__SAY_COMPANION] = {"Dimensions: shape, strides and storage", "维度：形状、步长与存储"},
    [EBB__SAY_COMPANION_TEXT] =
        {"A tensor is a strip of elements, its storage, and a way to count them: a shape, a stride for each "
         "dimension, and "
         "an offset. Element [i, j] lies at offset + i·stride₀ + j·stride₁. Much of what changes a shape "
         "changes only the "
         "way of counting; this companion shows when, and what it means for gradients.",
         "张量由一条元素带（即存储）和数元素的方法组成：形状、每一维的步长，以及偏移。元素 [i, j] 位于 偏移 + i·步长₀ + j·步长₁。"
         "改变形状的操作多半只是换了数法；本篇说明何时如此，以及梯度会怎样。"},
    [EBB__SAY_L_STRIDES] = {"view, unflatten: other dimensions for the same elements",
                            "view、unflatten：同样的元素，不同的维度"},
    [EBB__SAY_L_STRIDES_TEXT] = {"The number of elements stays. One size may be -1: it is worked out.",
                                 "元素总数不变。某一维可写 -1，由其余各维推出。"},
    [EBB__SAY_L_RESHAPE] = {"reshape, flatten: a view where it can be, a copy where it must be",
                            "reshape、flatten：能做视图就做视图，否则拷贝"},
    [EBB__SAY_L_RESHAPE_TEXT] =
        {"After t() the rows are read across the storage. view would need strides that do not exist, and "
         "refuses; reshape "
         "copies.",
         "t() 之后，按行读取要在存储里跳着走。view 找不到合适的步长，只能拒绝；reshape 则拷贝。"},
    [EBB__SAY_L_PERMUTE] = {"transpose, permute: dimensions change places", "transpose、permute：维度换位"},
    [EBB__SAY_L_PERMUTE_TEXT] = {"permute(2, 0, 1) puts the old dimension 2 first. Strides move with their sizes.",
                                 "permute(2, 0, 1) 把原来的第 2 维放到最前面。步长随大小一起移动。"},
    [EBB__SAY_L_CONTIGUOUS] = {"contiguous: the order of counting is that of the storage",
                               "contiguous：让存储的次序与计数的次序一致"},
    [EBB__SAY_L_CONTIGUOUS_TEXT] =
        {"A tensor is contiguous when counting row by row walks through its storage without gaps. contiguous() "
         "copies only "
         "what is not.",
         "逐行计数恰好等于在存储里不间断地前进，就称张量是连续的。contiguous() 只在不连续时才拷贝。"},
    [EBB__SAY_L_SQUEEZE] = {"squeeze, unsqueeze: dimensions of size 1", "squeeze、unsqueeze：大小为 1 的维"},
    [EBB__SAY_L_SQUEEZE_TEXT] = {"They make shapes fit for broadcasting and batches.",
                                 "常用来让形状适合广播，或添上批的维度。"},
    [EBB__SAY_L_EXPAND] = {"expand: stride 0", "expand：步长为 0"},
    [EBB__SAY_L_EXPAND_TEXT] = {"No memory is used for the repetitions; repeat would copy.",
                                "重复的部分不占内存；repeat 则会拷贝。"},
    [EBB__SAY_L_SLICE] = {"Slicing: a window into the storage", "切片：存储上的一扇窗"},
    [EBB__SAY_L_SLICE_TEXT] =
        {"start:stop:step changes offset, size and stride; an integer takes a dimension away; a list of indices "
         "copies.",
         "start:stop:step 改变偏移、大小和步长；整数下标去掉一维；下标列表则拷贝。"},
    [EBB__SAY_L_CAT] = {"cat, stack: parts become one", "cat、stack：合而为一"},
    [EBB__SAY_L_CAT_TEXT] = {"cat keeps the number of dimensions, stack adds one.", "cat 不改变维数，stack 增加一维。"},
    [EBB__SAY_L_SPLIT] = {"split, chunk, unbind: one becomes parts", "split、chunk、unbind：一分为多"},
    [EBB__SAY_L_SPLIT_TEXT] = {"The opposite of cat and stack, without copying.", "cat 与 stack 的逆操作，不拷贝。"},
    [EBB__SAY_L_BROADCAST] = {"Broadcasting: shapes that differ", "广播：形状不同也能运算"},
    [EBB__SAY_L_BROADCAST_TEXT] = {"From the last dimension on, sizes must be equal, or one of them 1, or absent.",
                                   "从最后一维起逐维比较：要么相等，要么一方为 1，要么一方缺失。"},
    [EBB__SAY_L_MATMUL] = {"matmul: vectors, matrices, batches", "matmul：向量、矩阵与批"},
    [EBB__SAY_L_MATMUL_TEXT] =
        {"Two vectors give a number. A vector left counts as a row, right as a column, and that dimension goes "
         "again. "
         "Dimensions before the last two are a batch, and broadcast.",
         "两个向量相乘得到一个数。左边的向量当作行，右边的当作列，乘完后该维去掉。最后两维之前的维是批，按广播处理。"},
};

/* What stands for a place, "{1}" or "{1:is|are}", with this text in it. */
static void put_place(struct ebb__text *out, const char *place, const char *text) {
    const char *first = place + 3, *second = first + strcspn(first, "|}");
    bool several = place[2] == ':' ? strcmp(text, "1") != 0 : strchr(text, ',') != NULL;
    if (place[2] == '}') ebb__text_add(out, text, strlen(text));
    else if (several) ebb__text_add(out, second + 1, strcspn(second + 1, "}"));
    else ebb__text_add(out, first, (size_t)(second - first));
}

const char *ebb__phrase_of(struct ebb__arena *a, enum ebb_language lang, enum ebb__phrase phrase, ...) {
    const char *put[6] = {"", "", "", "", "", ""}, *text = phrases[phrase][lang == EBB_CHINESE];
    int places = 0;
    for (const char *c = text; (c = strchr(c, '{')); c++)
        if (c[1] - '0' > places) places = c[1] - '0';
    va_list arguments;
    va_start(arguments, phrase);
    for (int i = 0; i < places && i < 6; i++) put[i] = va_arg(arguments, const char *);
    va_end(arguments);
    struct ebb__text out = {0};
    while (*text) {
        size_t n = strcspn(text, "{");
        ebb__text_add(&out, text, n);
        text += n;
        if (!*text) break;
        put_place(&out, text, put[text[1] - '1'] ? put[text[1] - '1'] : "");
        text += strcspn(text, "}") + 1;
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
