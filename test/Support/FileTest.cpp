//===- FileTest.cpp - Reading and writing files ---------------------------===//
//
// Exact reads, names that must not lead out of a directory, and atomic writes.
//
//===----------------------------------------------------------------------===//
#include "lib/Support/File.h"
#include "lib/Support/AtomicFile.h"
#include "test/Support/TemporaryDirectory.h"

#include <filesystem>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace dsv2;

namespace {

TEST(File, ReadsExactlyOrFails) {
  TemporaryDirectory folder;
  Expected<File> file = File::open(folder.write("a", "0123456789"));
  ASSERT_TRUE(file);
  EXPECT_EQ(file->size(), 10u);
  EXPECT_GT(file->mtimeNs(), 0);
  char buffer[8] = {};
  EXPECT_FALSE(file->read(2, buffer, 8));
  EXPECT_EQ(std::string_view(buffer, 8), "23456789");
  EXPECT_FALSE(file->read(10, buffer, 0));
  std::optional<Error> error = file->read(3, buffer, 8);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::InvalidFile);
  EXPECT_NE(error->message().find("is truncated: expected 8 bytes at offset 3"), std::string::npos);
  EXPECT_TRUE(file->read(UINT64_MAX, buffer, 8));
  EXPECT_TRUE(file->read(uint64_t(1) << 63, buffer, 8));
}

TEST(File, AFileThatShrinksIsAnError) {
  TemporaryDirectory folder;
  std::string path = folder.write("a", std::string(100'000, 'x'));
  Expected<File> file = File::open(path);
  ASSERT_TRUE(file);
  ASSERT_EQ(::truncate(path.c_str(), 10), 0);
  std::string buffer(50'000, '\0');
  std::optional<Error> error = file->read(0, buffer.data(), buffer.size());
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::InvalidFile);
  EXPECT_FALSE(file->readAll(1 << 20));
}

TEST(File, ReadAllHasALimit) {
  TemporaryDirectory folder;
  std::string path = folder.write("a", "0123456789");
  EXPECT_EQ(*readFile(path, 10), "0123456789");
  Expected<std::string> text = readFile(path, 9);
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().kind(), ErrorKind::Limit);
}

TEST(File, OnlyRegularFilesOpen) {
  TemporaryDirectory folder;
  std::string pipe = folder / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_FALSE(File::open(pipe)); // and does not wait for a writer
  EXPECT_FALSE(File::open("/dev/zero"));
  EXPECT_FALSE(File::open(folder.path()));
  Expected<File> absent = File::open(folder / "absent");
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().kind(), ErrorKind::Io);
  EXPECT_NE(absent.error().message().find("/absent': No such file"), std::string::npos);
}

TEST(File, NamesCannotLeaveTheDirectory) {
  TemporaryDirectory folder;
  folder.write("secret", "s");
  folder.write("model/a", "a");
  folder.write("model/sub/b", "b");
  std::string model = folder / "model";
  EXPECT_TRUE(File::openBeneath(model, "a"));
  EXPECT_TRUE(File::openBeneath(model, "sub/b"));
  for (std::string_view name : {"../secret", "sub/../../secret", "/etc/passwd", "", ".", "..",
                                "./a", "sub//b", "sub/", "a/."}) {
    Expected<File> file = File::openBeneath(model, name);
    ASSERT_FALSE(file) << name;
    EXPECT_EQ(file.error().kind(), ErrorKind::InvalidFile) << name;
  }
  EXPECT_FALSE(File::openBeneath(model, std::string_view("a\0b", 3)));
  EXPECT_FALSE(File::open(std::string("/tmp\0/x", 7)));
}

TEST(File, FollowsTheLinksOfACache) {
  TemporaryDirectory folder;
  folder.write("blobs/0123", "weights");
  std::filesystem::create_directories(folder / "snapshots/rev");
  std::filesystem::create_symlink("../../blobs/0123", folder / "snapshots/rev/a.safetensors");
  Expected<File> file = File::openBeneath(folder / "snapshots/rev", "a.safetensors");
  ASSERT_TRUE(file);
  EXPECT_EQ(*file->readAll(100), "weights");
  std::filesystem::create_symlink("loop", folder / "loop");
  EXPECT_FALSE(File::openBeneath(folder.path(), "loop"));
  std::filesystem::create_symlink("/dev/zero", folder / "zero");
  EXPECT_FALSE(File::openBeneath(folder.path(), "zero"));
}

TEST(AtomicFile, ReplacesOnCommitOnly) {
  TemporaryDirectory folder;
  std::string path = folder.write("out", "old");
  {
    Expected<AtomicFile> file = AtomicFile::create(path);
    ASSERT_TRUE(file);
    EXPECT_FALSE(file->write("new"));
    EXPECT_EQ(*readFile(path, 100), "old");
    EXPECT_EQ(folder.entries(), 2u);
  }
  EXPECT_EQ(*readFile(path, 100), "old");
  EXPECT_EQ(folder.entries(), 1u);

  Expected<AtomicFile> file = AtomicFile::create(path);
  ASSERT_TRUE(file);
  EXPECT_FALSE(file->resize(6));
  EXPECT_FALSE(file->writeAt(3, "abc", 3));
  EXPECT_FALSE(file->writeAt(0, "xyz", 3));
  EXPECT_FALSE(file->commit());
  EXPECT_EQ(*readFile(path, 100), "xyzabc");
  EXPECT_EQ(folder.entries(), 1u);
  EXPECT_TRUE(file->commit()); // empty by now
}

TEST(AtomicFile, KeepsModeAndLink) {
  TemporaryDirectory folder;
  std::string path = folder.write("real", "old");
  ASSERT_EQ(::chmod(path.c_str(), 0640), 0);
  std::filesystem::create_symlink("real", folder / "link");
  EXPECT_FALSE(writeFileAtomically(folder / "link", "new"));
  EXPECT_EQ(*readFile(path, 100), "new");
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "link"));
  struct stat status;
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640u);
}

TEST(AtomicFile, RefusesWhatIsNoFile) {
  TemporaryDirectory folder;
  EXPECT_TRUE(writeFileAtomically(folder.path(), "x"));
  EXPECT_TRUE(writeFileAtomically("", "x"));
  std::optional<Error> error = writeFileAtomically(folder / "absent/out", "x");
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::Io);
  EXPECT_NE(error->message().find("absent/out"), std::string::npos);
}

TEST(AtomicFile, MayInsistOnARegularFile) {
  TemporaryDirectory folder;
  std::string target = folder.write("target", "kept"), link = folder / "link";
  std::string pipe = folder / "pipe", dangling = folder / "dangling";
  ASSERT_EQ(::symlink(target.c_str(), link.c_str()), 0);
  ASSERT_EQ(::symlink("nowhere", dangling.c_str()), 0);
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  // Opening the pipe would wait for a reader that never comes.
  for (const std::string &path : {link, dangling, pipe, std::string("/dev/null"), folder.path()}) {
    std::optional<Error> error =
        writeFileAtomically(path, "new", AtomicFile::Existing::RegularFile);
    ASSERT_TRUE(error) << path;
    EXPECT_NE(error->message().find(path), std::string::npos) << error->message();
  }
  EXPECT_EQ(*readFile(target, 100), "kept");
  EXPECT_EQ(folder.entries(), 4u);
  EXPECT_FALSE(writeFileAtomically(target, "new", AtomicFile::Existing::RegularFile));
  EXPECT_FALSE(writeFileAtomically(folder / "fresh", "new", AtomicFile::Existing::RegularFile));
  EXPECT_EQ(*readFile(target, 100) + *readFile(folder / "fresh", 100), "newnew");
}

TEST(AtomicFile, WritesDevicesDirectly) {
  EXPECT_FALSE(writeFileAtomically("/dev/null", "x"));
  std::optional<Error> error = writeFileAtomically("/dev/full", "x");
  ASSERT_TRUE(error);
  EXPECT_NE(error->message().find("No space left"), std::string::npos);
}

} // namespace
