// The label of a token that is not learned, as in PyTorch's and Hugging Face's cross-entropy.
#pragma once

#include <cstdint>

namespace hellora {

inline constexpr int64_t kIgnore = -100;

}  // namespace hellora
