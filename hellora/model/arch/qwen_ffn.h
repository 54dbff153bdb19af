// What Qwen2-MoE and Qwen3-MoE share: which layers are routed, and the router's keys.
#pragma once

#include "hellora/model/arch/paths.h"
#include "hellora/model/config_reader.h"

namespace hellora {

void read_qwen_ffn(JsonObject& config, ModelShape& shape);
void write_qwen_ffn(const ModelShape& shape, Json& config);

}  // namespace hellora
