# Flags of every target. ccache and mold are used where present; neither changes the result.

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1
      CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE_PROGRAM})
endif()
find_program(MOLD_PROGRAM mold)
if(MOLD_PROGRAM)
  add_link_options(-fuse-ld=mold)
endif()

add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wno-missing-field-initializers -Werror
                    -ffile-prefix-map=${CMAKE_SOURCE_DIR}=.)
# g++ 12 reports these inside the standard library at -O2 and with sanitizers, where nothing is wrong.
add_compile_options(-Wno-maybe-uninitialized -Wno-restrict -Wno-array-bounds -Wno-stringop-overflow
                    -Wno-dangling-reference -Wno-stringop-overread -Wno-free-nonheap-object)
if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
  add_compile_options(-Wthread-safety -Wno-unknown-warning-option)
endif()

if(MILLRACE_SANITIZE STREQUAL "address")
  # The checks left out cost a third of compile time and have found nothing that ASAN does not (DESIGN, compile times).
  add_compile_options(-fsanitize=address,undefined
                      -fno-sanitize=null,alignment,vptr,object-size,nonnull-attribute,returns-nonnull-attribute
                      -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
elseif(MILLRACE_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer -Wno-tsan)
  add_link_options(-fsanitize=thread)
endif()
