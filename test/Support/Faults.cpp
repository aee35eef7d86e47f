//===- Faults.cpp - Files when the system fails ------------------------===//
//
// The linker sends write, pwrite, fsync, rename and pread of this program through
// the functions below, which fail at a chosen call: whatever fails, and whenever,
// the old file or the complete new one is there.
//
//===----------------------------------------------------------------------===//
#include "lib/Support/AtomicFile.h"
#include "lib/Support/File.h"
#include "test/Support/TemporaryDirectory.h"

#include <algorithm>
#include <cerrno>
#include <gtest/gtest.h>
#include <unistd.h>

namespace {

/// Which of the calls from now on fails, and how; 0 means none.
int failAt = 0;
int failWith = 0;
/// Transfers at most this many bytes a call; 0 means no limit.
size_t shortTo = 0;
int calls = 0;

bool fails() {
  if (++calls != failAt) {
    return false;
  }
  errno = failWith;
  return true;
}

size_t shorten(size_t bytes) { return shortTo ? std::min(bytes, shortTo) : bytes; }

} // namespace

extern "C" {
ssize_t __real_write(int fd, const void *data, size_t bytes);
ssize_t __real_pwrite(int fd, const void *data, size_t bytes, off_t offset);
ssize_t __real_pread(int fd, void *data, size_t bytes, off_t offset);
int __real_fsync(int fd);
int __real_rename(const char *from, const char *to);

ssize_t __wrap_write(int fd, const void *data, size_t bytes) {
  return fails() ? -1 : __real_write(fd, data, shorten(bytes));
}
ssize_t __wrap_pwrite(int fd, const void *data, size_t bytes, off_t offset) {
  return fails() ? -1 : __real_pwrite(fd, data, shorten(bytes), offset);
}
ssize_t __wrap_pread(int fd, void *data, size_t bytes, off_t offset) {
  return fails() ? -1 : __real_pread(fd, data, shorten(bytes), offset);
}
int __wrap_fsync(int fd) { return fails() ? -1 : __real_fsync(fd); }
int __wrap_rename(const char *from, const char *to) {
  return fails() ? -1 : __real_rename(from, to);
}
}

using namespace dsv2;

namespace {

void arm(int at, int with, size_t limit) {
  failAt = at;
  failWith = with;
  shortTo = limit;
  calls = 0;
}

const std::string newText = "the new text, of some length";

std::optional<Error> writeNew(const std::string &path) {
  Expected<AtomicFile> file = AtomicFile::create(path);
  if (!file) {
    return file.takeError();
  }
  if (std::optional<Error> error = file->write(newText)) {
    return error;
  }
  if (std::optional<Error> error = file->writeAt(0, newText.data(), newText.size())) {
    return error;
  }
  return file->commit();
}

TEST(Faults, EveryFailureLeavesAWholeFile) {
  for (int error : {ENOSPC, EIO, EDQUOT}) {
    for (size_t limit : {size_t(0), size_t(5)}) {
      bool finished = false;
      int failures = 0;
      for (int at = 1; !finished; ++at) {
        TemporaryDirectory folder;
        std::string path = folder.write("out", "old");
        arm(at, error, limit);
        std::optional<Error> result = writeNew(path);
        finished = calls < at;
        arm(0, 0, 0);
        failures += result.has_value();
        std::string text = *readFile(path, 1000);
        EXPECT_TRUE(text == "old" || text == newText) << text;
        EXPECT_EQ(folder.entries(), 1u);
        EXPECT_TRUE(result || text == newText);
        EXPECT_EQ(result.has_value(), !finished);
        ASSERT_LT(at, 100);
      }
      EXPECT_GE(failures, 5); // write, writeAt, fsync, rename, fsync of the directory
    }
  }
}

TEST(Faults, SignalsAreContinued) {
  for (int at = 1; at < 20; ++at) {
    TemporaryDirectory folder;
    std::string path = folder.write("out", "old");
    arm(at, EINTR, 5);
    std::optional<Error> result = writeNew(path);
    bool reached = calls >= at;
    arm(0, 0, 0);
    if (result) {
      // rename does not report EINTR on Linux; there it is an error like others.
      EXPECT_NE(result->message().find("rename"), std::string::npos) << result->message();
      EXPECT_EQ(*readFile(path, 1000), "old");
    } else {
      EXPECT_EQ(*readFile(path, 1000), newText);
    }
    if (!reached) {
      break;
    }
  }
}

TEST(Faults, ReadsContinueAndReport) {
  TemporaryDirectory folder;
  Expected<File> file = File::open(folder.write("a", newText));
  ASSERT_TRUE(file);
  arm(2, EINTR, 3);
  EXPECT_EQ(*file->readAll(1000), newText);
  arm(2, EIO, 3);
  Expected<std::string> text = file->readAll(1000);
  arm(0, 0, 0);
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().kind(), ErrorKind::Io);
}

} // namespace
