// The bytes of an archive of one file: the code of a function, in tests.
#pragma once

#include <string>
#include <string_view>

#include "codec/zip.h"

namespace millrace::testing {

inline std::string zip_of(std::string_view name, std::string_view content) {
  codec::ZipWriter zip;
  zip.add(name, content, codec::ZipWriter::Mode::kFile);
  return *zip.finish();
}

}  // namespace millrace::testing
