//===- AtomicFile.h - Files that are whole or absent ------------*- C++ -*-===//
//
// An output appears under its name complete and on disk, or not at all: it is
// written to a temporary file in the same directory, synced, renamed over the
// old one, and the directory is synced. Whatever fails, the old file stays.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_SUPPORT_ATOMICFILE_H
#define DSV2_LIB_SUPPORT_ATOMICFILE_H

#include "lib/Support/Error.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace dsv2 {

/// A file under construction. Without a successful commit() its destructor
/// removes the temporary file. Move-only.
///
/// A destination that exists and is no regular file (/dev/stdout, a pipe) is
/// written to directly, since renaming over it would replace a device. A
/// destination that is a symbolic link to a file is replaced behind the link.
class AtomicFile {
public:
  /// What a destination may be that exists.
  enum class Existing {
    Any,        ///< as above
    RegularFile ///< nothing else is written to and no link is followed: for
                ///< directories, such as a cache, where others may have put it
  };
  static Expected<AtomicFile> create(const std::string &path, Existing existing = Existing::Any);

  AtomicFile(AtomicFile &&other) noexcept;
  AtomicFile &operator=(AtomicFile &&other) noexcept;
  ~AtomicFile();

  /// Appends at the current end.
  std::optional<Error> write(const void *data, uint64_t bytes);
  std::optional<Error> write(std::string_view text) { return write(text.data(), text.size()); }

  /// Writes at `offset` without moving the end that write() appends at. Safe
  /// from several threads on ranges that do not overlap. Not for devices.
  std::optional<Error> writeAt(uint64_t offset, const void *data, uint64_t bytes);

  /// Makes the file `bytes` long, new bytes zero. Not for devices.
  std::optional<Error> resize(uint64_t bytes);

  /// Syncs and renames; the object is empty afterwards, whatever comes back.
  std::optional<Error> commit();

private:
  AtomicFile() = default;
  void discard();

  int fd = -1;
  std::string destination;
  /// Empty when the destination itself is written to.
  std::string temporary;
};

/// Writes a whole file atomically.
std::optional<Error> writeFileAtomically(const std::string &path, std::string_view content,
                                         AtomicFile::Existing existing = AtomicFile::Existing::Any);

} // namespace dsv2

#endif // DSV2_LIB_SUPPORT_ATOMICFILE_H
