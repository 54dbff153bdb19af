// Byte-pair tokenizer read from Hugging Face's tokenizer.json.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hellora/text/template.h"

namespace hellora {

/// Immutable after loading; safe to use from several threads.
class Tokenizer {
 public:
  /// `path` is a tokenizer.json or a model folder that holds one (what stands beside it names special tokens: text/tokenizer_config.h).
  /// FormatError names the file and the part that is not understood; nothing unknown is skipped silently.
  static Tokenizer load(const std::filesystem::path& path);
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  /// Added tokens inside the text are recognised as Hugging Face does. `add_special` adds what the post-processor adds.
  std::vector<int64_t> encode(std::string_view text, bool add_special = false) const;
  /// UTF-8 text; ids without a token are a DataError. `skip_special`, for generated text, leaves out special tokens and such ids.
  std::string decode(std::span<const int64_t> ids, bool skip_special = false) const;

  /// Where the tokens of an encoded text stand in it; nothing when they do not spell it (text/spelling.h).
  std::optional<std::vector<TextSpan>> places(std::span<const int64_t> ids, std::string_view text) const;

  std::optional<int64_t> id_of(std::string_view token) const;
  int64_t vocab_size() const;  // largest id + 1
  /// Named by tokenizer_config.json, or found as text/end_of_text.h says.
  std::optional<int64_t> eos() const;
  int64_t end_of_text() const;  // the same; FormatError says what was looked for
  std::optional<int64_t> bos() const;
  std::optional<int64_t> pad() const;

 private:
  struct Impl;
  explicit Tokenizer(std::unique_ptr<const Impl> impl);
  std::unique_ptr<const Impl> impl_;
  friend class StreamDecoder;
};

/// Streams text out of ids. Every piece is whole characters, and all of them together are what `decode` gives. Held back is what
/// the next token may change: half a character, and a run of byte tokens (its text depends on its last one).
class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer);  // which must outlive it
  StreamDecoder(StreamDecoder&&) noexcept;
  StreamDecoder& operator=(StreamDecoder&&) noexcept;
  ~StreamDecoder();
  std::string push(int64_t id);  // text that became complete; an id without a token gives none
  std::string finish();          // what is left; the next id begins a new text

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace hellora
