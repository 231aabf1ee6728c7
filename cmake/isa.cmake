# src/kernel/*.isa.c are compiled once for each instruction set that the target and the compiler know, with
# EBB_ISA_NAME=baseline|avx2|avx512; which copy runs is chosen by CPU at run time. *_bf16.isa.c are for avx512bf16 only,
# which has nothing else of its own. The library gets EBB_HAVE_ISA_<NAME>.

set(isa_flags_baseline "")
set(isa_flags_avx2 -mavx2 -mfma -mf16c)
set(isa_flags_avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx2 -mfma -mf16c -mprefer-vector-width=512)
set(isa_flags_avx512bf16 ${isa_flags_avx512} -mavx512bf16)

option(EBB_WITH_ISA "Compile kernels for AVX2 and AVX-512 besides the baseline, on x86-64" ON)
set(EBB_ISAS baseline)
check_c_source_compiles("
    #if !defined(__x86_64__)
    #error not x86-64
    #endif
    int main(void) { return 0; }" EBB_TARGET_X86_64)
if(EBB_WITH_ISA AND EBB_TARGET_X86_64)
    foreach(isa avx2 avx512 avx512bf16)
        list(JOIN isa_flags_${isa} " " flags)
        check_c_compiler_flag("${flags}" EBB_COMPILER_HAS_${isa})
        if(EBB_COMPILER_HAS_${isa})
            list(APPEND EBB_ISAS ${isa})
        endif()
    endforeach()
endif()

# Kernels call nothing that could unwind through them.
set(kernel_flags "")
check_c_compiler_flag(-fno-asynchronous-unwind-tables EBB_HAVE_UNWIND_FLAG)
if(EBB_HAVE_UNWIND_FLAG)
    list(APPEND kernel_flags "$<$<CONFIG:Release>:-fno-asynchronous-unwind-tables>")
endif()

# The code behind a loop goes on from where its pointers are, rather than compute that once more.
check_c_compiler_flag(-fno-tree-scev-cprop EBB_HAVE_FINAL_VALUE_FLAG)
if(EBB_HAVE_FINAL_VALUE_FLAG)
    list(APPEND kernel_flags "$<$<CONFIG:Release>:-fno-tree-scev-cprop>")
endif()

# GCC places 64-byte vectors in the fake stack frames of this check at multiples of 32.
check_c_compiler_flag(--param=asan-use-after-return=0 EBB_HAVE_FAKE_STACK_FLAG)
if(EBB_HAVE_FAKE_STACK_FLAG)
    list(APPEND kernel_flags "$<$<CONFIG:Asan>:--param=asan-use-after-return=0>")
endif()

set(EBB_ISA_DEFINITIONS "")
foreach(isa ${EBB_ISAS})
    string(TOUPPER EBB_HAVE_ISA_${isa}=1 definition)
    list(APPEND EBB_ISA_DEFINITIONS ${definition})
endforeach()

# Where AVX2 is compiled too, the baseline's copy is what runs on x86 CPUs from before 2013: small rather than fast.
add_library(ebb_isa_small INTERFACE)
if(avx2 IN_LIST EBB_ISAS)
    target_compile_options(ebb_isa_small INTERFACE "$<$<CONFIG:Release>:${EBB_SMALL_FLAGS}>")
endif()
set(isa_only_bf16 "_bf16\\.isa\\.c$")
# Loops whose results are narrower than their operands gain nothing by AVX-512: AVX2's are used (dispatch.c).
set(isa_without_avx512 "/(compare|cast)\\.isa\\.c$")

# Append the objects of `sources`, for each instruction set, to the list named by ret_objects.
function(ebb_add_isa_objects ret_objects sources)
    set(objects ${${ret_objects}})
    if(sources)
        foreach(isa ${EBB_ISAS})
            set(isa_sources ${sources})
            if(isa STREQUAL avx512bf16)
                list(FILTER isa_sources INCLUDE REGEX "${isa_only_bf16}")
            else()
                list(FILTER isa_sources EXCLUDE REGEX "${isa_only_bf16}")
            endif()
            if(isa STREQUAL avx512)
                list(FILTER isa_sources EXCLUDE REGEX "${isa_without_avx512}")
            endif()
            add_library(ebb_objects_${isa} OBJECT ${isa_sources})
            target_link_libraries(ebb_objects_${isa} PRIVATE ebb_internal)
            if(isa STREQUAL baseline)
                target_link_libraries(ebb_objects_${isa} PRIVATE ebb_isa_small) # after the flags that it overrides
            endif()
            target_compile_options(ebb_objects_${isa} PRIVATE ${isa_flags_${isa}} ${kernel_flags})
            target_compile_definitions(ebb_objects_${isa} PRIVATE EBB_ISA_NAME=${isa})
            set_target_properties(ebb_objects_${isa} PROPERTIES POSITION_INDEPENDENT_CODE ON
                                  C_VISIBILITY_PRESET hidden EBB_KERNELS ON)
            list(APPEND objects $<TARGET_OBJECTS:ebb_objects_${isa}>)
        endforeach()
    endif()
    set(${ret_objects} ${objects} PARENT_SCOPE)
endfunction()
