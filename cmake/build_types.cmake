# Build types: besides CMake's own, Asan (address and undefined behaviour), Tsan (threads) and Fuzz (Asan with what
# libFuzzer follows; clang only). A preset is a build type in a folder of its own, so that CMakePresets.json and ./dev have
# no flags to keep in step.

include(CheckCCompilerFlag)
include(CheckCSourceCompiles)
include(CheckLinkerFlag)
get_property(multi_config GLOBAL PROPERTY GENERATOR_IS_MULTI_CONFIG)
if(NOT multi_config AND NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Release, Debug, Asan, Tsan or Fuzz" FORCE)
endif()

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

# No errno and no traps from floating point: both hinder vectorization and Ebb uses neither. Contraction to fused
# multiply-adds is off, so that a formula rounds alike with every compiler and CPU; kernels that want one call fma().
# -O2: what -O3 adds (loops copied for each combination of conditions, vector loops for the last few elements of vector
# loops) made the kernels three times as large and no faster. GCC's -O2 vectorizes only what costs it no size at all.
set(release_flags -O2 -fno-math-errno -fno-trapping-math)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    list(APPEND release_flags -ftree-vectorize -fvect-cost-model=dynamic --param=vect-epilogues-nomask=0)
    # Code begins where it comes to lie: filling up to multiples of 16 bytes takes 45 kB, and no time can be seen in it.
    list(APPEND release_flags -falign-functions=1 -falign-loops=1 -falign-jumps=1 -falign-labels=1)
endif()
# The size of code before all; but large structs cleared and copied by the C library, not by rep stos, which starts slowly.
set(EBB_SMALL_FLAGS -Os)
check_c_compiler_flag(-mstringop-strategy=libcall EBB_HAVE_STRINGOP_FLAG)
if(EBB_HAVE_STRINGOP_FLAG)
    list(APPEND EBB_SMALL_FLAGS -mstringop-strategy=libcall)
endif()
set(sanitizer_flags -O1 -g -fno-omit-frame-pointer -fno-optimize-sibling-calls)
set(asan_flags ${sanitizer_flags} -fsanitize=address,undefined -fno-sanitize-recover=all)
set(tsan_flags ${sanitizer_flags} -fsanitize=thread)
# Fuzzed inputs reach new code in the layers above the kernels, which would take minutes to compile with all this.
set(fuzz_flags ${asan_flags} -fsanitize=fuzzer-no-link)
set(fuzz_kernel "$<BOOL:$<TARGET_PROPERTY:EBB_KERNELS>>")
set(CMAKE_C_FLAGS_RELEASE "-DNDEBUG")

# The operators' table is full of pointers: packed, their relocations take a fiftieth. glibc knows the format since 2.36.
check_linker_flag(C LINKER:-z,pack-relative-relocs EBB_HAVE_PACK_FLAG)
check_c_source_compiles("
    #include <features.h>
    #if !__GLIBC_PREREQ(2, 36)
    #error older
    #endif
    int main(void) { return 0; }" EBB_HAVE_RELR_LOADER)
if(EBB_HAVE_PACK_FLAG AND EBB_HAVE_RELR_LOADER)
    set(EBB_HAVE_PACKED_RELOCATIONS TRUE)
endif()
# Calls between the library's own functions are direct, also of those that it exports: nobody replaces one.
check_linker_flag(C LINKER:-Bsymbolic-functions EBB_HAVE_SYMBOLIC_FLAG)

add_library(ebb_flags INTERFACE)
target_compile_options(ebb_flags INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes $<$<BOOL:${EBB_WERROR}>:-Werror>
    -ffp-contract=off "$<$<CONFIG:Release>:${release_flags}>" "$<$<CONFIG:Asan>:${asan_flags}>"
    "$<$<CONFIG:Tsan>:${tsan_flags}>" "$<$<AND:$<CONFIG:Fuzz>,${fuzz_kernel}>:-O1>"
    "$<$<AND:$<CONFIG:Fuzz>,$<NOT:${fuzz_kernel}>>:${fuzz_flags}>")
target_link_options(ebb_flags INTERFACE "$<$<CONFIG:Asan>:${asan_flags}>" "$<$<CONFIG:Tsan>:${tsan_flags}>"
                    "$<$<CONFIG:Fuzz>:${fuzz_flags}>")

if(CMAKE_BUILD_TYPE MATCHES "^(Asan|Tsan|Fuzz)$")
    set(EBB_SANITIZED TRUE)
else()
    set(EBB_SANITIZED FALSE)
endif()
