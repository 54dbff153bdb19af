// bench_tokenizer TOKENIZER TEXT: how fast a tokenizer.json loads, encodes and decodes on one thread. Exit code 1 when nothing ran or
// a text did not come back from its tokens.
#include <benchmark/benchmark.h>

#include <fstream>
#include <iostream>
#include <sstream>
#include <thread>

#include "hellora/core/error.h"
#include "hellora/text/tokenizer.h"

namespace hellora::bench {
namespace {

constexpr size_t kHard = 1000000;  // bytes of the texts without spaces
constexpr std::string_view kRare = "<unk>";
bool refused = false;

using Pieces = std::vector<std::string>;

std::string read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw DataError(path + ": cannot be read");
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

Pieces lines_of(const std::string& text) {
  Pieces lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

/// Letters in an order that repeats nowhere, so that no cache helps.
std::string letters(size_t bytes) {
  std::string out;
  uint32_t state = 1;
  for (size_t i = 0; i < bytes; ++i) out += static_cast<char>('a' + ((state = state * 1664525U + 1013904223U) >> 16) % 26);
  return out;
}

void encode(benchmark::State& state, const Tokenizer& tokenizer, const Pieces& pieces, bool cold) {
  int64_t bytes = 0, tokens = 0;
  for (const std::string& piece : pieces) bytes += static_cast<int64_t>(piece.size());
  const auto pass = [&] {
    tokens = 0;
    for (const std::string& piece : pieces) tokens += static_cast<int64_t>(tokenizer.encode(piece).size());
  };
  for (auto _ : state) {
    if (cold) {
      std::thread(pass).join();  // a thread begins with an empty cache
    } else {
      pass();
    }
  }
  state.SetBytesProcessed(state.iterations() * bytes);
  state.counters["tokens"] = static_cast<double>(tokens);
  for (const std::string& piece : pieces) {
    if (tokenizer.decode(tokenizer.encode(piece)) == piece) continue;
    refused = true;
    state.SkipWithError("the text does not come back from its tokens");
    return;
  }
}

void decode(benchmark::State& state, const Tokenizer& tokenizer, const std::string& text, bool stream) {
  const std::vector<int64_t> ids = tokenizer.encode(text);
  for (auto _ : state) {
    if (stream) {
      StreamDecoder decoder(tokenizer);
      for (const int64_t id : ids) benchmark::DoNotOptimize(decoder.push(id));
      benchmark::DoNotOptimize(decoder.finish());
    } else {
      benchmark::DoNotOptimize(tokenizer.decode(ids));
    }
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text.size()));
}

void add_all(const std::string& path, const Tokenizer& tokenizer, const std::string& text) {
  const auto add = [](const char* name, auto run) {
    benchmark::RegisterBenchmark(name, run)->MeasureProcessCPUTime()->Unit(benchmark::kMillisecond);
  };
  add("load", [=](benchmark::State& state) {
    for (auto _ : state) benchmark::DoNotOptimize(Tokenizer::load(path));
  });
  const auto add_encode = [&](const char* name, const Pieces& pieces, bool cold) {
    add(name, [&tokenizer, pieces, cold](benchmark::State& state) { encode(state, tokenizer, pieces, cold); });
  };
  add_encode("encode/whole/cold", {text}, true);
  add_encode("encode/whole/warm", {text}, false);
  add_encode("encode/lines/cold", lines_of(text), true);
  add_encode("encode/letters/cold", {letters(kHard)}, true);
  add_encode("encode/one letter/cold", {std::string(kHard, 'a')}, true);
  add_encode("encode/spaces/cold", {std::string(kHard, ' ')}, true);
  add("decode/whole", [&](benchmark::State& state) { decode(state, tokenizer, text, false); });
  add("decode/stream", [&](benchmark::State& state) { decode(state, tokenizer, text, true); });
}

int run(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (argc != 3) {
    std::cerr << "usage: bench_tokenizer [--benchmark_…] TOKENIZER TEXT\n";
    return 2;
  }
  const Tokenizer tokenizer = Tokenizer::load(argv[1]);
  std::string text = read(argv[2]);
  // WikiText's mark for rare words is a token of SentencePiece vocabularies, and what follows one comes back with a space more.
  for (size_t at = text.find(kRare); at != std::string::npos; at = text.find(kRare, at)) text.erase(at, kRare.size());
  add_all(argv[1], tokenizer, text);
  const size_t ran = benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return ran == 0 || refused ? 1 : 0;
}

}  // namespace
}  // namespace hellora::bench

int main(int argc, char** argv) {
  try {
    return hellora::bench::run(argc, argv);
  } catch (const hellora::Error& error) {
    std::cerr << error.what() << "\n";
    return 2;
  }
}
