//===- dsv2-translate.cpp - models and artifacts to and from IR ----------------===//
//
// A thin main: the table of actions is in lib/Translation.
//
//===----------------------------------------------------------------------===//

#include "lib/Translation/TranslateMain.h"

int main(int argc, char **argv) { return mlir::dsv2::translateMain(argc, argv); }
