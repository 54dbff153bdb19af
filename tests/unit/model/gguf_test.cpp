// Import of small GGUF files made value by value: which element of the file becomes which of the model folder.
#include <cstring>

#include "hellora/io/checkpoint.h"
#include "hellora/io/paths.h"
#include "hellora/model/arch.h"
#include "hellora/model/gguf/import.h"
#include "hellora/model/gguf/weights.h"
#include "hellora/model/tensor_io.h"
#include "tests/support/gguf.h"
#include "tests/support/helpers.h"

namespace hellora::testing {
namespace {

using std::string;

constexpr uint64_t kHidden = 32, kWidth = 64, kVocab = 4;

/// A matrix whose element (r, c) is base + r + c / 64: exact in bf16 for few rows, and different everywhere.
std::vector<float> ramp(uint64_t rows, uint64_t columns, float base = 0) {
  std::vector<float> out;
  for (uint64_t r = 0; r < rows; ++r) {
    for (uint64_t c = 0; c < columns; ++c) out.push_back(base + static_cast<float>(r) + static_cast<float>(c) / 64);
  }
  return out;
}

GgufBytes keys(const string& arch) {
  GgufBytes file;
  file.text("general.architecture", arch).number(arch + ".embedding_length", kHidden).number(arch + ".block_count", 1);
  file.number(arch + ".context_length", 16).number(arch + ".attention.head_count", 4).number(arch + ".attention.head_count_kv", 2);
  file.number(arch + ".feed_forward_length", kWidth).real(arch + ".attention.layer_norm_rms_epsilon", 1e-6F);
  file.text("tokenizer.ggml.model", "gpt2").text("tokenizer.ggml.pre", "smollm").array("tokenizer.ggml.merges", 8, {"a b"});
  return file.array("tokenizer.ggml.tokens", 8, {"a", "b", "ab", "c"});
}

GgufBytes& attention(GgufBytes& file) {
  file.floats("token_embd.weight", {kVocab, kHidden}, ramp(kVocab, kHidden)).floats("output_norm.weight", {kHidden}, ramp(1, kHidden));
  file.floats("blk.0.attn_norm.weight", {kHidden}, ramp(1, kHidden)).floats("blk.0.ffn_norm.weight", {kHidden}, ramp(1, kHidden));
  file.floats("blk.0.attn_q.weight", {32, kHidden}, ramp(32, kHidden)).floats("blk.0.attn_k.weight", {16, kHidden}, ramp(16, kHidden));
  return file.floats("blk.0.attn_v.weight", {16, kHidden}, ramp(16, kHidden))
      .floats("blk.0.attn_output.weight", {kHidden, 32}, ramp(32, 32));
}

GgufBytes dense(const string& arch = "llama") {
  GgufBytes file = keys(arch);
  attention(file).floats("blk.0.ffn_gate.weight", {kWidth, kHidden}, ramp(kWidth, kHidden));
  return file.floats("blk.0.ffn_up.weight", {kWidth, kHidden}, ramp(kWidth, kHidden));
}

struct Imported {
  TempFolder folder;
  std::unique_ptr<Checkpoint> checkpoint;

  explicit Imported(const GgufBytes& file, bool fp32 = true) {
    import_gguf(put_file(folder / "m.gguf", file.bytes()), make(folder / "m"), fp32);
    checkpoint = std::make_unique<Checkpoint>(folder / "m");
  }
  static Path make(const Path& path) {
    make_folder(path);
    return path;
  }
  Tensor operator[](const string& name) const { return read_tensor(checkpoint->info(name), checkpoint->bytes(name), at::kFloat); }
};

string layer(const char* name) { return string("model.layers.0.").append(name).append(".weight"); }

TEST(GgufImport, PutsTheRowsOfQAndKBackInOrder) {
  EXPECT_EQ(unpaired_row(0, 8), 0);
  EXPECT_EQ(unpaired_row(1, 8), 4);
  EXPECT_EQ(unpaired_row(2, 8), 1);
  EXPECT_EQ(unpaired_row(15, 8), 15);
  GgufBytes file = dense();
  file.floats("blk.0.ffn_down.weight", {kHidden, kWidth}, ramp(kHidden, kWidth));
  const Imported made(file);
  for (const auto& [name, rows, paired] :
       {std::tuple("self_attn.q_proj", 32, true), {"self_attn.k_proj", 16, true}, {"self_attn.v_proj", 16, false}}) {
    const Tensor values = made[layer(name)];
    for (int64_t row = 0; row < rows; ++row) {
      const int64_t place = paired ? unpaired_row(row, 8) : row;
      EXPECT_EQ(values[place][0].item<float>(), static_cast<float>(row)) << name;
      EXPECT_EQ(values[place][63 % 32].item<float>(), static_cast<float>(row) + 31.0F / 64) << name;
    }
  }
}

TEST(GgufImport, DequantisesAndRounds) {
  GgufBytes file = dense();
  string blocks;  // of Q4_1: scale 0.5, minimum 1, nibbles 0 to 15 and 15 to 0
  for (uint64_t i = 0; i < kHidden * kWidth / 32; ++i) {
    blocks += string("\x00\x38\x00\x3C", 4);
    for (int j = 0; j < 16; ++j) blocks += static_cast<char>(j | ((15 - j) << 4));
  }
  file.tensor("blk.0.ffn_down.weight", {kHidden, kWidth}, 3, blocks);
  const Imported made(file, false);
  const Tensor down = made[layer("mlp.down_proj")];
  EXPECT_EQ(made.checkpoint->info(layer("mlp.down_proj")).dtype, Dtype::bf16);
  for (int64_t i = 0; i < 16; ++i) {
    EXPECT_EQ(down[3][i].item<float>(), 1 + 0.5F * static_cast<float>(i));
    EXPECT_EQ(down[3][16 + i].item<float>(), 8.5F - 0.5F * static_cast<float>(i));
  }
  EXPECT_EQ(made[layer("mlp.gate_proj")][40][1].item<float>(), 40.0F);  // 40 + 1/64 lies between 40 and 40.25
  EXPECT_EQ(made.checkpoint->config()["torch_dtype"], "bfloat16");
  EXPECT_EQ(made.checkpoint->config()["tie_word_embeddings"], true);  // no output.weight
}

TEST(GgufImport, CutsExpertsApart) {
  GgufBytes file = keys("llama");
  file.number("llama.expert_count", 2).number("llama.expert_used_count", 1);
  attention(file).floats("blk.0.ffn_gate_inp.weight", {2, kHidden}, ramp(2, kHidden));
  std::vector<float> both = ramp(kWidth, kHidden);
  const std::vector<float> second = ramp(kWidth, kHidden, 100);
  both.insert(both.end(), second.begin(), second.end());
  file.floats("blk.0.ffn_gate_exps.weight", {2, kWidth, kHidden}, both).floats("blk.0.ffn_up_exps.weight", {2, kWidth, kHidden}, both);
  file.floats("blk.0.ffn_down_exps.weight", {2, kHidden, kWidth}, both).floats("output.weight", {kVocab, kHidden}, ramp(kVocab, kHidden));
  const Imported made(file);
  EXPECT_EQ(made.checkpoint->config()["model_type"], "mixtral");
  EXPECT_EQ(made[layer("block_sparse_moe.experts.1.w1")][5][0].item<float>(), 105.0F);
  EXPECT_EQ(made[layer("block_sparse_moe.experts.0.w3")][5][0].item<float>(), 5.0F);
}

TEST(GgufImport, TakesNoTensorOrKeyForGranted) {
  const auto refusal = [](const GgufBytes& file) { return error_of<FormatError>([&] { Imported made(file); }); };
  EXPECT_CONTAINS(refusal(dense()), "tensor \"blk.0.ffn_down.weight\" is missing");
  GgufBytes whole = dense();
  whole.floats("blk.0.ffn_down.weight", {kHidden, kWidth}, ramp(kHidden, kWidth));
  EXPECT_CONTAINS(refusal(GgufBytes(whole).floats("blk.0.attn_sinks.weight", {1}, {1})), "has no place in a llama model");
  EXPECT_CONTAINS(refusal(GgufBytes(whole).number("llama.attention.sliding_window", 8)), "is not known for this architecture");
  EXPECT_CONTAINS(refusal(GgufBytes(whole).floats("rope_freqs.weight", {4}, {1, 2, 3, 4})), "neither 1 nor those of Llama 3.1");
  EXPECT_NO_THROW(Imported(GgufBytes(whole).floats("rope_freqs.weight", {4}, {1, 1, 1, 1})));
  GgufBytes transposed = dense();
  transposed.floats("blk.0.ffn_down.weight", {kWidth, kHidden}, ramp(kWidth, kHidden));
  EXPECT_CONTAINS(refusal(transposed), "has sizes (64, 32), the metadata ask for (32, 64)");
  EXPECT_CONTAINS(refusal(dense("gemma")), "\"gemma\" is not supported; expected one of llama, qwen2moe, qwen3moe, olmoe");
}

TEST(GgufImport, RefusesValuesThatAreNotFinite) {
  GgufBytes file = dense();
  std::vector<float> down = ramp(kHidden, kWidth);
  down[7 * kWidth + 3] = 3.4e38F;  // finite, and beyond bf16
  file.floats("blk.0.ffn_down.weight", {kHidden, kWidth}, down);
  const string message = error_of<CheckFailed>([&] { Imported made(file, false); });
  EXPECT_CONTAINS(message, "tensor \"blk.0.ffn_down.weight\", row 7 of model.layers.0.mlp.down_proj.weight: a value is not finite");
  EXPECT_NO_THROW(Imported(file, true));
}

}  // namespace
}  // namespace hellora::testing
