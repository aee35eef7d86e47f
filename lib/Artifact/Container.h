//===- Container.h - Header, section table, sections ------------*- C++ -*-===//
//
// The outer format of a .dsv2 file: fixed little-endian header, table of sections, sections at
// aligned offsets without gaps other than zero padding, all under SHA-256. Knows nothing of what
// sections hold. docs/artifact.md has the byte layout.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_ARTIFACT_CONTAINER_H
#define DSV2_LIB_ARTIFACT_CONTAINER_H

#include "lib/Support/Error.h"
#include "lib/Support/Sha256.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dsv2 {

/// Version of the format. 0.x programs read their own only.
constexpr uint32_t kFormatVersion = 1;
constexpr uint64_t kHeaderBytes = 96;
constexpr uint64_t kSectionEntryBytes = 64;
/// The hash in the header covers the bytes before it and the table.
constexpr uint64_t kHeaderHashOffset = 64;

/// What a section holds.
enum class SectionKind : uint32_t { Metadata = 1, Image = 2 };

struct Section {
  SectionKind kind;
  uint64_t alignment; ///< power of two, of the offset in the file
  std::vector<uint8_t> bytes;
};

/// A checked container. The first section is the metadata, all others are images.
struct Container {
  std::vector<Section> sections;
  Sha256Digest hash{};
};

/// The bytes of a container with these sections.
std::vector<uint8_t> writeContainer(const std::vector<Section> &sections);

/// Where a container's bytes come from: fills `into` with `bytes` bytes from `offset` (both within
/// the length), or says why not.
using ByteSource = std::function<std::optional<Error>(uint64_t offset, void *into, uint64_t bytes)>;

/// Reads and checks a container of `length` bytes. Memory stays below `length` plus a page.
Expected<Container> readContainer(const ByteSource &source, uint64_t length);

} // namespace dsv2

#endif // DSV2_LIB_ARTIFACT_CONTAINER_H
