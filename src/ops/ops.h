/* What the file of every operator includes: the call path, the kernels, and what the generator made of its
 * signature. */
#ifndef EBB_OPS_OPS_H
#define EBB_OPS_OPS_H

#ifdef EBB_GENERATE
/* scripts/generate.pl reads the definitions while nothing that is made from them need exist. */
#define EBB_SIGNATURE(name, text) .generate = {#name, text}
#else

#include "kernel/kernel.h"
#include "ops/signatures.h"
#include "record/call.h"
#include <ebb/ebb.h>

/* The fields that a signature stands for: .name, .signature, .in, .out, .attrs and their numbers. */
#define EBB_SIGNATURE(name, text) EBB__SIG_##name

#endif
#endif
