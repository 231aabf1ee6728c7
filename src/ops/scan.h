/* What the rules of scans share. */
#ifndef EBB_OPS_SCAN_H
#define EBB_OPS_SCAN_H

#include "ops/ops.h"

/* t moved one place on along dim, with `first` at its beginning. */
ebb_tensor *ebb__shifted(ebb_tensor *t, int64_t dim, double first);

#endif
