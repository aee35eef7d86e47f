//===- KernelBuilder.cpp - named builders of kernel bodies ----------------===//
//
// The list of builders, and the reading of their specs.
//
//===----------------------------------------------------------------------===//
#include "lib/Codegen/KernelBuilder.h"

#include "lib/Codegen/GateTopK.h"
#include "lib/Codegen/GroupedMatmul.h"
#include "lib/Codegen/LatentAttention.h"
#include "lib/Codegen/Matmul.h"
#include "lib/Codegen/SortExperts.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace dsv2 {

void registerAllKernelBuilders(KernelBuilderRegistry &registry) {
  registry.add("gate_topk", buildGateTopK);
  registry.add("grouped_matmul", buildGroupedMatmul);
  registry.add("latent_attention", buildLatentAttention);
  registry.add("matmul", buildMatmul);
  registry.add("sort_experts", buildSortExperts);
}

void SpecReader::fail(llvm::StringRef field, const llvm::Twine &why) {
  emitError(request.loc) << "kernel '" << request.name << "': builder '" << builder << "', field '"
                         << field << "': " << why;
  bad = true;
}

int64_t SpecReader::integer(llvm::StringRef field, int64_t least) {
  auto attribute = request.spec.getAs<IntegerAttr>(field);
  if (!attribute) {
    fail(field, "expected an integer");
    return least;
  }
  if (attribute.getInt() < least) {
    fail(field,
         "is " + llvm::Twine(attribute.getInt()) + ", expected at least " + llvm::Twine(least));
    return least;
  }
  return attribute.getInt();
}

double SpecReader::real(llvm::StringRef field) {
  auto attribute = request.spec.getAs<FloatAttr>(field);
  if (!attribute) {
    fail(field, "expected a float");
    return 1.0;
  }
  return attribute.getValueAsDouble();
}

bool SpecReader::flag(llvm::StringRef field) {
  auto attribute = request.spec.getAs<BoolAttr>(field);
  if (!attribute) {
    fail(field, "expected true or false");
    return false;
  }
  return attribute.getValue();
}

bool SpecReader::optionalFlag(llvm::StringRef field) {
  return request.spec.get(field) ? flag(field) : false;
}

Type SpecReader::element(llvm::StringRef field) {
  auto attribute = request.spec.getAs<TypeAttr>(field);
  if (!attribute || !(attribute.getValue().isF32() || attribute.getValue().isBF16())) {
    fail(field, "expected the type f32 or bf16");
    return Float32Type::get(request.spec.getContext());
  }
  return attribute.getValue();
}

std::string SpecReader::choice(llvm::StringRef field, llvm::ArrayRef<llvm::StringRef> choices) {
  auto attribute = request.spec.getAs<StringAttr>(field);
  if (!attribute || !llvm::is_contained(choices, attribute.getValue())) {
    fail(field, "expected one of " + llvm::join(choices, ", "));
    return choices.front().str();
  }
  return attribute.getValue().str();
}

} // namespace dsv2
