#include "hellora/text/normalizer.h"

#include <algorithm>

#include "hellora/core/error.h"
#include "hellora/text/nfc.h"

namespace hellora {
namespace {

constexpr int kMaxDepth = 8;
constexpr size_t kMaxSteps = 32;

void add_step(const Json& json, const std::string& where, int depth, Normalizer& out) {
  if (depth > kMaxDepth) throw FormatError(where + ": normalizers nest too deeply");
  if (out.size() > kMaxSteps) throw FormatError(where + ": more than " + std::to_string(kMaxSteps) + " normalizers");
  const std::string type = string_member(json, "type", where);
  if (type == "Sequence") {
    const Json& inner = member(json, "normalizers", where);
    if (!inner.is_array()) throw FormatError(where + ": normalizers must be an array");
    for (size_t i = 0; i < inner.size(); ++i) add_step(inner[i], where + ".normalizers[" + std::to_string(i) + "]", depth + 1, out);
  } else if (type == "NFC") {
    out.emplace_back(NfcStep{});
  } else if (type == "Prepend") {
    out.emplace_back(PrependStep{string_member(json, "prepend", where)});
  } else if (type == "Replace") {
    out.emplace_back(parse_replace(json, where));
  } else {
    throw FormatError(where + ": normalizer \"" + type + "\" is not supported; NFC, Prepend, Replace and Sequence are");
  }
}

std::string run(const NfcStep&, std::string_view text, size_t) { return nfc(text); }
std::string run(const PrependStep& step, std::string_view text, size_t) {
  return text.empty() ? std::string() : step.text + std::string(text);
}
std::string run(const ReplaceStep& step, std::string_view text, size_t most) { return replace_all(step, text, most); }

}  // namespace

Normalizer parse_normalizer(const Json& json, const std::string& where) {
  Normalizer out;
  if (!json.is_null()) add_step(json, where, 0, out);
  return out;
}

std::string normalize(const Normalizer& normalizer, std::string_view text) {
  const size_t most = std::max(kMostReplaced, 4 * text.size());  // ▁ is three bytes long
  std::string normal(text);
  for (const NormalizerStep& step : normalizer) normal = std::visit([&](const auto& one) { return run(one, normal, most); }, step);
  return normal;
}

}  // namespace hellora
