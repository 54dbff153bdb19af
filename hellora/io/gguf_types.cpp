#include "hellora/io/gguf_types.h"

#include <array>
#include <vector>

#include "hellora/core/error.h"
#include "hellora/core/text.h"

namespace hellora {
namespace {

constexpr auto kBlocks = std::to_array<GgufBlock>({
    {GgufType::f32, "F32", 1, 4},
    {GgufType::f16, "F16", 1, 2},
    {GgufType::bf16, "BF16", 1, 2},
    {GgufType::q4_0, "Q4_0", 32, 18},
    {GgufType::q4_1, "Q4_1", 32, 20},
    {GgufType::q5_0, "Q5_0", 32, 22},
    {GgufType::q5_1, "Q5_1", 32, 24},
    {GgufType::q8_0, "Q8_0", 32, 34},
    {GgufType::q2_k, "Q2_K", 256, 84},
    {GgufType::q3_k, "Q3_K", 256, 110},
    {GgufType::q4_k, "Q4_K", 256, 144},
    {GgufType::q5_k, "Q5_K", 256, 176},
    {GgufType::q6_k, "Q6_K", 256, 210},
});

struct OtherType {
  uint32_t number;
  std::string_view name;
};

// So that a message can say what a file holds instead.
constexpr auto kOthers = std::to_array<OtherType>({
    {9, "Q8_1"},   {15, "Q8_K"},  {16, "IQ2_XXS"}, {17, "IQ2_XS"}, {18, "IQ3_XXS"}, {19, "IQ1_S"}, {20, "IQ4_NL"},
    {21, "IQ3_S"}, {22, "IQ2_S"}, {23, "IQ4_XS"},  {24, "I8"},     {25, "I16"},     {26, "I32"},   {27, "I64"},
    {28, "F64"},   {29, "IQ1_M"}, {34, "TQ1_0"},   {35, "TQ2_0"},  {39, "MXFP4"},
});

std::string shown(uint32_t type) {
  for (const OtherType& one : kOthers) {
    if (one.number == type) return std::string(one.name);
  }
  return std::to_string(type);
}

}  // namespace

const GgufBlock& find_block(uint32_t type, const std::string& where) {
  std::vector<std::string> names;
  for (const GgufBlock& block : kBlocks) {
    if (static_cast<uint32_t>(block.type) == type) return block;
    names.emplace_back(block.name);
  }
  throw FormatError(where + ": type " + shown(type) + " is not read; expected one of " + join(names, ", "));
}

const GgufBlock& block_of(GgufType type) { return find_block(static_cast<uint32_t>(type), "GGUF"); }

}  // namespace hellora
