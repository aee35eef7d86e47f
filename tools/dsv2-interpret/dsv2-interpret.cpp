//===- dsv2-interpret.cpp - the oracle as a tool --------------------------===//
//
// A thin main: everything is in lib/Reference.
//
//===----------------------------------------------------------------------===//
#include "lib/Reference/Interpret.h"

int main(int argc, char **argv) { return dsv2::interpretMain(argc, argv); }
