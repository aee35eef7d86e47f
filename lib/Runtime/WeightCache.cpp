//===- WeightCache.cpp - Prepared weights on disk -------------------------===//
//
// Layout, little-endian:
//   magic "DSV2WGT1" | payload bytes u64 | piece bytes u64 | key [32]
//   | SHA-256 of each piece of the payload [32 each] | SHA-256 of all before [32]
//   | zeros up to a multiple of 4096 | payload
// The file is read with pread, not mapped: it may change while it is open.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/WeightCache.h"

#include "lib/Runtime/ParallelFor.h"
#include "lib/Support/AtomicFile.h"
#include "lib/Support/File.h"

#include <algorithm>
#include <chrono>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <filesystem>

using namespace dsv2;

static constexpr char kMagic[8] = {'D', 'S', 'V', '2', 'W', 'G', 'T', '1'};
static constexpr uint64_t kPieceBytes = 4u << 20;
static constexpr uint64_t kFixedBytes = sizeof(kMagic) + 8 + 8 + 32;

Sha256Digest dsv2::weightCacheKey(const std::vector<Weight> &weights,
                                  const Checkpoint &checkpoint) {
  Sha256 hash;
  hash.update(std::string_view(kMagic, sizeof(kMagic)));
  auto number = [&](int64_t value) { hash.updateU64(static_cast<uint64_t>(value)); };
  number(static_cast<int64_t>(weights.size()));
  for (const Weight &weight : weights) {
    hash.updateField(weight.name);
    number(static_cast<int64_t>(weight.type));
    for (int64_t value : {weight.layers.begin, weight.layers.end, weight.layers.step,
                          int64_t(weight.layers.global), weight.elements}) {
      number(value);
    }
    number(static_cast<int64_t>(weight.sources.size()));
    for (const WeightSource &source : weight.sources) {
      hash.updateField(source.name);
      number(static_cast<int64_t>(source.type));
      number(static_cast<int64_t>(source.shape.size()));
      for (int64_t extent : source.shape) {
        number(extent);
      }
      hash.updateField(source.scales);
      number(source.blockRows);
      number(source.blockColumns);
    }
    number(static_cast<int64_t>(weight.copies.size()));
    for (const WeightCopy &copy : weight.copies) {
      for (int64_t value : {int64_t(copy.source), copy.srcOffset, copy.dstOffset, copy.expertBegin,
                            copy.expertCount, copy.expertDstStride, int64_t(copy.dims.size())}) {
        number(value);
      }
      for (const CopyDim &dim : copy.dims) {
        number(dim.extent);
        number(dim.srcStride);
        number(dim.dstStride);
      }
    }
  }
  number(static_cast<int64_t>(checkpoint.sources().size()));
  for (const SourceIdentity &source : checkpoint.sources()) {
    // The whole path, links resolved: two copies that an archive made in the same
    // second differ in nothing else.
    std::string path = joinPath(checkpoint.directory(), source.name);
    if (char *resolved = realpath(path.c_str(), nullptr)) {
      path = resolved;
      std::free(resolved);
    }
    hash.updateField(path);
    hash.updateU64(source.size);
    number(source.mtimeNs);
    hash.update(source.headerHash.data(), source.headerHash.size());
  }
  return hash.finish();
}

std::string dsv2::weightCachePath(const std::string &directory, const Sha256Digest &key) {
  return joinPath(directory, concat("weights-", toHex(key), ".bin"));
}

namespace {
/// Sizes of a file with a payload of `bytes`.
struct Shape {
  explicit Shape(uint64_t bytes)
      : pieces((bytes + kPieceBytes - 1) / kPieceBytes), sealed(kFixedBytes + pieces * 32),
        payload((sealed + 32 + 4095) / 4096 * 4096), file(payload + bytes) {}
  uint64_t pieces;
  uint64_t sealed;  ///< bytes under the header's hash
  uint64_t payload; ///< where it begins
  uint64_t file;
};
} // namespace

/// All of the header but the hashes of the pieces.
static std::vector<uint8_t> makeHeader(const Shape &shape, const Sha256Digest &key,
                                       uint64_t bytes) {
  std::vector<uint8_t> header(shape.payload, 0);
  std::memcpy(header.data(), kMagic, sizeof(kMagic));
  std::memcpy(header.data() + 8, &bytes, 8);
  uint64_t piece = kPieceBytes;
  std::memcpy(header.data() + 16, &piece, 8);
  std::memcpy(header.data() + 24, key.data(), key.size());
  return header;
}

WeightCacheRead dsv2::readWeightCache(const std::string &path, const Sha256Digest &key,
                                      void *destination, uint64_t bytes, unsigned threads) {
  if (!pathExists(path)) {
    return {};
  }
  auto refuse = [](const auto &...parts) { return WeightCacheRead{false, concat(parts...)}; };
  Expected<File> file = File::open(path);
  if (!file) {
    return refuse(file.error().message());
  }
  Shape shape(bytes);
  if (file->size() != shape.file) {
    return refuse(path, ": ", file->size(), " bytes instead of ", shape.file);
  }
  std::vector<uint8_t> header(shape.payload);
  if (std::optional<Error> failure = file->read(0, header.data(), header.size())) {
    return refuse(failure->message());
  }
  Sha256Digest seal = sha256(header.data(), shape.sealed);
  if (std::memcmp(header.data(), makeHeader(shape, key, bytes).data(), kFixedBytes) != 0 ||
      std::memcmp(header.data() + shape.sealed, seal.data(), seal.size()) != 0) {
    return refuse(path, ": damaged header");
  }
  std::optional<Error> failure =
      parallelFor(threads, shape.pieces, [&](uint64_t i) -> std::optional<Error> {
        uint64_t at = i * kPieceBytes;
        uint64_t count = std::min(kPieceBytes, bytes - at);
        uint8_t *into = static_cast<uint8_t *>(destination) + at;
        if (std::optional<Error> failure = file->read(shape.payload + at, into, count)) {
          return failure;
        }
        Sha256Digest digest = sha256(into, count);
        if (std::memcmp(digest.data(), header.data() + kFixedBytes + i * 32, 32) != 0) {
          return Error(ErrorKind::InvalidFile, path, ": damaged at byte ", shape.payload + at);
        }
        return std::nullopt;
      });
  if (failure) {
    return refuse(failure->message());
  }
  return {true, ""};
}

/// A run that was killed while it wrote leaves a file as large as the weights. A
/// day without a write says that nobody writes it any more.
static void removeAbandoned(const std::filesystem::path &directory) {
  std::error_code code;
  auto old = std::filesystem::file_time_type::clock::now() - std::chrono::hours(24);
  std::filesystem::directory_iterator at(directory, code), end;
  for (; !code && at != end; at.increment(code)) {
    std::error_code ignored;
    bool ours = at->path().filename().string().rfind(".dsv2-tmp-", 0) == 0;
    if (ours && at->symlink_status(ignored).type() == std::filesystem::file_type::regular &&
        at->last_write_time(ignored) < old && !ignored) {
      std::filesystem::remove(at->path(), ignored);
    }
  }
}

std::optional<Error> dsv2::writeWeightCache(const std::string &path, const Sha256Digest &key,
                                            const void *source, uint64_t bytes, unsigned threads) {
  std::error_code code;
  std::filesystem::path parent = std::filesystem::path(path).parent_path();
  if (!std::filesystem::create_directories(parent, code) && code) {
    return Error(ErrorKind::Io, "cannot create directory ", quote(parent.string()), ": ",
                 code.message());
  }
  removeAbandoned(parent);
  Expected<AtomicFile> file = AtomicFile::create(path, AtomicFile::Existing::RegularFile);
  if (!file) {
    return file.takeError();
  }
  Shape shape(bytes);
  std::vector<uint8_t> header = makeHeader(shape, key, bytes);
  if (std::optional<Error> failure = file->resize(shape.file)) {
    return failure;
  }
  std::optional<Error> failure =
      parallelFor(threads, shape.pieces, [&](uint64_t i) -> std::optional<Error> {
        uint64_t at = i * kPieceBytes;
        uint64_t count = std::min(kPieceBytes, bytes - at);
        const uint8_t *from = static_cast<const uint8_t *>(source) + at;
        Sha256Digest digest = sha256(from, count);
        std::memcpy(header.data() + kFixedBytes + i * 32, digest.data(), digest.size());
        return file->writeAt(shape.payload + at, from, count);
      });
  if (failure) {
    return failure;
  }
  Sha256Digest seal = sha256(header.data(), shape.sealed);
  std::memcpy(header.data() + shape.sealed, seal.data(), seal.size());
  if (std::optional<Error> failure = file->writeAt(0, header.data(), header.size())) {
    return failure;
  }
  return file->commit();
}
