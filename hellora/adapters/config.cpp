#include "hellora/adapters/config.h"

#include <algorithm>
#include <cmath>

#include "hellora/adapters/method.h"

namespace hellora {

AdapterConfig::AdapterConfig() {
  for (const Method& one : methods()) {
    if (one.settings != nullptr) own.emplace(one.name, one.settings());
  }
}

double AdapterConfig::rank_factor(double member_rank) const {
  switch (find_method(method).scale) {
    case ScaleLaw::rank: return member_rank;
    case ScaleLaw::root_rank: return std::sqrt(member_rank);
    case ScaleLaw::one: return 1;
  }
  return 1;
}

double AdapterConfig::scale(int64_t member_rank, double own_alpha) const {
  if (find_method(method).scale == ScaleLaw::one) return 1;
  return (own_alpha > 0 ? own_alpha : alpha) / rank_factor(static_cast<double>(member_rank));
}

std::vector<Field> method_fields(AdapterConfig* config, std::string_view method) {
  const Method& row = find_method(std::string(method));
  return row.fields == nullptr ? std::vector<Field>() : row.fields(&config->own.at(row.name));
}

bool of_another_method(const AdapterConfig& config, std::string_view key) {
  return std::any_of(config.own.begin(), config.own.end(), [&](const auto& one) {
    return one.first != config.method && key.starts_with("adapter." + std::string(one.first) + ".");
  });
}

namespace {

/// Another spelling of a method becomes its name; what is no method stays for find_method to refuse.
Field method_field(std::string* value) {
  Field field = text_field("adapter.method", value, "how to adapt: see `hellora methods`");
  const auto set = field.set;
  field.set = [=](std::span<const std::string> values, const std::string& where) {
    set(values, where);
    for (const Method& one : methods()) {
      if (!one.also.empty() && one.also == *value) *value = one.name;
    }
  };
  return field;
}

}  // namespace

std::vector<Field> adapter_fields(AdapterConfig* config) {
  std::vector<Field> fields = {
      method_field(&config->method),
      int_field("adapter.rank", &config->rank, 1, 65536, "rank of every low-rank pair"),
      double_field("adapter.alpha", &config->alpha, 0, 1e6, "scale is alpha / rank"),
      double_field("adapter.dropout", &config->dropout, 0, 0.99, "dropout on adapter inputs while training"),
      list_field("adapter.targets", &config->targets, "q k v o router gate up down shared dense embed lm_head norm, or auto"),
  };
  for (const Method& one : methods()) {
    for (Field& field : method_fields(config, one.name)) fields.push_back(std::move(field));
  }
  return fields;
}

}  // namespace hellora
