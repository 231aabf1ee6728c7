/* Writing in place through views, and views of what was written since. Expected values are from PyTorch 2.13. */
#include "tests/check.h"
#include <ebb/ebb.h>

#define ROW(t, i) ebb_select(t, 0, i)
#define COLUMNS(t, from, to) ebb_slice(t, 1, from, to)
#define FLAT(t) ebb_view(t, EBB_DIMS(6))

/* What is computed from x, y = 2 x and w, the name of its node, and the derivatives of L, the sum of its sines, and of
 * Q, the sum of the squares of dL/dx and dL/dw. */
struct scenario {
    const char *name;
    ebb_tensor *(*run)(ebb_tensor *x, ebb_tensor *y, ebb_tensor *w);
    const char *node;
    double derivatives[6 + 3 + 6 + 3]; /* dL/dx, dL/dw, dQ/dx, dQ/dw */
};
#define SCENARIO(function, node) #function, function, node

static ebb_tensor *write_row_use_base(ebb_tensor *x, ebb_tensor *y, ebb_tensor *w) {
    (void)x;
    ebb_mul_(ROW(y, 0), w);
    return y;
}

static ebb_tensor *write_row_use_row(ebb_tensor *x, ebb_tensor *y, ebb_tensor *w) {
    (void)x;
    return ebb_mul_(ROW(y, 0), w);
}

static ebb_tensor *write_row_use_both(ebb_tensor *x, ebb_tensor *y, ebb_tensor *w) {
    (void)x;
    ebb_tensor *v = ebb_mul_(ROW(y, 0), w);
    return ebb_mul(y, v);
}

static ebb_tensor *write_transpose(ebb_tensor *x, ebb_tensor *y, ebb_tensor *w) {
    (void)w;
    ebb_mul_(ebb_t(y), ebb_t(x));
    return y;
}

static ebb_tensor *write_view_of_view(ebb_tensor *x, ebb_tensor *y, ebb_tensor *w) {
    (void)x;
    (void)w;
    ebb_exp_(ROW(ebb_t(y), 1));
    return y;
}

static ebb_tensor *write_two_parts(ebb_tensor *x, ebb_tensor *y, ebb_tensor *w) {
    (void)x;
    ebb_tensor *a = COLUMNS(y, 0, 1), *b = COLUMNS(y, 1, 3);
    ebb_mul_(a, ROW(w, 0));
    ebb_mul_(b, ebb_slice(w, 0, 1, 3));
    return ebb_add(y, a);
}

static ebb_tensor *part_from_part(ebb_tensor *x, ebb_tensor *y, ebb_tensor *w) {
    (void)x;
    ebb_tensor *a = COLUMNS(y, 0, 1), *b = COLUMNS(y, 1, 3);
    ebb_mul_(a, ROW(w, 0));
    ebb_add_(b, a);
    return y;
}

static ebb_tensor *write_base_use_view(ebb_tensor *x, ebb_tensor *y, ebb_tensor *w) {
    (void)x;
    ebb_tensor *v = ROW(y, 1);
    ebb_mul_(y, w);
    return v;
}

static ebb_tensor *write_base_twice(ebb_tensor *x, ebb_tensor *y, ebb_tensor *w) {
    (void)x;
    ebb_tensor *v = ROW(ebb_t(y), 2);
    ebb_exp_(ebb_mul_(y, w));
    return v;
}

static ebb_tensor *write_base_between(ebb_tensor *x, ebb_tensor *y, ebb_tensor *w) {
    (void)x;
    ebb_tensor *v = ROW(y, 1);
    ebb_mul_(y, w);
    ebb_tensor *u = ebb_add(v, 1.0);
    ebb_sub_(y, 1.0);
    return ebb_mul(ebb_mul(v, 1.0), u);
}

static ebb_tensor *write_row_use_column(ebb_tensor *x, ebb_tensor *y, ebb_tensor *w) {
    (void)x;
    ebb_tensor *a = ROW(y, 0), *b = ebb_select(y, 1, 1);
    ebb_mul_(a, w);
    return b;
}

static ebb_tensor *view_of_old_view(ebb_tensor *x, ebb_tensor *y, ebb_tensor *w) {
    (void)x;
    ebb_tensor *a = ROW(y, 0);
    ebb_mul_(y, w);
    return ebb_slice(a, 0, 1, 3);
}

static ebb_tensor *write_old_view(ebb_tensor *x, ebb_tensor *y, ebb_tensor *w) {
    (void)x;
    ebb_tensor *a = ROW(y, 0);
    ebb_mul_(y, w);
    ebb_sin_(a);
    return y;
}

static ebb_tensor *write_view_use_its_base_view(ebb_tensor *x, ebb_tensor *y, ebb_tensor *w) {
    (void)w;
    ebb_tensor *a = ROW(y, 0);
    ebb_mul_(ebb_slice(a, 0, 0, 2), ebb_slice(ROW(x, 1), 0, 0, 2));
    return a;
}

static ebb_tensor *copy_into_columns(ebb_tensor *x, ebb_tensor *y, ebb_tensor *w) {
    (void)w;
    ebb_copy_(COLUMNS(y, 1, 3), COLUMNS(x, 0, 2));
    return y;
}

static ebb_tensor *copy_broadcast(ebb_tensor *x, ebb_tensor *y, ebb_tensor *w) {
    (void)x;
    ebb_copy_(COLUMNS(y, 1, 3), ebb_slice(w, 0, 0, 2));
    return y;
}

static ebb_tensor *zero_row(ebb_tensor *x, ebb_tensor *y, ebb_tensor *w) {
    (void)x;
    (void)w;
    ebb_zero_(ROW(y, 1));
    return y;
}

static ebb_tensor *fill_row(ebb_tensor *x, ebb_tensor *y, ebb_tensor *w) {
    (void)x;
    ebb_fill_(ROW(y, 1), ROW(w, 0));
    return y;
}

static ebb_tensor *fill_buffer(ebb_tensor *x, ebb_tensor *y, ebb_tensor *w) {
    (void)y;
    ebb_tensor *b = ebb_zeros_like(x);
    ebb_copy_(ROW(b, 0), ebb_mul(ROW(x, 0), w));
    ebb_copy_(ROW(b, 1), ROW(x, 1));
    return b;
}

static ebb_tensor *early_view_of_buffer(ebb_tensor *x, ebb_tensor *y, ebb_tensor *w) {
    (void)y;
    ebb_tensor *b = ebb_zeros_like(x), *v = ROW(b, 0);
    ebb_add_(b, x);
    return ebb_mul(v, w);
}

static ebb_tensor *early_view_other_part_written(ebb_tensor *x, ebb_tensor *y, ebb_tensor *w) {
    (void)y;
    ebb_tensor *b = ebb_ones_like(x), *v = ROW(ebb_t(b), 0);
    ebb_add_(ROW(b, 1), w);
    return v;
}

static ebb_tensor *early_view_written(ebb_tensor *x, ebb_tensor *y, ebb_tensor *w) {
    (void)y;
    (void)w;
    ebb_tensor *b = ebb_ones_like(x), *v = ebb_t(b);
    ebb_mul_(ROW(v, 0), ebb_select(x, 1, 1));
    return ebb_mul(v, ebb_t(b));
}

static ebb_tensor *diagonal(ebb_tensor *x, ebb_tensor *y, ebb_tensor *w) {
    (void)x;
    ebb_mul_(ebb_diagonal(y, 1, 0, 1), ebb_slice(w, 0, 0, 2));
    return y;
}

static ebb_tensor *every_second_column(ebb_tensor *x, ebb_tensor *y, ebb_tensor *w) {
    (void)x;
    (void)w;
    ebb_square_(ebb_slice(y, 1, 0, 3, .step = 2));
    return y;
}

static ebb_tensor *flat_view(ebb_tensor *x, ebb_tensor *y, ebb_tensor *w) {
    (void)w;
    ebb_mul_(ebb_slice(FLAT(y), 0, 1, 5), ebb_slice(FLAT(x), 0, 0, 4));
    return y;
}

static ebb_tensor *expanded_reader(ebb_tensor *x, ebb_tensor *y, ebb_tensor *w) {
    (void)x;
    ebb_tensor *v = ebb_expand(y, EBB_DIMS(2, 2, 3));
    ebb_mul_(y, w);
    return ebb_mul(v, ebb_view(ebb_arange(1, 3, 1, .dtype = EBB_F64), EBB_DIMS(2, 1, 1)));
}

static ebb_tensor *unsqueezed(ebb_tensor *x, ebb_tensor *y, ebb_tensor *w) {
    (void)x;
    ebb_mul_(ROW(ebb_squeeze(ebb_unsqueeze(y, 0)), 0), w);
    return y;
}

static ebb_tensor *output_saved(ebb_tensor *x, ebb_tensor *y, ebb_tensor *w) {
    (void)x;
    (void)w;
    ebb_mul_(y, 0.5);
    ebb_exp_(ROW(y, 0));
    return y;
}

static ebb_tensor *used_before(ebb_tensor *x, ebb_tensor *y, ebb_tensor *w) {
    (void)x;
    ebb_tensor *u = ROW(y, 0), *s = ebb_add(u, 1.0);
    ebb_mul_(y, w);
    return ebb_add(s, u);
}

static ebb_tensor *used_after_no_grad_write(ebb_tensor *x, ebb_tensor *y, ebb_tensor *w) {
    (void)x;
    (void)w;
    ebb_tensor *v = ROW(y, 0);
    EBB_NO_GRAD ebb_mul_(v, 3.0);
    return ebb_mul(y, v);
}

static ebb_tensor *detached_write(ebb_tensor *x, ebb_tensor *y, ebb_tensor *w) {
    (void)x;
    (void)w;
    ebb_tensor *v = ROW(y, 0);
    ebb_mul_(ebb_detach(v), 3.0);
    return ebb_mul(y, v);
}

static ebb_tensor *row_from_row(ebb_tensor *x, ebb_tensor *y, ebb_tensor *w) {
    (void)x;
    (void)w;
    ebb_add_(ROW(y, 0), ROW(y, 1));
    return ebb_mul(y, y);
}

static ebb_tensor *column_by_column(ebb_tensor *x, ebb_tensor *y, ebb_tensor *w) {
    (void)x;
    for (int i = 0; i < 3; i++) ebb_mul_(ebb_select(y, 1, i), ROW(w, i));
    return y;
}

static ebb_tensor *slice_of_transpose(ebb_tensor *x, ebb_tensor *y, ebb_tensor *w) {
    (void)x;
    ebb_tensor *a = ebb_t(y);
    ebb_mul_(ebb_slice(a, 0, 1, 3), ebb_view(ebb_slice(w, 0, 1, 3), EBB_DIMS(2, 1)));
    return ebb_mul(a, ebb_t(y));
}

static ebb_tensor *written_twice(ebb_tensor *x, ebb_tensor *y, ebb_tensor *w) {
    (void)x;
    ebb_tensor *v = ROW(y, 1);
    ebb_add_(ebb_mul_(v, w), w);
    return y;
}

static ebb_tensor *base_and_view_alternate(ebb_tensor *x, ebb_tensor *y, ebb_tensor *w) {
    (void)x;
    ebb_tensor *v = ROW(y, 1);
    ebb_mul_(v, w);
    ebb_mul_(y, w);
    ebb_sin_(v);
    ebb_sin_(y);
    return ebb_add(y, v);
}

static ebb_tensor *grandparent_written(ebb_tensor *x, ebb_tensor *y, ebb_tensor *w) {
    (void)x;
    ebb_tensor *a = ebb_t(y), *b = ROW(a, 1);
    ebb_mul_(a, 2.0);
    ebb_mul_(ROW(y, 0), w);
    return ebb_mul(b, ROW(a, 2));
}

static const struct scenario scenarios[] = {
    {SCENARIO(write_row_use_base, "CopySlices"),
     {0.968912421710645, -1.09753330331073, -0.748833765473935, -0.832293673094285, -1.60228723109387,
      -1.97998499320089, 0.484456210855322, 0.731688868873821, -0.449300259284361, 1.27830063863512, -2.72131365635936,
      12.6839999512561, 6.05441996246343, 7.67139419730511, 2.23532398559141, 3.45552416215312, 0.0296471014600677,
      8.18461002726708}},
    {SCENARIO(write_row_use_row, "AsStridedBackward0"),
     {0.968912421710645, -1.09753330331073, -0.748833765473935, 0, 0, 0, 0.484456210855322, 0.731688868873821,
      -0.449300259284361, 1.27830063863512, -2.72131365635936, 12.6839999512561, 0, 0, 0, 3.45552416215312,
      0.0296471014600677, 8.18461002726708}},
    {SCENARIO(write_row_use_both, "MulBackward0"),
     {2.25418887913079, 3.02658077148081, -2.79355098793161, 0.438791280945186, 0.449300259284361, 2.96663830826527,
      1.1270944395654, -2.01772051432054, -1.67613059275897, 11.6360857041519, 148.901675908955, -284.000308358086,
      7.08421109082875, 56.7096804685521, -109.739653162695, 21.0621453604668, -112.838437519003, -162.408963641746}},
    {SCENARIO(write_transpose, "CopySlices"),
     {0.992197667229329, 1.75516512378075, 1.293529550396, -1.66458734618857, -4.99931172540843, -1.26477479658468, 0,
      0, 0, 7.62824572758806, 5.59065056848195, -16.5460597886467, 53.9770617658896, 44.1363904329346,
      -86.8847190974517, 0, 0, 0}},
    {SCENARIO(write_view_of_view, "CopySlices"),
     {1.75516512378075, -4.95669946591047, 0.141474403335406, -0.832293673094285, 22.5916975414598, -1.97998499320089,
      0, 0, 0, -6.73176787846317, 218.635482338826, -1.12896006447894, 6.05441996246343, 12087.3202098512,
      2.23532398559141, 0, 0, 0}},
    {SCENARIO(write_two_parts, "AddBackward0"),
     {2.10648135096681, -1.31637384283556, -1.31566583676076, -0.153694662042983, -0.961495287244988,
      0.0940053822199414, 0.74585135139744, 2.48007470729869, -0.676593043392528, 6.52674070334971, -1.26718991699437,
      9.18194038588515, 2.68117241548416, -14.3197495218531, -2.38393846945023, 24.2440811535635, 34.0269285405159,
      4.6996948034525}},
    {SCENARIO(part_from_part, "CopySlices"),
     {1.10598872845642, 0.630644724790537, -0.356492111298984, -1.04979800228627, -1.87291337458159, -1.30728724172722,
      -1.54660164034433, 0, 0, -9.28362007250863, -6.05063998486102, 1.49682491573058, -2.29592953538065,
      -11.069074239207, -20.4566008090645, -9.50042799037109, 0, 0}},
    {SCENARIO(write_base_use_view, "AsStridedBackward0"),
     {0, 0, 0, 0.54030230586814, 0.449300259284361, -2.0513983933489, 1.08060461173628, -0.748833765473935,
      -2.46167807201868, 0, 0, 0, -2.21107448031698, 8.18461002726708, -27.6814372075268, -7.9252679413511,
      -12.6839999512561, -36.1803223482692}},
    {SCENARIO(write_base_twice, "AsStridedBackward0"),
     {0, 0, 15.8439228276987, 0, 0, 11.6254763337898, 0, 0, 23.456925297167, 0, 0, -778.617619269803, 0, 0,
      896265.264745099, 0, 0, 1074788.67391641}},
    {SCENARIO(write_base_between, "MulBackward0"),
     {0, 0, 0, 2, -4.55848069749187, 16.4893435278589, 4, 7.59746782915312, 19.7872122334306, 0, 0, 0, 72,
      856.427973880528, -12059.9070684166, 96, -1328.86856674592, -14663.3049908856}},
    {SCENARIO(write_row_use_column, "AsStridedBackward0"),
     {0, -1.09753330331073, 0, 0, -1.60228723109387, 0, 0, 0.731688868873821, 0, 0, -2.72131365635936, 0, 0,
      7.67139419730511, 0, 0, 0.0296471014600677, 0}},
    {SCENARIO(view_of_old_view, "SliceBackward0"),
     {0, -1.09753330331073, -0.748833765473935, 0, 0, 0, 0, 0.731688868873821, -0.449300259284361, 0, -2.72131365635936,
      12.6839999512561, 0, 0, 0, 0, 0.0296471014600677, 8.18461002726708}},
    {SCENARIO(write_old_view, "CopySlices"),
     {0.939410420906375, -0.85227986597518, -0.433091606715942, 0.54030230586814, 0.449300259284361, -2.0513983933489,
      1.55030982218947, -0.180647188157149, -2.72153303604825, 4.21460820424114, -3.26468089201011, 18.026400660945,
      -2.77691647121021, 3.4381058461772, -29.0563772072216, -8.3626969368727, -5.94203791255681, -28.8693136253145}},
    {SCENARIO(write_view_use_its_base_view, "AsStridedBackward0"),
     {1.75516512378075, 0.788305905988172, 0.141474403335406, 0.438791280945186, 0.315322362395269, 0, 0, 0, 0,
      -5.61220106499898, -10.4495948429781, -1.12896006447894, 4.37308338075578, -3.34464112248835, 0, 0, 0, 0}},
    {SCENARIO(copy_into_columns, "CopySlices"),
     {2.72407754549139, 0.877582561890373, 0, -0.291991367226145, 0.315322362395269, 0, 0, 0, 0, -11.7958338957164,
      -0.841470984807897, 0, 2.61546051766275, -0.598472144103957, 0, 0, 0, 0}},
    {SCENARIO(copy_broadcast, "CopySlices"),
     {1.75516512378075, 0, 0, -0.832293673094285, 0, 0, 1.75516512378075, 1.46337773774764, 0, -6.73176787846317, 0, 0,
      6.05441996246343, 0, 0, -3.36588393923159, 3.98997994641622, 0}},
    {SCENARIO(zero_row, "CopySlices"),
     {1.75516512378075, 1.08060461173628, 0.141474403335406, 0, 0, 0, 0, 0, 0, -6.73176787846317, -7.27437941460545,
      -1.12896006447894, 0, 0, 0, 0, 0, 0}},
    {SCENARIO(fill_row, "CopySlices"),
     {1.75516512378075, 1.08060461173628, 0.141474403335406, 0, 0, 0, 2.63274768567112, 0, 0, -6.73176787846317,
      -7.27437941460545, -1.12896006447894, 0, 0, 0, -7.57323886327107, 0, 0}},
    {SCENARIO(fill_buffer, "CopySlices"),
     {0.496098833614665, -0.697880716434236, 0.739756343865597, 0.54030230586814, 0.315322362395269, 0.0707372016677029,
      0.248049416807332, 0.465253810956157, 0.443853806319358, 0.453571236794142, 0.450470815047691, -2.00894048704293,
      -0.909297426825682, -0.598472144103957, -0.141120008059867, 0.965127776538563, -1.02185090539589,
      -0.644991097177417}},
    {SCENARIO(early_view_of_buffer, "MulBackward0"),
     {0.496098833614665, -0.697880716434236, 0.739756343865597, 0, 0, 0, 0.248049416807332, 0.465253810956157,
      0.443853806319358, 0.453571236794142, 0.450470815047691, -2.00894048704293, 0, 0, 0, 0.965127776538563,
      -1.02185090539589, -0.644991097177417}},
    {SCENARIO(early_view_other_part_written, "AsStridedBackward0"),
     {0, 0, 0, 0, 0, 0, 0.0707372016677029, 0, 0, 0, 0, 0, 0, 0, 0, -0.141120008059867, 0, 0}},
    {SCENARIO(early_view_written, "MulBackward0"),
     {0, 0.968912421710645, 0, 0, 0.0207405790596459, 0, 0, 0, 0, 0, 3.27573958517654, 0, 0, -0.258560041491994, 0, 0,
      0, 0}},
    {SCENARIO(diagonal, "CopySlices"),
     {1.75516512378075, 0.877582561890373, 0.141474403335406, -0.832293673094285, -1.60228723109387, 0.942260434084109,
      0.877582561890373, -1.88452086816822, 0, -6.73176787846317, 1.39766264212049, -1.12896006447894, 6.05441996246343,
      7.67139419730511, 21.2310459390138, 1.39766264212049, -35.3592540729047, 0}},
    {SCENARIO(every_second_column, "CopySlices"),
     {1.93782484342129, 1.08060461173628, -3.76904173633644, -5.2291489669089, -1.60228723109387, -10.9335631426161, 0,
      0, 0, 26.2059166814123, -7.27437941460545, 249.028307042984, -451.863424434923, 7.67139419730511,
      1457.09636641289, 0, 0, 0}},
    {SCENARIO(flat_view, "CopySlices"),
     {2.72407754549139, 1.58198951416605, 0.873163272209227, -1.89675323636578, -1.60228723109387, -1.97998499320089, 0,
      0, 0, -6.05598719985434, 5.60536291020838, 4.05221560770682, 32.4485290762905, 25.1012209416743, 2.23532398559141,
      0, 0, 0}},
    {SCENARIO(expanded_reader, "MulBackward0"),
     {2.72407754549139, -1.30974490831384, -4.85163055217174, -0.291991367226145, 2.91097833130304, -0.318221804173773,
      0.778056038293405, -3.97846727996251, -3.29284449631157, -5.00246784880816, 14.328410805351, -88.1277127097887,
      -12.2318780477926, -26.3168551056647, 171.417974709907, 0.636954914651341, 49.3464188460404, 173.299756833261}},
    {SCENARIO(unsqueezed, "CopySlices"),
     {0.968912421710645, -1.09753330331073, -0.748833765473935, -0.832293673094285, -1.60228723109387,
      -1.97998499320089, 0.484456210855322, 0.731688868873821, -0.449300259284361, 1.27830063863512, -2.72131365635936,
      12.6839999512561, 6.05441996246343, 7.67139419730511, 2.23532398559141, 3.45552416215312, 0.0296471014600677,
      8.18461002726708}},
    {SCENARIO(output_saved, "CopySlices"),
     {0.363194914801726, -0.128346527418598, -1.09966935570399, 0.54030230586814, 0.315322362395269, 0.0707372016677029,
      0, 0, 0, -0.884885386924245, 0.728592285177823, 10.8411663822116, -0.909297426825682, -0.598472144103957,
      -0.141120008059867, 0, 0, 0}},
    {SCENARIO(used_before, "AddBackward0"),
     {-0.534738166948476, 0.157661181197634, -1.48960983263799, 0, 0, 0, -0.089123027824746, 0.315322362395269,
      -0.496536610879331, 9.79777788109616, 0.0236676788411598, -62.5958373684292, 0, 0, 0, 2.00363230431971,
      -0.549233795676879, -19.1120445916557}},
    {SCENARIO(used_after_no_grad_write, "MulBackward0"),
     {-7.72901172273822, -9.20038655344099, 6.6210551446612, -2.96997748980134, 2.07981190701015, 5.35428596978903, 0,
      0, 0, 579.155618281884, 1546.33282586576, -5032.87318292568, 94.9347640631357, 351.822137595582,
      -1240.45134102186, 0, 0, 0}},
    {SCENARIO(detached_write, "MulBackward0"),
     {-7.72901172273822, -9.20038655344099, 6.6210551446612, -2.96997748980134, 2.07981190701015, 5.35428596978903, 0,
      0, 0, 579.155618281884, 1546.33282586576, -5032.87318292568, 94.9347640631357, 351.822137595582,
      -1240.45134102186, 0, 0, 0}},
    {SCENARIO(row_from_row, "MulBackward0"),
     {9.99449418224499, 13.3051918589474, 3.05153116480185, 4.7653452153361, 23.2996860411924, -7.88203197781427, 0, 0,
      0, 333.971387899892, 5020.89785363837, 3071.75314561444, 745.756407076581, 5548.10064190747, 4122.17742222179, 0,
      0, 0}},
    {SCENARIO(column_by_column, "CopySlices"),
     {0.968912421710645, -1.09753330331073, -0.748833765473935, 0.54030230586814, 0.449300259284361, -2.0513983933489,
      1.5650608225916, -0.0171448966001144, -2.91097833130304, 5.19899970437923, -3.38166462161218, 33.2483105629435,
      -2.79468662842681, 2.072244100273, -30.058766810101, -7.86466346762195, -4.94904675908617, -22.0492257843831}},
    {SCENARIO(slice_of_transpose, "MulBackward0"),
     {1.93782484342129, 1.9033301232699, -8.72682760446215, -5.2291489669089, -5.23609656267729, 1.39870463561323, 0,
      7.45794085561555, -3.55765099994142, 26.2059166814123, -44.6459445521569, -395.143283732462, -451.863424434923,
      -156.322903384995, 1999.3652423845, 0, 355.852826100514, 2266.88354311521}},
    {SCENARIO(written_twice, "CopySlices"),
     {1.75516512378075, 1.08060461173628, 0.141474403335406, 0.0707372016677029, 1.30426077219898, 0.709155463658066,
      0.212211605003109, -3.04327513513095, 1.1346487418529, -6.73176787846317, -7.27437941460545, -1.12896006447894,
      -1.35115506020134, 29.2664235727213, 31.5486020606096, -4.21358523499691, -48.1271819731251, 49.2225212237716}},
    {SCENARIO(base_and_view_alternate, "AddBackward0"),
     {0.735623363467503, -1.08480281482568, -0.744076296405398, 0.765727034977814, 0.0807034915716002,
      -0.0323911172991046, 3.43071982164501, 0.454190237978451, -0.52418445936109, -0.934981080120975,
      -2.43390713930616, 13.3113867347905, -8.17301335395606, 1.51172616503891, -10.4599950037772, -73.3836278661122,
      -6.03924107561222, -16.6675902779567}},
    {SCENARIO(grandparent_written, "MulBackward0"),
     {0, -8.89991492479581, -5.93327661653054, 0, 3.70203479730202, 3.08502899775168, 0, 5.93327661653054,
      -3.55996596991832, 0, 3155.67660483374, 2221.13030791672, 0, 7155.11183496547, 5968.17673943585, 0,
      -2221.13030791672, 1368.7268466721}},
};

static void check_all(const char *name, ebb_tensor *t, const double *want, int64_t n) {
    double got[6];
    CHECK_OK();
    CHECK(ebb_tensor_numel(t) == n && ebb_tensor_read(t, EBB_F64, got) == EBB_OK);
    for (int64_t i = 0; i < n; i++) check_close(got[i], want[i], 1e-12, name, __FILE__, __LINE__);
}

static ebb_tensor *leaf_x(void) {
    ebb_tensor *x = ebb_div(ebb_arange(1, 7, 1, .dtype = EBB_F64), 4.0);
    return ebb_requires_grad_(ebb_view(x, EBB_DIMS(2, 3)), true);
}

static ebb_tensor *leaf_w(void) {
    const double w[] = {0.5, -0.75, 1.25};
    return ebb_requires_grad_(ebb_from_data(w, EBB_F64, EBB_DIMS(3)), true);
}

EBB_TEST(gradients_of_two_orders) {
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
        const struct scenario *s = &scenarios[i];
        EBB_SCOPE {
            ebb_tensor *x = leaf_x(), *w = leaf_w(), *r = s->run(x, ebb_mul(x, 2.0), w), *g[2], *h[2];
            CHECK(r && !strcmp(ebb_node_name(ebb_tensor_grad_fn(r)), s->node));
            CHECK(ebb_grad(EBB_LIST(ebb_sum(ebb_sin(r))), EBB_LIST(x, w), g, .create_graph = true, .allow_unused = true,
                           .materialize_grads = true) == EBB_OK);
            check_all(s->name, g[0], s->derivatives, 6);
            check_all(s->name, g[1], s->derivatives + 6, 3);
            ebb_tensor *q = ebb_add(ebb_sum(ebb_square(g[0])), ebb_sum(ebb_square(g[1])));
            CHECK(ebb_grad(EBB_LIST(q), EBB_LIST(x, w), h, .allow_unused = true, .materialize_grads = true) == EBB_OK);
            check_all(s->name, h[0], s->derivatives + 9, 6);
            check_all(s->name, h[1], s->derivatives + 15, 3);
        }
    }
}

static const struct scenario *failing;

static void run_failing(void) {
    EBB_SCOPE {
        ebb_tensor *x = leaf_x(), *r = failing->run(x, ebb_mul(x, 2.0), leaf_w());
        ebb_backward(ebb_sum(r));
    }
}

EBB_TEST(failing_allocations) {
    size_t n = sizeof scenarios / sizeof *scenarios;
    for (failing = scenarios; failing < scenarios + n; failing += CHECK_STEP(6))
        CHECK_ALLOCATIONS_FAILING(run_failing, 0);
}

EBB_TEST(what_a_view_says_of_itself) {
    EBB_SCOPE {
        ebb_tensor *x = leaf_x(), *b = ebb_ones(EBB_DIMS(2, 3), .dtype = EBB_F64), *v = ROW(b, 0), *r = ROW(b, 1);
        ebb_requires_grad_(r, true);
        CHECK(!ebb_tensor_requires_grad(v) && ebb_tensor_is_leaf(v) && !ebb_tensor_grad_fn(v));
        int line = __LINE__ + 1;
        ebb_mul_(b, x);
        CHECK(ebb_tensor_requires_grad(v) && !ebb_tensor_is_leaf(v) && !ebb_tensor_is_leaf(r));
        EBB_NO_GRAD CHECK(!strcmp(ebb_node_name(ebb_tensor_grad_fn(v)), "AsStridedBackward0"));
        CHECK(ebb_node_line(ebb_tensor_grad_fn(v)) == line && ebb_tensor_grad_fn(v) == ebb_tensor_gradient_node(v));
        CHECK(!strcmp(ebb_node_name(ebb_tensor_grad_fn(r)), "AsStridedBackward0"));
        CHECK(ebb_node_input(ebb_tensor_grad_fn(v), 0) == ebb_tensor_grad_fn(b));
        CHECK(ebb_tensor_version(b) == 1 && ebb_tensor_version(v) == 1);
    }
}

EBB_TEST(gradients_by_old_views) {
    EBB_SCOPE {
        ebb_tensor *x = leaf_x(), *y = ebb_mul(x, 2.0), *v = ROW(y, 0), *u = ebb_mul(v, 2.0), *g;
        CHECK(ebb_grad(EBB_LIST(ebb_sum(u)), EBB_LIST(v), &g, .retain_graph = true) == EBB_OK);
        CHECK_VALUES(g, 0, 2, 2, 2);
        ebb_mul_(y, 3.0);
        CHECK(ebb_grad(EBB_LIST(ebb_sum(u)), EBB_LIST(v), &g, .allow_unused = true) == EBB_OK && !g);
        CHECK(ebb_backward(v, .gradient = ebb_ones(EBB_DIMS(3), .dtype = EBB_F64)) == EBB_OK);
        CHECK_VALUES(ebb_tensor_grad(x), 0, 6, 6, 6, 0, 0, 0);
    }
}

static ebb_tensor *times_ten(ebb_tensor *grad, void *context) {
    (void)context;
    return ebb_mul(grad, 10.0);
}

/* Retained gradients follow a tensor to its new value; hooks stay with the value that they were registered for. */
EBB_TEST(retained_gradients_and_hooks) {
    static const struct {
        bool retain_row, hook_row, write_row, use_before, use_base, use_row;
        double row; /* each of v.grad; -1: none */
        double x[6];
    } cases[] = {
        {true, false, true, false, true, false, -1, {6, 6, 6, 2, 2, 2}},
        {true, false, true, false, true, true, 1, {12, 12, 12, 2, 2, 2}},
        {true, false, false, true, true, false, 5, {16, 16, 16, 6, 6, 6}},
        {true, false, false, true, false, true, 1, {16, 16, 16, 0, 0, 0}},
        {false, true, true, false, false, true, -1, {60, 60, 60, 0, 0, 0}}, /* PyTorch: 6, it loses the hook */
        {false, true, false, false, false, true, -1, {6, 6, 6, 0, 0, 0}},
        {false, false, true, false, true, false, -1, {60, 60, 60, 20, 20, 20}}, /* the hook is the base's */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        EBB_SCOPE {
            ebb_tensor *x = leaf_x(), *y = ebb_mul(x, 2.0), *v = ROW(y, 0), *sum = ebb_zeros(EBB_NO_DIMS);
            if (cases[i].retain_row) CHECK(ebb_retain_grad(v) == EBB_OK);
            else CHECK(ebb_register_hook(cases[i].hook_row ? v : y, times_ten, NULL, NULL));
            if (cases[i].use_before) sum = ebb_add(sum, ebb_sum(ebb_mul(ebb_add(v, 1.0), 5.0)));
            ebb_mul_(cases[i].write_row ? v : y, 3.0);
            if (cases[i].use_base) sum = ebb_add(sum, ebb_sum(y));
            if (cases[i].use_row) sum = ebb_add(sum, ebb_sum(v));
            CHECK(ebb_backward(sum) == EBB_OK);
            check_all("x.grad", ebb_tensor_grad(x), cases[i].x, 6);
            if (cases[i].row < 0) CHECK(!ebb_tensor_grad(v));
            else CHECK_VALUES(ebb_tensor_grad(v), 0, cases[i].row, cases[i].row, cases[i].row);
        }
    }
}

/* A base that does not lie row by row in memory, with gaps, and one that lies backwards. */
EBB_TEST(bases_with_strides_of_their_own) {
    static const struct {
        int64_t first, strides[2];
    } layouts[] = {{0, {3, 1}}, {0, {1, 2}}, {1, {2, 5}}, {5, {-3, -1}}, {3, {-3, 1}}};
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
        EBB_SCOPE {
            double memory[16] = {0};
            ebb_dims strides = EBB_DIMS(layouts[i].strides[0], layouts[i].strides[1]);
            ebb_tensor *b = ebb_from_memory(memory + layouts[i].first, EBB_F64, EBB_DIMS(2, 3), strides, NULL, NULL);
            ebb_tensor *column = ebb_select(b, 1, 1), *x = leaf_x(), *w = leaf_w();
            ebb_add_(b, x);
            ebb_mul_(ROW(b, 1), w);
            CHECK(ebb_backward(ebb_add(ebb_sum(ebb_square(b)), ebb_sum(column))) == EBB_OK);
            CHECK_VALUES(ebb_tensor_grad(x), 1e-12, 0.5, 2, 1.5, 0.5, 0.65625, 4.6875);
            CHECK_VALUES(ebb_tensor_grad(w), 1e-12, 1, -1.09375, 5.625);
        }
    }
}

EBB_TEST(wrong_use) {
    EBB_SCOPE {
        ebb_tensor *x = leaf_x(), *w = leaf_w(), *y = ebb_mul(x, 2.0), *hidden = NULL, *b = ebb_ones_like(x);
        CHECK(!ebb_mul_(ROW(x, 0), 2.0)); /* x is a leaf and a view of what needs no gradient */
        CHECK_ERROR(EBB_ERR_GRAPH, "is a view of a leaf that requires gradients and cannot be written in place");
        CHECK(!ebb_mul_(ROW(w, 0), 2.0));
        CHECK_ERROR(EBB_ERR_GRAPH, "is a view of a leaf that requires gradients");
        EBB_NO_GRAD hidden = ROW(y, 0);
        CHECK(!ebb_mul_(hidden, 2.0));
        CHECK_ERROR(EBB_ERR_GRAPH, "is a view made while recording was off and cannot be written in place");
        CHECK(!ebb_mul_(ebb_slice(hidden, 0, 1, 3), 2.0));
        CHECK_ERROR(EBB_ERR_GRAPH, "is a view made while recording was off");
        EBB_NO_GRAD hidden = ROW(b, 0);
        CHECK(!ebb_mul_(hidden, w));
        CHECK_ERROR(EBB_ERR_GRAPH, "is a view made while recording was off");
        CHECK(ebb_mul_(hidden, 2.0) == hidden); /* nothing to record */
        CHECK(!ebb_mul_(ebb_expand(y, EBB_DIMS(2, 2, 3)), 2.0));
        CHECK_ERROR(EBB_ERR_ARGUMENT, "is expanded");
        double one = 1;
        ebb_tensor *shared = ebb_from_memory(&one, EBB_F64, EBB_DIMS(2, 3), EBB_DIMS(0, 0), NULL, NULL);
        CHECK(!ebb_mul_(ebb_select(ROW(shared, 0), 0, 1), ROW(w, 0)));
        CHECK_ERROR(EBB_ERR_ARGUMENT, "is a view of a tensor whose elements share memory");

        ebb_tensor *v = ROW(y, 0);
        CHECK(ebb_mul_(v, ROW(y, 0)) == v && ebb_backward(ebb_sum(y)) == EBB_ERR_VERSION);
        CHECK_ERROR(EBB_ERR_VERSION, "which the gradient needs, was saved here by");
        y = ebb_exp(x);
        ebb_mul_(ROW(y, 1), 2.0);
        CHECK(ebb_backward(ebb_sum(y)) == EBB_ERR_VERSION);
        CHECK_ERROR(
            EBB_ERR_VERSION,
            "its result float64 [2, 3], which the gradient needs, was saved here by exp at version 0 and overwritten in place by mul_ at");
    }
}

EBB_TEST_MAIN
