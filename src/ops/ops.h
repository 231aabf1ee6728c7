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
#else

#include "kernel/kernel.h"
#include "ops/signatures.h"
#include "record/call.h"
#include <ebb/ebb.h>

/* The fields that a signature stands for: .name, .signature, .in, .out, .attrs and their numbers. Which family of the
 * documentation its operators belong to, a file says before it includes this. */
#define EBB_SIGNATURE(name, text) EBB__SIG_##name, .family = EBB_FAMILY

#endif
#endif
