# For `conan create . --profile tests/consumers/conan/system.profile`: the compiler and the libraries of this machine, nothing downloaded.
[settings]
os=Linux
arch={{ detect_api.detect_arch() }}
{% set compiler, version, compiler_exe = detect_api.detect_default_compiler() %}
compiler={{ compiler }}
compiler.version={{ detect_api.default_compiler_version(compiler, version) }}
compiler.libcxx=libstdc++11
compiler.cppstd=20
build_type=Release

[platform_requires]
eigen/3.4.0
nlohmann_json/3.11.2
xtensor/0.24.3
cairo/1.16.0

[conf]
tools.cmake.cmake_layout:test_folder=$TMP
