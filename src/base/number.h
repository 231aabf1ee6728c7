/* Numbers that are given as arguments, as integers: exactly where they are whole, of floating ones the part before the
 * point, or the nearest int64; of NaN 0. */
#ifndef EBB_BASE_NUMBER_H
#define EBB_BASE_NUMBER_H

#include <ebb/opdef.h>

static inline int64_t ebb__whole(const ebb_setting *s) {
    if (s->dtype != EBB_F64) return s->whole;
    if (s->value != s->value) return 0;
    return s->value < -0x1p63 ? INT64_MIN : s->value < 0x1p63 ? (int64_t)s->value : INT64_MAX;
}

static inline ebb_setting ebb__negated(ebb_setting s) {
    s.value = -s.value;
    s.whole = (int64_t)(0 - (uint64_t)s.whole);
    return s;
}

#endif
