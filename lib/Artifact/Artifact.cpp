//===- Artifact.cpp - Reading and writing .dsv2 files ---------------------===//
//
// Container, metadata and semantic pass in one order. A read program is encoded again and compared:
// so a file has the one form that the writer gives it, and writing what was read gives the same
// bytes.
//
//===----------------------------------------------------------------------===//
#include "lib/Artifact/Artifact.h"

#include "lib/Artifact/Container.h"
#include "lib/Artifact/Limits.h"
#include "lib/Artifact/Metadata.h"
#include "lib/Artifact/VerifyProgram.h"
#include "lib/Support/AtomicFile.h"
#include "lib/Support/File.h"

#include <cstring>

namespace dsv2 {

namespace {

/// The image sections of the variants: equal images are one section, in the order of first use.
std::vector<uint32_t> numberImages(const Program &program, std::vector<const Image *> &unique) {
  std::vector<uint32_t> numbers;
  for (const Variant &variant : program.variants) {
    uint32_t number = 0;
    while (number < unique.size() && unique[number]->bytes != variant.image.bytes) {
      ++number;
    }
    if (number == unique.size()) {
      unique.push_back(&variant.image);
    }
    numbers.push_back(number);
  }
  return numbers;
}

Expected<Artifact> assemble(const ByteSource &source, uint64_t length) {
  Expected<Container> container = readContainer(source, length);
  if (!container) {
    return container.takeError();
  }
  Expected<DecodedMetadata> decoded = decodeMetadata(container->sections[0].bytes);
  if (!decoded) {
    return decoded.takeError();
  }
  Artifact artifact;
  artifact.hash = container->hash;
  artifact.fileBytes = length;
  artifact.program = std::move(decoded->program);
  uint64_t imageBytes = 0;
  size_t images = container->sections.size() - 1;
  for (size_t i = 0; i < artifact.program.variants.size(); ++i) {
    uint32_t number = decoded->images[i];
    if (number >= images) {
      return Error(ErrorKind::InvalidFile, "variant ", i, " has image ", number, " of ", images);
    }
    const std::vector<uint8_t> &bytes = container->sections[number + 1].bytes;
    imageBytes += bytes.size();
    if (imageBytes > limits::kImageBytes) { // before they are copied for each variant
      return Error(ErrorKind::Limit, imageBytes, " bytes of images, at most ", limits::kImageBytes,
                   " are allowed");
    }
    artifact.program.variants[i].image.bytes = bytes;
  }
  if (std::optional<Error> error = verifyProgram(artifact.program)) {
    return *error;
  }
  std::vector<const Image *> unique;
  std::vector<uint32_t> numbers = numberImages(artifact.program, unique);
  if (unique.size() != images || numbers != decoded->images ||
      encodeMetadata(artifact.program, numbers) != container->sections[0].bytes) {
    return Error(ErrorKind::InvalidFile, "metadata is not in canonical form");
  }
  return artifact;
}

} // namespace

Expected<Artifact> readArtifact(const std::string &path) {
  Expected<File> file = File::open(path);
  if (!file) {
    return file.takeError();
  }
  ByteSource source = [&](uint64_t offset, void *into, uint64_t bytes) {
    return file->read(offset, into, bytes);
  };
  Expected<Artifact> artifact = assemble(source, file->size());
  if (!artifact) {
    // An Io error already names the file.
    return artifact.error().kind() == ErrorKind::Io ? artifact.takeError()
                                                    : artifact.error().within(path);
  }
  return artifact;
}

Expected<Artifact> parseArtifact(const void *data, uint64_t bytes, std::string_view name) {
  ByteSource source = [&](uint64_t offset, void *into, uint64_t count) -> std::optional<Error> {
    if (count != 0) {
      std::memcpy(into, static_cast<const uint8_t *>(data) + offset, count);
    }
    return std::nullopt;
  };
  Expected<Artifact> artifact = assemble(source, bytes);
  if (!artifact) {
    return artifact.error().within(name);
  }
  return artifact;
}

Expected<std::vector<uint8_t>> serializeArtifact(const Program &program) {
  if (std::optional<Error> error = verifyProgram(program)) {
    return *error;
  }
  std::vector<const Image *> unique;
  std::vector<uint32_t> numbers = numberImages(program, unique);
  std::vector<Section> sections;
  sections.push_back({SectionKind::Metadata, 64, encodeMetadata(program, numbers)});
  if (sections[0].bytes.size() > limits::kMetadataBytes) {
    return Error(ErrorKind::Limit, "metadata has ", sections[0].bytes.size(), " bytes, at most ",
                 limits::kMetadataBytes, " are allowed");
  }
  for (const Image *image : unique) {
    sections.push_back({SectionKind::Image, limits::kPageBytes, image->bytes});
  }
  return writeContainer(sections);
}

Sha256Digest artifactHash(const std::vector<uint8_t> &bytes) {
  Sha256Digest hash{};
  if (bytes.size() >= kHeaderBytes) {
    std::memcpy(hash.data(), bytes.data() + kHeaderHashOffset, hash.size());
  }
  return hash;
}

Expected<Sha256Digest> writeArtifact(const std::string &path, const Program &program) {
  Expected<std::vector<uint8_t>> bytes = serializeArtifact(program);
  if (!bytes) {
    return bytes.takeError();
  }
  std::string_view content(reinterpret_cast<const char *>(bytes->data()), bytes->size());
  if (std::optional<Error> error = writeFileAtomically(path, content)) {
    return *error;
  }
  return artifactHash(*bytes);
}

} // namespace dsv2
