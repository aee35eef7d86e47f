//===- Container.cpp - Header, section table, sections --------------------===//
//
// Reading trusts nothing before its hash: the table is read only after its size was checked against
// the length, a section only after the table's hash and the layout were.
//
//===----------------------------------------------------------------------===//
#include "lib/Artifact/Container.h"

#include "lib/Artifact/Limits.h"
#include "lib/Support/CheckedMath.h"

#include <algorithm>
#include <cstring>

namespace dsv2 {

namespace {

/// Not text (a high bit), and broken by transfers that change line ends.
constexpr uint8_t kMagic[8] = {0x89, 'D', 'S', 'V', '2', '\r', '\n', 0x1a};
constexpr uint64_t kMetadataAlignment = 64;
constexpr uint64_t kImageAlignment = limits::kPageBytes;
/// The metadata and an image for each variant.
constexpr uint64_t kMaxSections = 1 + limits::kVariants;

/// Offsets in the header; the bytes from kReserved to the hash are zero.
enum HeaderField : uint64_t {
  kMagicAt = 0,
  kVersionAt = 8,
  kCountAt = 12,
  kLengthAt = 16,
  kTableAt = 24,
  kReservedAt = 32,
};
/// Offsets in a table entry.
enum EntryField : uint64_t {
  kKindAt = 0,
  kFlagsAt = 4, // zero
  kOffsetAt = 8,
  kSizeAt = 16,
  kAlignmentAt = 24,
  kHashAt = 32,
};

void putLE(std::vector<uint8_t> &out, uint64_t at, uint64_t value, unsigned bytes) {
  for (unsigned i = 0; i < bytes; ++i) {
    out[at + i] = static_cast<uint8_t>(value >> (8 * i));
  }
}

uint64_t getLE(const std::vector<uint8_t> &in, uint64_t at, unsigned bytes) {
  uint64_t value = 0;
  for (unsigned i = 0; i < bytes; ++i) {
    value |= static_cast<uint64_t>(in[at + i]) << (8 * i);
  }
  return value;
}

uint64_t alignUp(uint64_t value, uint64_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

/// The hash in the header: over the header before it, then the table.
Sha256Digest seal(const std::vector<uint8_t> &front) {
  Sha256 hash;
  hash.update(front.data(), kHeaderHashOffset);
  hash.update(front.data() + kHeaderBytes, front.size() - kHeaderBytes);
  return hash.finish();
}

template <typename... Parts> Error invalid(const Parts &...parts) {
  return Error(ErrorKind::InvalidFile, parts...);
}

struct Entry {
  SectionKind kind;
  uint64_t offset, size, alignment;
  Sha256Digest hash;
};

/// Reads header and table into `front`, checks all but the table's content.
Expected<std::vector<uint8_t>> readFront(const ByteSource &source, uint64_t length) {
  if (length < kHeaderBytes) {
    return invalid("has ", length, " bytes, expected a header of ", kHeaderBytes);
  }
  std::vector<uint8_t> front(kHeaderBytes);
  if (std::optional<Error> error = source(0, front.data(), kHeaderBytes)) {
    return *error;
  }
  if (!std::equal(std::begin(kMagic), std::end(kMagic), front.begin())) {
    return invalid("does not begin with the magic bytes of an artifact");
  }
  uint64_t version = getLE(front, kVersionAt, 4);
  if (version != kFormatVersion) {
    return Error(ErrorKind::Unsupported, "has format version ", version, ", expected ",
                 kFormatVersion);
  }
  uint64_t total = getLE(front, kLengthAt, 8);
  if (total != length) {
    return invalid("has ", length, " bytes, the header says ", total);
  }
  uint64_t count = getLE(front, kCountAt, 4);
  if (count < 1 || count > kMaxSections) {
    return Error(ErrorKind::Limit, "has ", count, " sections, expected 1 to ", kMaxSections);
  }
  uint64_t table = getLE(front, kTableAt, 8);
  if (table != kHeaderBytes) {
    return invalid("has its section table at ", table, ", expected ", kHeaderBytes);
  }
  uint64_t tableBytes = count * kSectionEntryBytes;
  if (length - kHeaderBytes < tableBytes) {
    return invalid("ends within the section table");
  }
  if (std::any_of(front.begin() + kReservedAt, front.begin() + kHeaderHashOffset,
                  [](uint8_t byte) { return byte != 0; })) {
    return invalid("has reserved header bytes that are not zero");
  }
  front.resize(kHeaderBytes + tableBytes);
  if (std::optional<Error> error = source(kHeaderBytes, front.data() + kHeaderBytes, tableBytes)) {
    return *error;
  }
  Sha256Digest expected = seal(front);
  if (std::memcmp(expected.data(), front.data() + kHeaderHashOffset, expected.size()) != 0) {
    return invalid("header or section table do not match their hash");
  }
  return front;
}

/// The table's entries, of which each begins at the first aligned offset after its predecessor.
Expected<std::vector<Entry>> readTable(const std::vector<uint8_t> &front, uint64_t length) {
  std::vector<Entry> entries;
  uint64_t end = front.size();
  for (uint64_t at = kHeaderBytes; at < front.size(); at += kSectionEntryBytes) {
    size_t number = entries.size();
    Entry entry;
    uint64_t kind = getLE(front, at + kKindAt, 4);
    uint64_t wanted =
        static_cast<uint64_t>(number == 0 ? SectionKind::Metadata : SectionKind::Image);
    if (kind != wanted) {
      return invalid("section ", number, " has kind ", kind, ", expected ", wanted);
    }
    if (getLE(front, at + kFlagsAt, 4) != 0) {
      return invalid("section ", number, " has flags, none are known");
    }
    entry.kind = static_cast<SectionKind>(kind);
    entry.offset = getLE(front, at + kOffsetAt, 8);
    entry.size = getLE(front, at + kSizeAt, 8);
    entry.alignment = getLE(front, at + kAlignmentAt, 8);
    uint64_t alignment = entry.kind == SectionKind::Metadata ? kMetadataAlignment : kImageAlignment;
    if (entry.alignment != alignment) {
      return invalid("section ", number, " has alignment ", entry.alignment, ", expected ",
                     alignment);
    }
    std::optional<uint64_t> offset = checkedAlign(end, alignment);
    if (!offset || entry.offset != *offset) {
      return invalid("section ", number, " begins at ", entry.offset, ", expected ",
                     offset.value_or(0));
    }
    if (entry.offset > length || entry.size > length - entry.offset) {
      return invalid("section ", number, " of ", entry.size, " bytes at ", entry.offset,
                     " leaves the file of ", length);
    }
    uint64_t limit =
        entry.kind == SectionKind::Metadata ? limits::kMetadataBytes : limits::kImageBytes;
    if (entry.size > limit) {
      return Error(ErrorKind::Limit, "section ", number, " has ", entry.size, " bytes, at most ",
                   limit, " are allowed");
    }
    std::memcpy(entry.hash.data(), front.data() + at + kHashAt, entry.hash.size());
    end = entry.offset + entry.size;
    entries.push_back(entry);
  }
  if (end != length) {
    return invalid("ends at ", length, ", its last section at ", end);
  }
  return entries;
}

std::optional<Error> checkPadding(const ByteSource &source, uint64_t begin, uint64_t end) {
  std::vector<uint8_t> padding(end - begin);
  if (std::optional<Error> error = source(begin, padding.data(), padding.size())) {
    return error;
  }
  if (std::any_of(padding.begin(), padding.end(), [](uint8_t byte) { return byte != 0; })) {
    return invalid("padding from ", begin, " to ", end, " is not zero");
  }
  return std::nullopt;
}

} // namespace

std::vector<uint8_t> writeContainer(const std::vector<Section> &sections) {
  std::vector<uint8_t> out(kHeaderBytes + sections.size() * kSectionEntryBytes);
  uint64_t end = out.size();
  for (size_t i = 0; i < sections.size(); ++i) {
    const Section &section = sections[i];
    uint64_t at = kHeaderBytes + i * kSectionEntryBytes;
    uint64_t offset = alignUp(end, section.alignment);
    putLE(out, at + kKindAt, static_cast<uint64_t>(section.kind), 4);
    putLE(out, at + kOffsetAt, offset, 8);
    putLE(out, at + kSizeAt, section.bytes.size(), 8);
    putLE(out, at + kAlignmentAt, section.alignment, 8);
    Sha256Digest hash = sha256(section.bytes.data(), section.bytes.size());
    std::copy(hash.begin(), hash.end(), out.begin() + static_cast<int64_t>(at + kHashAt));
    end = offset + section.bytes.size();
  }
  std::copy(std::begin(kMagic), std::end(kMagic), out.begin());
  putLE(out, kVersionAt, kFormatVersion, 4);
  putLE(out, kCountAt, sections.size(), 4);
  putLE(out, kLengthAt, end, 8);
  putLE(out, kTableAt, kHeaderBytes, 8);
  Sha256Digest hash = seal(out);
  std::copy(hash.begin(), hash.end(), out.begin() + kHeaderHashOffset);
  out.reserve(end);
  for (const Section &section : sections) {
    out.resize(alignUp(out.size(), section.alignment));
    out.insert(out.end(), section.bytes.begin(), section.bytes.end());
  }
  return out;
}

Expected<Container> readContainer(const ByteSource &source, uint64_t length) {
  Expected<std::vector<uint8_t>> front = readFront(source, length);
  if (!front) {
    return front.takeError();
  }
  Expected<std::vector<Entry>> entries = readTable(*front, length);
  if (!entries) {
    return entries.takeError();
  }
  Container container;
  std::memcpy(container.hash.data(), front->data() + kHeaderHashOffset, container.hash.size());
  uint64_t end = front->size();
  for (size_t i = 0; i < entries->size(); ++i) {
    const Entry &entry = (*entries)[i];
    if (std::optional<Error> error = checkPadding(source, end, entry.offset)) {
      return *error;
    }
    Section section{entry.kind, entry.alignment, std::vector<uint8_t>(entry.size)};
    if (std::optional<Error> error = source(entry.offset, section.bytes.data(), entry.size)) {
      return *error;
    }
    if (sha256(section.bytes.data(), section.bytes.size()) != entry.hash) {
      return invalid("section ", i, " does not match its hash");
    }
    end = entry.offset + entry.size;
    container.sections.push_back(std::move(section));
  }
  return container;
}

} // namespace dsv2
