// Matrix products whose bytes do not depend on the number of threads: the output is cut into fixed tiles and each
// tile is one single-threaded product. Stored weights (bf16) are widened tile by tile, never as a whole.
#pragma once

#include "hellora/tensor/torch.h"

namespace hellora {

/// y (N,O) = x (N,I) · w (O,I)ᵀ. `w` may be stored in bf16; the arithmetic is in x's dtype.
Tensor matmul_nt(const Tensor& x_NI, const Tensor& w_OI);

/// dx (N,I) = dy (N,O) · w (O,I).
Tensor matmul_nn(const Tensor& dy_NO, const Tensor& w_OI);

/// dw (O,I) = dy (N,O)ᵀ · x (N,I), in x's dtype.
Tensor matmul_tn(const Tensor& dy_NO, const Tensor& x_NI);

/// y = x wᵀ with gradients for x and, where it asks for one, for w.
Tensor tiled_linear(const Tensor& x_NI, const Tensor& w_OI);

}  // namespace hellora
