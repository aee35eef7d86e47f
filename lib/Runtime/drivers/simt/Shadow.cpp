//===- Shadow.cpp - Who touched which bytes, and when ---------------------===//
//
// Lists of readers are taken and given back thousands of times in a workgroup.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/drivers/simt/Shadow.h"

using namespace dsv2::simt;

bool ReaderSets::isEmpty(uint32_t number) {
  const uint64_t *first = mask(number);
  return std::all_of(first, first + words, [](uint64_t word) { return word == 0; });
}

uint32_t ReaderSets::takeEntry() {
  if (unused == 0) {
    entries.emplace_back();
    masks.resize(masks.size() + words, 0);
    return static_cast<uint32_t>(entries.size());
  }
  uint32_t number = unused;
  unused = entries[number - 1].next;
  std::fill(mask(number), mask(number) + words, 0);
  return number;
}

uint32_t ReaderSets::copy(uint32_t list) {
  uint32_t made = 0;
  for (; list != 0; list = entries[list - 1].next) {
    uint32_t number = takeEntry();
    entries[number - 1] = {entries[list - 1].epoch, made, entries[list - 1].onlyThreads};
    std::copy(mask(list), mask(list) + words, mask(number));
    made = number;
  }
  return made;
}
