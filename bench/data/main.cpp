// bench_data TOKENIZER JSONL [CHAT_TEMPLATE]: how fast a file of records becomes packed batches. Bytes are those of the file, and
// seconds are those of the wall: with OMP_NUM_THREADS=1, MB/s of one core. Exit code 1 when nothing ran.
#include <benchmark/benchmark.h>

#include <filesystem>
#include <iostream>

#include "hellora/core/error.h"
#include "hellora/data/packing.h"

namespace hellora::bench {
namespace {

const PackingRule kRule = {4096, true, 2048};

int64_t pack_epoch(const Dataset& data) {
  int64_t tokens = 0;
  for (const std::vector<int64_t>& examples : epoch_batches(data, kRule, 1, 0)) {
    tokens += static_cast<int64_t>(pack(data, examples).ids.size());
  }
  return tokens;
}

struct Input {
  std::string file;
  Tokenizer tokenizer;
  std::optional<ChatTemplate> chat;
  DataConfig config{};

  Dataset load() const { return load_dataset({file}, config, tokenizer, tokenizer.vocab_size(), chat ? &*chat : nullptr); }
};

void pipe(benchmark::State& state, const Input& input) {
  int64_t tokens = 0;
  for (auto _ : state) tokens = pack_epoch(input.load());
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(std::filesystem::file_size(input.file)));
  state.counters["tokens"] = static_cast<double>(tokens);
}

void add_all(const Input& input) {
  const auto add = [](const char* name, auto run) {
    benchmark::RegisterBenchmark(name, run)->MeasureProcessCPUTime()->UseRealTime()->Unit(benchmark::kMillisecond);
  };
  add("file to batches", [&](benchmark::State& state) { pipe(state, input); });
}

int run(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (argc != 3 && argc != 4) {
    std::cerr << "usage: bench_data [--benchmark_…] TOKENIZER JSONL [CHAT_TEMPLATE]\n";
    return 2;
  }
  Input input{argv[2], Tokenizer::load(argv[1]), {}};
  if (argc == 4) input.chat = ChatTemplate::choose(argv[3], argv[1]);
  input.config.max_length = kRule.max_length;
  add_all(input);
  const size_t ran = benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return ran == 0 ? 1 : 0;
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
