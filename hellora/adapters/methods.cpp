// The table of adapter methods. A new method is one file, and one name in each of the two lists here.
#include "hellora/adapters/method.h"
#include "hellora/core/error.h"
#include "hellora/core/text.h"

namespace hellora {

extern const Method kAdaLora, kAllora, kDora, kFull, kGlad, kGsLora, kGsLoraPp, kHira, kLora, kLoraFa, kLoraSb, kLoraXs, kLori, kNola,
    kPissa, kRandLora, kRsLora, kS2Lora, kSora, kVera;

std::span<const Method> methods() {
  static const std::vector<Method> table = {kLora,   kRsLora, kLori,     kDora,   kLoraFa, kVera, kAdaLora, kPissa,    kSora, kNola,
                                            kLoraXs, kLoraSb, kRandLora, kS2Lora, kAllora, kGlad, kGsLora,  kGsLoraPp, kHira, kFull};
  return table;
}

const Method& find_method(const std::string& name) {
  std::vector<std::string> names;
  for (const Method& method : methods()) {
    if (method.name == name || (!method.also.empty() && method.also == name)) return method;
    names.emplace_back(method.name);
  }
  const std::string near = nearest_name(name, names);
  throw ConfigError("adapter.method: unknown method \"" + name + "\"; known: " + join(names, ", ") +
                    (near.empty() ? "" : "; nearest: " + near));
}

}  // namespace hellora
