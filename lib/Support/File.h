//===- File.h - Reading regular files exactly -------------------*- C++ -*-===//
//
// Model directories and artifacts are hostile: only regular files are opened
// (never a pipe or device that could block), and every read names the bytes it
// wants. Weights are read, not mapped, so a file that shrinks gives an error
// instead of SIGBUS.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_SUPPORT_FILE_H
#define DSV2_LIB_SUPPORT_FILE_H

#include "lib/Support/Error.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace dsv2 {

/// A file that is open for reading. Move-only; closed by its destructor. Reads
/// from several threads at once are safe.
class File {
public:
  /// Opens a regular file. `path` may lead through symbolic links.
  static Expected<File> open(const std::string &path);

  /// Opens `name`, a text that came from a file (a weight map), beneath
  /// `directory`. The name must be relative, without empty, "." or ".."
  /// components or NUL. Symbolic links inside the directory are followed: a
  /// Hugging Face cache consists of links, and only the owner of the directory
  /// can place one, a checkpoint's text cannot.
  static Expected<File> openBeneath(const std::string &directory, std::string_view name);

  File(File &&other) noexcept;
  File &operator=(File &&other) noexcept;
  ~File();

  /// The path it was opened by, for messages.
  const std::string &path() const { return filePath; }
  /// Bytes, as of opening.
  uint64_t size() const { return fileSize; }
  /// Time of the last change in nanoseconds since 1970, as of opening.
  int64_t mtimeNs() const { return fileMtimeNs; }
  int descriptor() const { return fd; }

  /// Reads exactly `bytes` at `offset`, or fails: a range past the file's end
  /// is InvalidFile (truncated), a failing disk is Io.
  std::optional<Error> read(uint64_t offset, void *into, uint64_t bytes) const;

  /// The whole file, refused (Limit) when it has more than `maxBytes`.
  Expected<std::string> readAll(uint64_t maxBytes) const;

private:
  File() = default;
  int fd = -1;
  uint64_t fileSize = 0;
  int64_t fileMtimeNs = 0;
  std::string filePath;
};

/// Refuses a name that could lead out of a directory; `what` names its origin.
std::optional<Error> checkRelativeName(std::string_view name, std::string_view what);

/// File::open and readAll in one.
Expected<std::string> readFile(const std::string &path, uint64_t maxBytes);

/// Whether something (of any type) is at `path`.
bool pathExists(const std::string &path);
/// Whether `path` leads to a directory.
bool isDirectory(const std::string &path);

/// "DIRECTORY/NAME", without doubling a slash.
std::string joinPath(std::string_view directory, std::string_view name);

} // namespace dsv2

#endif // DSV2_LIB_SUPPORT_FILE_H
