#include "hellora/model/init.h"

#include <cmath>
#include <numbers>

#include "hellora/core/json_text.h"
#include "hellora/core/rng.h"
#include "hellora/model/arch.h"
#include "hellora/model/sites.h"
#include "hellora/model/tensor_io.h"

namespace hellora {
namespace {

/// All tensors of a model in hub layout: what full training of everything would touch.
std::vector<TensorInfo> all_tensors(const ModelShape& shape, bool fp32) {
  AdapterConfig config;
  config.method = "full";
  config.targets = every_target(shape);
  std::vector<TensorInfo> infos;
  for (const Site& site : find_sites(shape, config, all_experts(shape))) {
    for (size_t m = 0; m < site.members.size(); ++m) {
      TensorInfo info;
      info.name = site.parameter(m);
      info.dtype = fp32 ? Dtype::f32 : Dtype::bf16;
      info.shape = is_vector_slot(site.slot) ? std::vector<int64_t>{site.out} : std::vector<int64_t>{site.out, site.in};
      infos.push_back(std::move(info));
    }
  }
  return infos;
}

Tensor normal_values(const TensorInfo& info, uint64_t seed, double deviation) {
  Tensor values = at::empty(info.shape, at::TensorOptions(at::kFloat));
  float* data = values.data_ptr<float>();
  const RngKey key = make_key(seed, hash_text("init model"), hash_text(info.name));
  const int64_t pairs = (values.numel() + 1) / 2, count = values.numel();
#pragma omp parallel for schedule(static)
  for (int64_t p = 0; p < pairs; ++p) {  // Box-Muller: two uniform numbers make two normal ones
    const auto bits = philox(key, {static_cast<uint32_t>(p), static_cast<uint32_t>(p >> 32), 0, 0});
    const double radius = deviation * std::sqrt(-2 * std::log(1 - static_cast<double>(unit_float(bits[0]))));
    const double angle = 2 * std::numbers::pi * static_cast<double>(unit_float(bits[1]));
    data[2 * p] = static_cast<float>(radius * std::cos(angle));
    if (2 * p + 1 < count) data[2 * p + 1] = static_cast<float>(radius * std::sin(angle));
  }
  return values;
}

}  // namespace

void init_model(const ModelShape& shape, const Path& out, uint64_t seed, bool fp32, double deviation, const Json& more) {
  make_folder(out);
  SafetensorsWriter writer(out / "model.safetensors", all_tensors(shape, fp32), {{"format", "pt"}});
  for (const TensorInfo& info : writer.order()) {
    const bool bias = info.name.ends_with(".bias"), norm = info.shape.size() == 1 && !bias;
    const Tensor values = norm ? at::ones(info.shape, at::TensorOptions(at::kFloat)) : normal_values(info, seed, deviation);
    writer.append(info.name, raw_bytes(values.to(torch_dtype(info.dtype)).contiguous()));
  }
  writer.commit();
  Json config = find_arch(shape.arch, "init").config(shape);
  if (fp32) config["torch_dtype"] = "float32";
  for (const auto& [key, value] : more.items()) {
    const bool beyond = key.ends_with("_token_id") && value.is_number_integer() && value.get<int64_t>() >= shape.vocab;
    if (!config.contains(key) && !beyond) config[key] = value;  // a smaller vocabulary has lost that token
  }
  write_text_atomic(out / "config.json", dump_json(config, 2) + "\n");
}

}  // namespace hellora
