# cmake --install: component `program` (bin/, libexec/), which finds libtorch beside itself (scripts/package.sh) or where the build found it,
# and component `library` (headers, static libraries, the CMake package `hellora` with a target hellora::<folder> for each folder).

set(libraries hellora_settings)
foreach(folder IN ITEMS core io text kernels data tensor adapters moe model select train eval export recipe cli)
  if(TARGET hellora_${folder})
    set_target_properties(hellora_${folder} PROPERTIES EXPORT_NAME ${folder})
    list(APPEND libraries hellora_${folder})
  endif()
endforeach()
set_target_properties(hellora_settings PROPERTIES EXPORT_NAME settings)
set(package lib/cmake/hellora)
install(TARGETS ${libraries} EXPORT hellora ARCHIVE DESTINATION lib COMPONENT library)
install(EXPORT hellora NAMESPACE hellora:: FILE hellora-targets.cmake DESTINATION ${package} COMPONENT library)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/hellora DESTINATION include COMPONENT library FILES_MATCHING PATTERN "*.h")

# What pkg-config found for this build (prefix:module): its users need the same.
foreach(found IN ITEMS PCRE2:libpcre2-8 LIBEDIT:libedit ZLIB:zlib ZSTD:libzstd)
  string(REGEX REPLACE ":.*" "" prefix ${found})
  if(TARGET PkgConfig::${prefix})
    list(APPEND HELLORA_PKG_CONFIG ${found})
  endif()
endforeach()

include(CMakePackageConfigHelpers)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/hellora-config.cmake.in ${CMAKE_BINARY_DIR}/hellora-config.cmake INSTALL_DESTINATION ${package})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/hellora-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/hellora-config.cmake ${CMAKE_BINARY_DIR}/hellora-config-version.cmake DESTINATION ${package} COMPONENT library)
if(NOT HELLORA_TORCH_FREE)
  install(FILES ${CMAKE_CURRENT_LIST_DIR}/FindLibtorch.cmake DESTINATION ${package} COMPONENT library)

  set_target_properties(hellora_program PROPERTIES INSTALL_RPATH "$ORIGIN/../../lib/hellora;${HELLORA_TORCH}/lib")
  install(TARGETS hellora_main RUNTIME DESTINATION bin COMPONENT program)
  install(TARGETS hellora_program RUNTIME DESTINATION libexec/hellora COMPONENT program)
  install(DIRECTORY ${CMAKE_BINARY_DIR}/libexec/hellora/texts DESTINATION libexec/hellora COMPONENT program)
  install(FILES ${CMAKE_SOURCE_DIR}/LICENSE DESTINATION share/doc/hellora COMPONENT program)
endif()
