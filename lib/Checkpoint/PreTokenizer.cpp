//===- PreTokenizer.cpp - Cutting text into words -------------------------===//
//
// Each step cuts every word of the step before on its own, so look-behind and
// anchors never see across an earlier cut, as in the tokenizers library.
//
//===----------------------------------------------------------------------===//
#include "lib/Checkpoint/PreTokenizer.h"

namespace dsv2 {
namespace {

constexpr size_t maxSteps = 64;

/// GPT-2's own pattern, which ByteLevel applies with use_regex.
constexpr std::string_view gpt2Pattern =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

} // namespace

Expected<PreTokenizer> PreTokenizer::parse(const Json &json, const std::string &file) {
  PreTokenizer result;
  if (std::optional<Error> error = result.addStep(json, file, "pre_tokenizer.")) {
    return *error;
  }
  if (!result.complete) {
    return Error(ErrorKind::Unsupported, file,
                 ": field 'pre_tokenizer' must end in a ByteLevel step; other tokenizers than "
                 "byte-level ones are not supported");
  }
  return result;
}

std::optional<Error> PreTokenizer::addRegex(Expected<SplitRegex> regex, const std::string &where,
                                            Step step) {
  if (!regex) {
    return regex.error().within(where);
  }
  step.regex = regexes.size();
  regexes.push_back(std::move(*regex));
  steps.push_back(step);
  return std::nullopt;
}

std::optional<Error> PreTokenizer::addStep(const Json &json, const std::string &file,
                                           const std::string &prefix) {
  FieldReader reader(json, file, prefix);
  std::string type = reader.string("type");
  std::string where = concat(file, ": field '", prefix, "pattern'");
  if (reader.failed()) {
    return reader.error();
  }
  if (steps.size() >= maxSteps) {
    return Error(ErrorKind::Limit, file, ": pre_tokenizer has more steps than the limit of ",
                 maxSteps);
  }
  if (complete && type != "Sequence") {
    return Error(ErrorKind::Unsupported, file, ": field '", prefix, "type' is ", quote(type),
                 " after ByteLevel, which must come last");
  }

  if (type == "Sequence") {
    const Json *list = reader.value("pretokenizers");
    if (!list || !list->array()) {
      return Error(ErrorKind::InvalidFile, file, ": field '", prefix,
                   "pretokenizers' must be an array");
    }
    for (size_t i = 0; i < list->array()->size(); ++i) {
      if (std::optional<Error> error =
              addStep((*list->array())[i], file, concat(prefix, "pretokenizers[", i, "]."))) {
        return error;
      }
    }
    return std::nullopt;
  }

  if (type == "ByteLevel") {
    if (reader.booleanOr("add_prefix_space", true)) {
      Step step;
      step.prefixSpace = true;
      steps.push_back(step);
    }
    bool useRegex = reader.booleanOr("use_regex", true);
    complete = true;
    if (reader.failed()) {
      return reader.error();
    }
    return useRegex ? addRegex(SplitRegex::compile(gpt2Pattern), where, Step()) : std::nullopt;
  }

  if (type == "Digits") {
    bool individual = reader.booleanOr("individual_digits", false);
    if (reader.failed()) {
      return reader.error();
    }
    return addRegex(SplitRegex::compile(individual ? "\\p{N}" : "\\p{N}+"), where, Step());
  }

  if (type == "Split") {
    Step step;
    step.invert = reader.booleanOr("invert", false);
    std::string behavior = reader.string("behavior");
    if (behavior == "Removed") {
      step.behavior = Behavior::Removed;
    } else if (behavior != "Isolated") {
      reader.fail(ErrorKind::Unsupported, "behavior", "must be 'Isolated' or 'Removed', found ",
                  quote(behavior));
    }
    const Json &pattern = reader.object("pattern");
    const Json *regex = pattern.find("Regex");
    const Json *literal = pattern.find("String");
    const Json *text = regex ? regex : literal;
    if (!text || !text->string() || text->string()->empty()) {
      reader.fail(ErrorKind::InvalidFile, "pattern",
                  "must be an object with a text as Regex or String");
    }
    if (reader.failed()) {
      return reader.error();
    }
    return addRegex(regex ? SplitRegex::compile(*text->string())
                          : SplitRegex::compileLiteral(*text->string()),
                    where, step);
  }

  return Error(ErrorKind::Unsupported, file, ": field '", prefix,
               "type' must be Sequence, Split, Digits or ByteLevel, found ", quote(type));
}

PreTokenizer::Session::Session(const PreTokenizer &owner, std::chrono::milliseconds patience)
    : owner(owner) {
  for (const SplitRegex &regex : owner.regexes) {
    matchers.emplace_back(regex, patience);
  }
}

std::optional<Error> PreTokenizer::Session::split(std::string_view text,
                                                  std::vector<std::string_view> &words) {
  prefixed.clear();
  words.assign(text.empty() ? 0 : 1, text);
  std::vector<std::string_view> cut;
  for (const Step &step : owner.steps) {
    cut.clear();
    for (std::string_view word : words) {
      if (step.prefixSpace) {
        if (word.front() != ' ') {
          prefixed.push_back(concat(" ", word));
          word = prefixed.back();
        }
        cut.push_back(word);
        continue;
      }
      auto keep = [&](size_t begin, size_t end, bool matched) {
        bool removed = step.behavior == Behavior::Removed && matched != step.invert;
        if (begin < end && !removed) {
          cut.push_back(word.substr(begin, end - begin));
        }
      };
      size_t done = 0;
      while (done < word.size()) {
        Expected<std::optional<SplitRegex::Match>> match = matchers[step.regex].find(word, done);
        if (!match) {
          return match.takeError();
        }
        if (!*match) {
          break;
        }
        keep(done, (*match)->begin, false);
        keep((*match)->begin, (*match)->end, true);
        done = (*match)->end;
      }
      keep(done, word.size(), false);
    }
    words.swap(cut);
  }
  return std::nullopt;
}

} // namespace dsv2
