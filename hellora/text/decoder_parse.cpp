#include "hellora/core/error.h"
#include "hellora/core/utf8.h"
#include "hellora/text/decoder.h"

namespace hellora {
namespace {

constexpr int kMaxDepth = 8;
constexpr size_t kMaxStages = 32;  // stages nest when they run
constexpr int64_t kMaxStrip = 1 << 20;

StripDecode parse_strip(const Json& json, const std::string& where, bool fused) {
  StripDecode out;
  out.content = string_member(json, "content", where);
  if (out.content.empty() || utf8_length(out.content, 0) != out.content.size())
    throw FormatError(where + ": content must be one character");
  const auto count = [&](const char* key) {
    const int64_t value = int_member(json, key, where);
    if (value < 0 || value > kMaxStrip) throw FormatError(where + ": " + key + " must be from 0 to " + std::to_string(kMaxStrip));
    return static_cast<size_t>(value);
  };
  out.start = count("start");
  out.stop = count("stop");
  out.fused = fused;
  return out;
}

/// `fused`: what comes out of the stages before is one text, of which a stream sees parts.
void add_stage(const Json& json, const std::string& where, int depth, bool& fused, Decoder& out) {
  if (depth > kMaxDepth) throw FormatError(where + ": decoders nest too deeply");
  if (out.size() > kMaxStages) throw FormatError(where + ": more than " + std::to_string(kMaxStages) + " decoders");
  const std::string type = json.is_null() ? "none" : string_member(json, "type", where);
  if (type == "Sequence") {
    const Json& inner = member(json, "decoders", where);
    if (!inner.is_array()) throw FormatError(where + ": decoders must be an array");
    for (size_t i = 0; i < inner.size(); ++i) add_stage(inner[i], where + ".decoders[" + std::to_string(i) + "]", depth + 1, fused, out);
  } else if (type == "Strip") {
    out.emplace_back(parse_strip(json, where, fused));
  } else if (type == "Fuse") {
    fused = true;
    out.emplace_back(FuseDecode{});
  } else if (type != "ByteLevel" && type != "ByteFallback" && type != "Replace" && type != "Metaspace") {
    throw FormatError(where + ": decoder \"" + type +
                      "\" is not supported; ByteFallback, ByteLevel, Fuse, Metaspace, Replace, Strip and Sequence are");
  } else if (fused) {
    throw FormatError(where + ": decoder \"" + type + "\" after the tokens are fused is not supported");
  } else if (type == "ByteLevel") {
    fused = true;
    out.emplace_back(ByteLevelDecode{});
  } else if (type == "ByteFallback") {
    out.emplace_back(ByteFallbackDecode{});
  } else if (type == "Replace") {
    out.emplace_back(parse_replace(json, where));
  } else {
    out.emplace_back(parse_metaspace(json, where));
  }
}

}  // namespace

Decoder parse_decoder(const Json& json, const std::string& where) {
  Decoder out;
  bool fused = false;
  add_stage(json, where, 0, fused, out);
  return out;
}

}  // namespace hellora
