"""diamond as a Conan 2 package: headers, and diamond's own CMake configuration files."""

import os
import re

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.cmake import CMake, CMakeDeps, CMakeToolchain, cmake_layout
from conan.tools.files import copy, load

required_conan_version = ">=2.1"


class Diamond(ConanFile):
    name = "diamond"
    description = "Reward alignment of flow and diffusion models"
    license = "MIT"
    topics = ("diffusion-models", "flow-matching", "sequential-monte-carlo", "cuda", "header-only")
    package_type = "header-library"
    settings = "os", "arch", "compiler", "build_type"
    # A component of diamond each, and what it needs beside a C++20 compiler. The package has none of diamond::thrust,
    # diamond::torch, diamond::openvino, diamond::mpi and diamond::cuda: install by CMake where what they need is.
    options = {"eigen": [True, False], "io": [True, False], "plot": [True, False]}
    default_options = {"eigen": True, "io": True, "plot": False}
    exports_sources = "include/*", "cmake/*", "CMakeLists.txt", "LICENSE"
    test_package_folder = os.path.join("tests", "consumers", "conan")

    def set_version(self):
        header = load(self, os.path.join(self.recipe_folder, "include", "diamond", "core", "version.hpp"))
        self.version = ".".join(re.findall(r"define DIAMOND_VERSION_\w+ (\d+)", header))

    def requirements(self):
        if self.options.eigen:
            self.requires("eigen/[>=3.4.0 <4]")
        if self.options.io:
            self.requires("nlohmann_json/[>=3.10 <4]")
            self.requires("xtensor/[>=0.24 <0.28]")
        if self.options.plot:
            self.requires("cairo/[>=1.16 <2]")

    def validate(self):
        check_min_cppstd(self, 20)

    def layout(self):
        cmake_layout(self)

    def generate(self):
        toolchain = CMakeToolchain(self)
        for what in ("TESTS", "EXAMPLES", "BENCHMARKS"):
            toolchain.cache_variables[f"DIAMOND_BUILD_{what}"] = False
        toolchain.cache_variables["DIAMOND_CUDA"] = False
        # The options decide what is installed, not what this machine happens to have.
        unwanted = ["thrust_headers", "Torch", "OpenVINO", "MPI"]
        unwanted += [] if self.options.eigen else ["Eigen3"]
        unwanted += [] if self.options.io else ["nlohmann_json", "xtensor"]
        unwanted += [] if self.options.plot else ["cairo"]
        for name in unwanted:
            toolchain.cache_variables[f"CMAKE_DISABLE_FIND_PACKAGE_{name}"] = True
        toolchain.generate()
        CMakeDeps(self).generate()

    def package(self):
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))
        cmake = CMake(self)
        cmake.configure()
        cmake.install()

    def package_id(self):
        # Headers: the same package for every compiler and build type.
        del self.info.settings.compiler
        del self.info.settings.build_type
        del self.info.settings.arch
        del self.info.settings.os

    def package_info(self):
        # diamondConfig.cmake, which knows the components, is found as it is.
        self.cpp_info.set_property("cmake_find_mode", "none")
        self.cpp_info.builddirs.append(os.path.join("lib", "cmake", "diamond"))
        self.cpp_info.bindirs = []
        self.cpp_info.libdirs = []
