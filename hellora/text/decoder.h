// How tokens become text again: tokenizer.json's `decoder`, one token at a time.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "hellora/core/json.h"
#include "hellora/text/metaspace.h"
#include "hellora/text/replace.h"

namespace hellora {

struct ByteLevelDecode {};
struct ByteFallbackDecode {};
struct FuseDecode {};
struct StripDecode {
  std::string content;  // one character
  size_t start = 0, stop = 0;
  bool fused = false;  // works on the whole text, not on each token
};
using DecodeStage = std::variant<ByteLevelDecode, ByteFallbackDecode, FuseDecode, StripDecode, Metaspace, ReplaceStep>;
using Decoder = std::vector<DecodeStage>;  // applied in order

/// The byte of a token <0xNN>.
std::optional<char> fallback_byte(std::string_view token);

/// FormatError names a decoder, or an order of decoders, that is not supported.
Decoder parse_decoder(const Json& json, const std::string& where);

/// One text in the making. What it returns are whole characters, and put together exactly the text of all tokens; only what
/// may still change is held back: half a character, a run of byte tokens, characters that may be stripped from the end.
class DecodeStream {
 public:
  explicit DecodeStream(const Decoder& decoder) : decoder_(&decoder), states_(decoder.size()) {}
  /// `raw`: an added token, which is not spelled in the byte alphabet.
  std::string push(std::string_view token, bool raw);
  std::string finish();

 private:
  struct State {
    std::string held;
    size_t count = 0;  // tokens seen, or characters stripped
    bool begun = false;
  };
  void feed(size_t stage, std::string_view token, bool raw, std::string& out);
  void run(const ByteLevelDecode& stage, size_t at, std::string_view token, bool raw, std::string& out);
  void run(const ByteFallbackDecode& stage, size_t at, std::string_view token, bool raw, std::string& out);
  void run(const FuseDecode& stage, size_t at, std::string_view token, bool raw, std::string& out);
  void run(const StripDecode& stage, size_t at, std::string_view token, bool raw, std::string& out);
  void run(const Metaspace& stage, size_t at, std::string_view token, bool raw, std::string& out);
  void run(const ReplaceStep& stage, size_t at, std::string_view token, bool raw, std::string& out);
  void end_bytes(size_t at, std::string& out);
  void strip_fused(const StripDecode& stage, size_t at, std::string_view text, std::string& out);

  const Decoder* decoder_;
  std::vector<State> states_;
};

}  // namespace hellora
