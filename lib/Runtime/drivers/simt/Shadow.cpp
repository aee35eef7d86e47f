//===- Shadow.cpp - Who touched which bytes, and when ---------------------===//
//
// Sets of readers are taken and given back thousands of times in a workgroup.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/drivers/simt/Shadow.h"

using namespace dsv2::simt;

uint32_t ReaderSets::take() {
  uint32_t number = 0;
  if (!free.empty()) {
    number = free.back();
    free.pop_back();
  } else {
    if (used == sets.size()) {
      sets.emplace_back();
    }
    number = static_cast<uint32_t>(++used);
  }
  ReaderSet &set = sets[number - 1];
  set.reads.clear();
  set.dense.clear();
  set.cleaned = nullptr;
  return number;
}
