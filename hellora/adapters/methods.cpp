// The table of adapter methods. A new method is one file with three functions and one row here.
#include "hellora/adapters/method.h"

#include <array>

#include "hellora/core/error.h"
#include "hellora/core/text.h"

namespace hellora {

std::vector<ParamSpec> lora_params(std::span<const Site> sites, const AdapterConfig& config);
std::unique_ptr<Adapter> make_lora(const Site& site, const AdapterConfig& config, std::span<const Tensor> views);
std::vector<ParamSpec> full_params(std::span<const Site> sites, const AdapterConfig& config);
std::unique_ptr<Adapter> make_full(const Site& site, const AdapterConfig& config, std::span<const Tensor> views);

namespace {

constexpr std::array<Method, 2> kMethods = {{
    {"lora", "low-rank pairs beside frozen weights", "Hu et al. 2021, arXiv 2106.09685", true, lora_params, make_lora},
    {"full", "train the targeted weights themselves; the result is a model directory", "ordinary fine-tuning", false, full_params,
     make_full},
}};

}  // namespace

int64_t ParamSpec::count() const {
  int64_t product = 1;
  for (const int64_t size : shape) product *= size;
  return product;
}

std::span<const Method> methods() { return kMethods; }

const Method& find_method(const std::string& name) {
  std::vector<std::string> names;
  for (const Method& method : kMethods) {
    if (method.name == name) return method;
    names.emplace_back(method.name);
  }
  const std::string near = nearest_name(name, names);
  throw ConfigError("adapter.method: unknown method \"" + name + "\"; known: " + join(names, ", ") +
                    (near.empty() ? "" : "; nearest: " + near));
}

}  // namespace hellora
