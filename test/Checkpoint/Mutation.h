//===- Mutation.h - Hostile versions of valid files -------------*- C++ -*-===//
//
// Two kinds of damage: to the tree of a JSON text (keys dropped, doubled, renamed;
// numbers huge, negative, fractional; nesting; subtrees in other places), which
// reaches the checks behind the parser, and to bytes, which reaches the parser.
//
//===----------------------------------------------------------------------===//
#ifndef DSV2_TEST_CHECKPOINT_MUTATION_H
#define DSV2_TEST_CHECKPOINT_MUTATION_H

#include "lib/Support/Json.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace dsv2 {

/// A small generator (xorshift-multiply), cheap to start for every input, so that
/// an input can be made again from its number alone.
class FuzzRandom {
public:
  FuzzRandom(uint64_t seed, uint64_t input) : state(seed * 0x9e3779b97f4a7c15u + input) { next(); }
  uint64_t next();
  /// In [0, bound).
  uint64_t below(uint64_t bound) { return bound == 0 ? 0 : next() % bound; }
  bool oneIn(uint64_t n) { return below(n) == 0; }

private:
  uint64_t state;
};

/// A JSON text that may break every rule: keys repeat, scalars are any text.
struct FuzzJson {
  enum class Kind { Scalar, Object, Array };
  Kind kind = Kind::Scalar;
  std::string scalar;                                     // as it is written
  std::vector<std::pair<std::string, FuzzJson>> children; // keys as written; "" in arrays

  static FuzzJson from(const Json &json);
  static FuzzJson number(uint64_t value);
  static FuzzJson string(const std::string &text);
  static FuzzJson array(std::vector<FuzzJson> elements);
  void add(const std::string &key, FuzzJson value);
  std::string text() const;

private:
  void write(std::string &out) const;
};

/// Changes one thing somewhere in the tree.
void mutateTree(FuzzJson &root, FuzzRandom &random);

/// Changes some bytes.
void mutateBytes(std::string &text, FuzzRandom &random);

/// Up to four changes of the tree and, in one of four, some of bytes.
std::string mutated(FuzzJson root, FuzzRandom &random);

} // namespace dsv2

#endif // DSV2_TEST_CHECKPOINT_MUTATION_H
