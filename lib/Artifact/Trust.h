//===- Trust.h - Which artifacts' code this user may run --------*- C++ -*-===//
//
// Native code runs only where something vouches for it. The record is an empty file named by the
// artifact's hash in the cache directory of the user who compiled it: whoever can write there can
// run code anyway.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_LIB_ARTIFACT_TRUST_H
#define DSV2_LIB_ARTIFACT_TRUST_H

#include "lib/Support/Error.h"
#include "lib/Support/Sha256.h"

#include <optional>
#include <string>

namespace dsv2 {

/// $XDG_CACHE_HOME/dsv2, else $HOME/.cache/dsv2, else empty (then nothing is recorded or trusted).
/// A relative XDG_CACHE_HOME is ignored, as the XDG specification wants.
std::string defaultCacheDirectory();

/// Records the artifact in CACHE/trusted/HASH, making the directories (mode 0700) as needed. An
/// empty or "none" directory records nothing.
std::optional<Error> recordTrust(const Sha256Digest &hash, const std::string &cacheDirectory);

/// Whether it is recorded there. The record and its directory must belong to this user (or root)
/// and be writable by nobody else; otherwise it counts as absent.
bool isTrusted(const Sha256Digest &hash, const std::string &cacheDirectory);

/// The error for an artifact that is not trusted; names the ways out.
Error untrustedError(std::string_view path, const Sha256Digest &hash);

} // namespace dsv2

#endif // DSV2_LIB_ARTIFACT_TRUST_H
