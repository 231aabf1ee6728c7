# What `cmake --install` puts where: headers, libraries, the program and its page, ebb.pc, the CMake package.
include(CMakePackageConfigHelpers)

install(DIRECTORY include/ebb DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(TARGETS ebb ebb_static ebb_explain ebb_explain_static EXPORT ebb_targets
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
        RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
if(TARGET ebb_cli)
    install(TARGETS ebb_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
install(FILES cli/ebb.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 OPTIONAL)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/ebb)
install(EXPORT ebb_targets NAMESPACE ebb:: DESTINATION ${package_dir} FILE ebb-config.cmake)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/generated/ebb-config-version.cmake
                                 COMPATIBILITY SameMajorVersion)
install(FILES ${PROJECT_BINARY_DIR}/generated/ebb-config-version.cmake DESTINATION ${package_dir})

list(TRANSFORM EBB_INSTALL_DEPENDENCIES PREPEND "-l" OUTPUT_VARIABLE private)
list(JOIN private " " EBB_PC_LIBS_PRIVATE)
# Relative to the file itself, so that an installed tree may be moved; absolute where the user gave absolute folders.
set(pc_dir ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH EBB_PC_PREFIX ${pc_dir} ${CMAKE_INSTALL_PREFIX})
set(EBB_PC_PREFIX "\${pcfiledir}/${EBB_PC_PREFIX}")
string(REGEX REPLACE "/$" "" EBB_PC_PREFIX "${EBB_PC_PREFIX}")
foreach(dir INCLUDEDIR LIBDIR)
    if(IS_ABSOLUTE "${CMAKE_INSTALL_${dir}}")
        set(EBB_PC_${dir} ${CMAKE_INSTALL_${dir}})
    else()
        set(EBB_PC_${dir} "\${prefix}/${CMAKE_INSTALL_${dir}}")
    endif()
endforeach()
configure_file(cmake/ebb.pc.in generated/ebb.pc @ONLY)
configure_file(cmake/ebb-explain.pc.in generated/ebb-explain.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/generated/ebb.pc ${PROJECT_BINARY_DIR}/generated/ebb-explain.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
