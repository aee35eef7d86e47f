//===- TemporaryDirectory.h - A folder that a test may fill -----*- C++ -*-===//
//
// Made under TMPDIR (or /tmp), removed with everything in it at the end.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_TEST_SUPPORT_TEMPORARYDIRECTORY_H
#define DSV2_TEST_SUPPORT_TEMPORARYDIRECTORY_H

#include "lib/Support/File.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace dsv2 {

class TemporaryDirectory {
public:
  TemporaryDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "dsv2-test-XXXXXX").string();
    folder = ::mkdtemp(pattern.data()) ? pattern : std::string();
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory &) = delete;
  TemporaryDirectory &operator=(const TemporaryDirectory &) = delete;

  const std::string &path() const { return folder; }
  std::string operator/(std::string_view name) const { return joinPath(folder, name); }

  /// Writes a file and gives its path.
  std::string write(std::string_view name, std::string_view content) const {
    std::string target = *this / name;
    std::filesystem::create_directories(std::filesystem::path(target).parent_path());
    std::ofstream(target, std::ios::binary) << content;
    return target;
  }

  /// The number of entries, temporary files included.
  size_t entries() const {
    size_t count = 0;
    for ([[maybe_unused]] const auto &entry : std::filesystem::directory_iterator(folder)) {
      ++count;
    }
    return count;
  }

private:
  std::string folder;
};

} // namespace dsv2

#endif // DSV2_TEST_SUPPORT_TEMPORARYDIRECTORY_H
