# One export file a component, so that a project asks, and pays, for what it uses.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/diamond)

install(TARGETS diamond EXPORT diamondTargets FILE_SET HEADERS)
install(EXPORT diamondTargets NAMESPACE diamond:: DESTINATION ${package_dir})
foreach(component ${diamond_components})
  install(TARGETS diamond_${component} EXPORT diamond_${component}Targets)
  install(EXPORT diamond_${component}Targets NAMESPACE diamond:: DESTINATION ${package_dir})
endforeach()

configure_package_config_file(cmake/diamondConfig.cmake.in ${PROJECT_BINARY_DIR}/diamondConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/diamondConfigVersion.cmake COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES ${PROJECT_BINARY_DIR}/diamondConfig.cmake ${PROJECT_BINARY_DIR}/diamondConfigVersion.cmake
              cmake/Findcairo.cmake cmake/Findthrust_headers.cmake DESTINATION ${package_dir})
