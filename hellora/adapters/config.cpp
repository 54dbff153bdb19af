#include "hellora/adapters/config.h"

#include <cmath>

namespace hellora {

double AdapterConfig::scale(int64_t member_rank, double own_alpha) const {
  return (own_alpha > 0 ? own_alpha : alpha) / (rslora ? std::sqrt(static_cast<double>(member_rank)) : static_cast<double>(member_rank));
}

std::vector<Field> adapter_fields(AdapterConfig* config) {
  return {
      text_field("adapter.method", &config->method, "how to adapt: see `hellora methods`"),
      int_field("adapter.rank", &config->rank, 1, 65536, "rank of every low-rank pair"),
      double_field("adapter.alpha", &config->alpha, 0, 1e6, "scale is alpha / rank"),
      double_field("adapter.dropout", &config->dropout, 0, 0.99, "dropout on adapter inputs while training"),
      flag_field("adapter.rslora", &config->rslora, "scale alpha / sqrt(rank) instead"),
      list_field("adapter.targets", &config->targets, "q k v o router gate up down shared dense embed lm_head norm, or auto"),
  };
}

}  // namespace hellora
