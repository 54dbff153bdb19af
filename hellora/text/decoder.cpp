#include "hellora/text/decoder.h"

#include <charconv>

#include "hellora/core/error.h"
#include "hellora/core/utf8.h"
#include "hellora/text/byte_level.h"

namespace hellora {
namespace {

/// How many bytes of `text` its first characters take while they are `content`, at most `most` of them.
size_t leading(std::string_view text, std::string_view content, size_t most) {
  size_t at = 0;
  for (size_t i = 0; i < most && text.substr(at).starts_with(content); ++i) at += content.size();
  return at;
}

size_t trailing(std::string_view text, std::string_view content, size_t most) {
  size_t taken = 0;
  for (size_t i = 0; i < most && text.substr(0, text.size() - taken).ends_with(content); ++i) taken += content.size();
  return taken;
}

}  // namespace

std::optional<char> fallback_byte(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token.back() != '>') return std::nullopt;
  unsigned byte = 0;
  const auto [end, error] = std::from_chars(token.data() + 3, token.data() + 5, byte, 16);
  if (error != std::errc() || end != token.data() + 5) return std::nullopt;
  return static_cast<char>(byte);
}

std::string DecodeStream::push(std::string_view token, bool raw) {
  std::string out;
  feed(0, token, raw, out);
  return out;
}

std::string DecodeStream::finish() {
  std::string out;
  for (size_t at = 0; at < states_.size(); ++at) {
    State& state = states_[at];
    if (std::holds_alternative<ByteFallbackDecode>((*decoder_)[at])) {
      end_bytes(at, out);
    } else if (std::holds_alternative<ByteLevelDecode>((*decoder_)[at])) {
      if (!state.held.empty()) feed(at + 1, replace_broken_utf8(state.held), false, out);
    }  // what a Strip holds is stripped
    state = {};
  }
  return out;
}

void DecodeStream::feed(size_t stage, std::string_view token, bool raw, std::string& out) {
  if (stage == decoder_->size()) {
    out += token;
  } else {
    std::visit([&](const auto& one) { run(one, stage, token, raw, out); }, (*decoder_)[stage]);
  }
}

void DecodeStream::run(const ByteLevelDecode&, size_t at, std::string_view token, bool raw, std::string& out) {
  std::string& held = states_[at].held;
  held += raw ? std::string(token) : bytes_of_token(token);
  const size_t whole = held.size() - utf8_open_tail(held);
  const std::string text = replace_broken_utf8(std::string_view(held).substr(0, whole));
  held.erase(0, whole);
  if (!text.empty()) feed(at + 1, text, false, out);
}

/// A run of byte tokens counts as a whole: characters if all of it is UTF-8, else a replacement character for every byte.
void DecodeStream::run(const ByteFallbackDecode&, size_t at, std::string_view token, bool raw, std::string& out) {
  if (const std::optional<char> byte = fallback_byte(token)) {
    states_[at].held += *byte;
    return;
  }
  end_bytes(at, out);
  feed(at + 1, token, raw, out);
}

void DecodeStream::end_bytes(size_t at, std::string& out) {
  const std::string bytes = std::move(states_[at].held);
  states_[at].held.clear();
  if (bytes.empty()) return;
  if (is_utf8(bytes)) return feed(at + 1, bytes, false, out);
  for (size_t i = 0; i < bytes.size(); ++i) feed(at + 1, "\xEF\xBF\xBD", false, out);
}

void DecodeStream::run(const FuseDecode&, size_t at, std::string_view token, bool raw, std::string& out) { feed(at + 1, token, raw, out); }

void DecodeStream::run(const StripDecode& stage, size_t at, std::string_view token, bool raw, std::string& out) {
  if (stage.fused) return strip_fused(stage, at, token, out);
  std::string_view rest = token.substr(leading(token, stage.content, stage.start));
  rest.remove_suffix(trailing(rest, stage.content, stage.stop));
  feed(at + 1, rest, raw, out);
}

void DecodeStream::strip_fused(const StripDecode& stage, size_t at, std::string_view text, std::string& out) {
  State& state = states_[at];
  if (text.empty()) return;
  if (!state.begun) {
    const size_t taken = leading(text, stage.content, stage.start - state.count);
    state.count += taken / stage.content.size();
    text.remove_prefix(taken);
    state.begun = state.count == stage.start || !text.empty();
  }
  const std::string all = state.held + std::string(text);
  const size_t kept = trailing(all, stage.content, stage.stop);
  state.held = all.substr(all.size() - kept);
  if (kept < all.size()) feed(at + 1, std::string_view(all).substr(0, all.size() - kept), false, out);
}

void DecodeStream::run(const Metaspace& stage, size_t at, std::string_view token, bool raw, std::string& out) {
  feed(at + 1, metaspace_decode(stage, token, states_[at].count++ == 0), raw, out);
}

void DecodeStream::run(const ReplaceStep& stage, size_t at, std::string_view token, bool raw, std::string& out) {
  feed(at + 1, replace_all(stage, token), raw, out);
}

}  // namespace hellora
