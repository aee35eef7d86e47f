//===- Trust.cpp - Which artifacts' code this user may run ----------------===//
//
// Permissions are checked on the open descriptor's own record and on the directory, so that another
// user of the machine who may write into a shared cache cannot vouch for code.
//
//===----------------------------------------------------------------------===//
#include "lib/Artifact/Trust.h"

#include "lib/Support/AtomicFile.h"
#include "lib/Support/File.h"

#include <cerrno>
#include <cstdlib>
#include <sys/stat.h>
#include <unistd.h>

namespace dsv2 {

namespace {

std::string trustDirectory(const std::string &cacheDirectory) {
  return joinPath(cacheDirectory, "trusted");
}

bool isOff(const std::string &cacheDirectory) {
  return cacheDirectory.empty() || cacheDirectory == "none";
}

/// Makes a directory and its parents, each for this user alone.
std::optional<Error> makeDirectories(const std::string &path) {
  for (size_t at = 1; at <= path.size(); ++at) {
    if (at != path.size() && path[at] != '/') {
      continue;
    }
    std::string prefix = path.substr(0, at);
    if (mkdir(prefix.c_str(), 0700) != 0 && errno != EEXIST && !isDirectory(prefix)) {
      return systemError("cannot create directory", prefix, errno);
    }
  }
  return std::nullopt;
}

/// Owned by this user or root, and writable by nobody else.
bool isPrivate(const std::string &path, mode_t type) {
  struct stat status;
  if (lstat(path.c_str(), &status) != 0 || (status.st_mode & S_IFMT) != type) {
    return false;
  }
  return (status.st_uid == geteuid() || status.st_uid == 0) &&
         (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

} // namespace

std::string defaultCacheDirectory() {
  const char *cache = std::getenv("XDG_CACHE_HOME");
  if (cache && cache[0] == '/') {
    return joinPath(cache, "dsv2");
  }
  const char *home = std::getenv("HOME");
  if (home && home[0] != '\0') {
    return joinPath(home, ".cache/dsv2");
  }
  return {};
}

std::optional<Error> recordTrust(const Sha256Digest &hash, const std::string &cacheDirectory) {
  if (isOff(cacheDirectory)) {
    return std::nullopt;
  }
  std::string directory = trustDirectory(cacheDirectory);
  if (std::optional<Error> error = makeDirectories(directory)) {
    return error;
  }
  std::string record = joinPath(directory, toHex(hash));
  if (std::optional<Error> error =
          writeFileAtomically(record, "", AtomicFile::Existing::RegularFile)) {
    return error;
  }
  // Whatever the umask, nobody else may vouch.
  if (chmod(directory.c_str(), 0700) != 0 || chmod(record.c_str(), 0600) != 0) {
    return systemError("cannot restrict access to", record, errno);
  }
  return std::nullopt;
}

bool isTrusted(const Sha256Digest &hash, const std::string &cacheDirectory) {
  if (isOff(cacheDirectory)) {
    return false;
  }
  std::string directory = trustDirectory(cacheDirectory);
  return isPrivate(directory, S_IFDIR) && isPrivate(joinPath(directory, toHex(hash)), S_IFREG);
}

Error untrustedError(std::string_view path, const Sha256Digest &hash) {
  return Error(ErrorKind::Untrusted, path, ": its native code (artifact ", toHex(hash),
               ") was not compiled by this user on this machine: compile it again from its model "
               "directory with this cache directory, or pass --trust-code");
}

} // namespace dsv2
