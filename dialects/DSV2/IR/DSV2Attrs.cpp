//===- DSV2Attrs.cpp - rope, attention scale, gate methods ---------------------===//
//
// Verifiers recompute what follows from the other parameters: a wrong frequency or a lost mscale
// does not parse.
//
//===----------------------------------------------------------------------===//

#include "dialects/DSV2/IR/ShapeChecks.h"
#include "lib/Support/RopeTable.h"

#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cmath>

#include "dialects/DSV2/IR/DSV2AttrInterfaces.cpp.inc"
#include "dialects/DSV2/IR/DSV2Enums.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/DSV2/IR/DSV2Attrs.cpp.inc"

namespace mlir {
namespace dsv2 {

void DSV2Dialect::registerAttributes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/DSV2/IR/DSV2Attrs.cpp.inc"
      >();
}

//===----------------------------------------------------------------------===//
// Ranges
//===----------------------------------------------------------------------===//

LogicalResult RangeAttr::verify(function_ref<InFlightDiagnostic()> emitError, int64_t begin,
                                int64_t end, int64_t step) {
  if (begin < 0 || end <= begin) {
    return emitError() << "range " << begin << " to " << end
                       << ", expected 0 or more, and an end (excluded) above the begin [range.1]";
  }
  if (step < 1) {
    return emitError() << "range step " << step << ", expected at least 1 [range.2]";
  }
  return success();
}

bool RangeAttr::contains(int64_t number) const {
  return number >= getBegin() && number < getEnd() && (number - getBegin()) % getStep() == 0;
}

bool RangeAttr::contains(RangeAttr other) const {
  if (other.size() == 1) {
    return contains(other.getBegin());
  }
  int64_t last = other.getBegin() + (other.size() - 1) * other.getStep();
  return contains(other.getBegin()) && contains(last) && other.getStep() % getStep() == 0;
}

int64_t RangeAttr::size() const { return (getEnd() - getBegin() + getStep() - 1) / getStep(); }

RangeAttr RangeAttr::parseBare(AsmParser &parser) {
  SMLoc location = parser.getCurrentLocation();
  int64_t begin = 0;
  int64_t end = 0;
  int64_t step = 1;
  if (parser.parseInteger(begin) || parser.parseKeyword("to") || parser.parseInteger(end) ||
      (succeeded(parser.parseOptionalKeyword("step")) && parser.parseInteger(step))) {
    return {};
  }
  return getChecked([&] { return parser.emitError(location); }, parser.getContext(), begin, end,
                    step);
}

void RangeAttr::printBare(AsmPrinter &printer) const {
  printer << getBegin() << " to " << getEnd();
  if (getStep() != 1) {
    printer << " step " << getStep();
  }
}

Attribute RangeAttr::parse(AsmParser &parser, Type) {
  if (parser.parseLess()) {
    return {};
  }
  RangeAttr range = parseBare(parser);
  if (!range || parser.parseGreater()) {
    return {};
  }
  return range;
}

void RangeAttr::print(AsmPrinter &printer) const {
  printer << '<';
  printBare(printer);
  printer << '>';
}

//===----------------------------------------------------------------------===//
// Rope and scale
//===----------------------------------------------------------------------===//

/// Fails unless `value` is finite and above 0.
static LogicalResult positive(function_ref<InFlightDiagnostic()> emitError, StringRef rule,
                              StringRef name, double value) {
  if (std::isfinite(value) && value > 0) {
    return success();
  }
  return emitError() << name << " is " << value << ", expected a positive number [" << rule << "]";
}

LogicalResult YarnAttr::verify(function_ref<InFlightDiagnostic()> emitError, Real factor,
                               int64_t original, Real betaFast, Real betaSlow, Real mscale,
                               Real mscaleAllDim) {
  if (failed(positive(emitError, "yarn.1", "factor", factor.value)) ||
      failed(positive(emitError, "yarn.2", "original", static_cast<double>(original))) ||
      failed(positive(emitError, "yarn.3", "beta_fast", betaFast.value)) ||
      failed(positive(emitError, "yarn.4", "beta_slow", betaSlow.value))) {
    return failure();
  }
  for (auto [name, value] :
       {std::pair("mscale", mscale), std::pair("mscale_all_dim", mscaleAllDim)}) {
    if (!std::isfinite(value.value) || value.value < 0) {
      return emitError() << name << " is " << value.value
                         << ", expected a number of at least 0 [yarn.5]";
    }
  }
  return success();
}

static std::optional<::dsv2::YarnParameters> parametersOf(YarnAttr yarn) {
  if (!yarn) {
    return std::nullopt;
  }
  ::dsv2::YarnParameters parameters;
  parameters.factor = yarn.getFactor();
  parameters.original = yarn.getOriginal();
  parameters.betaFast = yarn.getBetaFast();
  parameters.betaSlow = yarn.getBetaSlow();
  parameters.mscale = yarn.getMscale();
  parameters.mscaleAllDim = yarn.getMscaleAllDim();
  return parameters;
}

RopeAttr RopeAttr::get(MLIRContext *context, int64_t width, double theta, RopeLayout layout,
                       YarnAttr yarn) {
  std::optional<::dsv2::YarnParameters> parameters = parametersOf(yarn);
  std::vector<float> frequencies = ::dsv2::ropeInverseFrequencies(width, theta, parameters);
  auto type = RankedTensorType::get({width / 2}, Float32Type::get(context));
  auto dense =
      cast<DenseFPElementsAttr>(DenseElementsAttr::get(type, ArrayRef<float>(frequencies)));
  return get(context, Real(theta), layout, Real(::dsv2::ropeMagnitude(parameters)), dense, yarn);
}

LogicalResult RopeAttr::verify(function_ref<InFlightDiagnostic()> emitError, Real theta,
                               RopeLayout layout, Real magnitude, DenseFPElementsAttr frequencies,
                               YarnAttr yarn) {
  if (failed(positive(emitError, "rope_attr.1", "theta", theta.value))) {
    return failure();
  }
  ShapedType type = frequencies.getType();
  if (type.getRank() != 1 || !type.getElementType().isF32()) {
    return emitError() << "inv_freq is of " << type << ", expected a vector of f32 [rope_attr.2]";
  }
  std::optional<::dsv2::YarnParameters> parameters = parametersOf(yarn);
  std::vector<float> expected =
      ::dsv2::ropeInverseFrequencies(2 * type.getNumElements(), theta.value, parameters);
  for (auto [i, value] : llvm::enumerate(frequencies.getValues<float>())) {
    if (llvm::bit_cast<uint32_t>(value) != llvm::bit_cast<uint32_t>(expected[i])) {
      return emitError() << "inv_freq[" << i << "] is " << value << ", expected " << expected[i]
                         << " from theta and yarn [rope_attr.3]";
    }
  }
  double expectedMagnitude = ::dsv2::ropeMagnitude(parameters);
  if (!(magnitude == Real(expectedMagnitude))) {
    return emitError() << "magnitude is " << magnitude.value << ", expected " << expectedMagnitude
                       << " from yarn [rope_attr.4]";
  }
  return success();
}

LogicalResult AttentionScaleAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                         int64_t headWidth, Real factor, Real mscaleAllDim) {
  if (headWidth < 1) {
    return emitError() << "head_width is " << headWidth
                       << ", expected at least 1 [attention_scale.1]";
  }
  if (failed(positive(emitError, "attention_scale.2", "factor", factor.value))) {
    return failure();
  }
  if (!std::isfinite(mscaleAllDim.value) || mscaleAllDim.value < 0) {
    return emitError() << "mscale_all_dim is " << mscaleAllDim.value
                       << ", expected a number of at least 0 [attention_scale.3]";
  }
  return success();
}

double AttentionScaleAttr::getValue() const {
  return ::dsv2::attentionScale(getHeadWidth(), getFactor(), getMscaleAllDim());
}

LogicalResult ContextAttr::verify(function_ref<InFlightDiagnostic()> emitError, int64_t begin,
                                  std::optional<int64_t> end) {
  if (begin >= 0 && (!end || *end > begin)) {
    return success();
  }
  InFlightDiagnostic error = emitError() << "context from " << begin;
  if (end) {
    error << " to " << *end;
  }
  return error << ", expected 0 or more, and an end (excluded) above the begin [context.1]";
}

//===----------------------------------------------------------------------===//
// Rounding of activations
//===----------------------------------------------------------------------===//

LogicalResult ActivationAttr::verify(function_ref<InFlightDiagnostic()> emitError, Type stored,
                                     int64_t group, ScaleRule) {
  if (!isa<Float8E4M3FNType>(stored) && !stored.isSignlessInteger(8)) {
    return emitError() << "activations stored as " << stored
                       << ", expected f8E4M3FN or i8 [activation.1]";
  }
  if (group < 0) {
    return emitError() << "group is " << group
                       << ", expected at least 0 (0: the whole row) [activation.2]";
  }
  return success();
}

double ActivationAttr::getStoredMax() const { return getStored().isInteger() ? 127 : 448; }

//===----------------------------------------------------------------------===//
// Gate methods
//===----------------------------------------------------------------------===//

LogicalResult GreedyAttr::verify(function_ref<InFlightDiagnostic()> emitError, int64_t topK) {
  if (topK < 1) {
    return emitError() << "top_k is " << topK << ", expected at least 1 [greedy.1]";
  }
  return success();
}

LogicalResult GreedyAttr::verifyExperts(function_ref<InFlightDiagnostic()> emitError,
                                        int64_t experts) const {
  if (getTopK() > experts) {
    return emitError() << "top_k is " << getTopK() << ", expected at most the " << experts
                       << " experts [greedy.2]";
  }
  return success();
}

static LogicalResult verifyGroups(function_ref<InFlightDiagnostic()> emitError, int64_t groups,
                                  int64_t keep, int64_t topK) {
  if (groups < 1) {
    return emitError() << "groups is " << groups << ", expected at least 1 [groups.1]";
  }
  if (keep < 1 || keep > groups) {
    return emitError() << "keep is " << keep << ", expected 1 to the " << groups
                       << " groups [groups.2]";
  }
  if (topK < 1) {
    return emitError() << "top_k is " << topK << ", expected at least 1 [groups.3]";
  }
  return success();
}

/// The groups are of equal size, and those kept hold top_k experts.
static LogicalResult verifyGroupsOf(function_ref<InFlightDiagnostic()> emitError, int64_t experts,
                                    GateMethodInterface method) {
  if (experts % method.getGroups() != 0) {
    return emitError() << experts << " experts do not divide into " << method.getGroups()
                       << " groups [groups.4]";
  }
  int64_t reachable = experts / method.getGroups() * method.getKeep();
  if (method.getTopK() > reachable) {
    return emitError() << "top_k is " << method.getTopK() << ", expected at most the " << reachable
                       << " experts of " << method.getKeep() << " groups [groups.5]";
  }
  return success();
}

LogicalResult GroupLimitedAttr::verify(function_ref<InFlightDiagnostic()> emitError, int64_t groups,
                                       int64_t keep, int64_t topK) {
  return verifyGroups(emitError, groups, keep, topK);
}

LogicalResult GroupLimitedAttr::verifyExperts(function_ref<InFlightDiagnostic()> emitError,
                                              int64_t experts) const {
  return verifyGroupsOf(emitError, experts, *this);
}

LogicalResult NoauxTCAttr::verify(function_ref<InFlightDiagnostic()> emitError, int64_t groups,
                                  int64_t keep, int64_t topK) {
  return verifyGroups(emitError, groups, keep, topK);
}

LogicalResult NoauxTCAttr::verifyExperts(function_ref<InFlightDiagnostic()> emitError,
                                         int64_t experts) const {
  if (failed(verifyGroupsOf(emitError, experts, *this))) {
    return failure();
  }
  if (experts / getGroups() < 2) {
    return emitError() << experts << " experts in " << getGroups()
                       << " groups, expected at least 2 in each [noaux_tc.1]";
  }
  return success();
}

} // namespace dsv2
} // namespace mlir
