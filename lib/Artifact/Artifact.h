//===- Artifact.h - Reading and writing .dsv2 files -------------*- C++ -*-===//
//
// The one way in and out. A read ends with a program that has passed every check of
// docs/artifact.md, or with a typed error; a write refuses what a read would refuse, and leaves an
// old file as it was on failure.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_ARTIFACT_ARTIFACT_H
#define DSV2_LIB_ARTIFACT_ARTIFACT_H

#include "lib/Artifact/Program.h"
#include "lib/Support/Error.h"
#include "lib/Support/Sha256.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dsv2 {

/// A program and the seal of the file that it came from.
struct Artifact {
  Program program;
  /// SHA-256 over header and section table, which hold the hash of every section: names the whole
  /// content. lib/Artifact/Trust.h asks whether its code may run.
  Sha256Digest hash{};
  uint64_t fileBytes = 0;
};

/// Reads `path` into private memory and checks it. Order: length, header and table and their hash,
/// sections and their hashes, padding, FlatBuffers verifier, semantic pass, canonical form. Errors:
/// Io, InvalidFile, Limit, Unsupported (another version), each beginning with the file's name.
Expected<Artifact> readArtifact(const std::string &path);

/// The same from memory; `name` begins the errors.
Expected<Artifact> parseArtifact(const void *data, uint64_t bytes, std::string_view name);

/// The bytes of the artifact: the same for the same program. Refuses what verifyProgram refuses.
Expected<std::vector<uint8_t>> serializeArtifact(const Program &program);

/// Serializes and writes atomically; the hash for Trust.h comes back.
Expected<Sha256Digest> writeArtifact(const std::string &path, const Program &program);

/// The seal of serialized bytes (from serializeArtifact).
Sha256Digest artifactHash(const std::vector<uint8_t> &bytes);

} // namespace dsv2

#endif // DSV2_LIB_ARTIFACT_ARTIFACT_H
