/* What the file of every operator includes: the call path, the kernels, and what the generator made of its
 * signature. */
#ifndef EBB_OPS_OPS_H
#define EBB_OPS_OPS_H

#ifndef EBB_FAMILY
#define EBB_FAMILY "Others"
#endif

#ifdef EBB_GENERATE
/* scripts/generate.pl reads the definitions while nothing that is made from them need exist. */
#define EBB_SIGNATURE(name, text) .generate = {#name, text}, .family = EBB_FAMILY
#define EBB_TEXT(...) __VA_ARGS__
#undef EBB_FORMULAS
#define EBB_FORMULAS(...) \
    { __VA_ARGS__ }
#undef EBB_SAMPLES
#define EBB_SAMPLES(...) \
    { __VA_ARGS__ }
#else

#include "kernel/kernel.h"
#include "ops/signatures.h"
#include "record/call.h"
#include <ebb/ebb.h>

/* The fields that a signature stands for: .name, .in, .out, .attrs and their numbers. Which family of the
 * documentation its operators belong to, a file says before it includes this. */
#define EBB_SIGNATURE(name, text) EBB__SIG_##name, .family = EBB_FAMILY

/* What is written about an operator is not in this library: the generator puts it into ebb-explain (ebb_op_text), since
 * programs that only train have no use for it. */
#define EBB_TEXT(...) NULL
#undef EBB_FORMULAS
#define EBB_FORMULAS(...) NULL
#undef EBB_SAMPLES
#define EBB_SAMPLES(...) NULL

#endif
#endif
