/* The version of the library. */
#include "base/base.h"

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

const char *ebb_version(void) {
    return TEXT(EBB_VERSION_MAJOR) "." TEXT(EBB_VERSION_MINOR) "." TEXT(EBB_VERSION_PATCH);
}
