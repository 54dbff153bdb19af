// NOLA: A and B are sums of random matrices that follow from their place in the model; only the coefficients are trained and stored:
// A = A₀ + Σ α_i Â_i, B = Σ β_i B̂_i (Koohpayegani et al. 2024; laws of UCDvision/NOLA, whose training code divides the basis by √K).
// The basis of a projection serves all its experts. It is never stored: both passes make it anew, which is what the method costs.
#include <cmath>

#include "hellora/adapters/lora.h"
#include "hellora/adapters/row.h"
#include "hellora/core/rng.h"

namespace hellora {
namespace {

constexpr const char* kName = "nola";

struct Settings {
  int64_t basis = 64;

  std::vector<Field> fields() {
    return {int_field("adapter.nola.basis", &basis, 1, 65536, "nola: random matrices that each factor is mixed of; its coefficients")};
  }
};

/// Four neighbouring elements of basis matrix i, each U(-1, 1) · scale.
std::array<double, 4> basis_block(RngKey key, int64_t i, int64_t block, double scale) {
  const auto bits = philox(key, {static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), static_cast<uint32_t>(i), 0});
  std::array<double, 4> out{};
  for (size_t j = 0; j < 4; ++j) out[j] = (2 * static_cast<double>(unit_float(bits[j])) - 1) * scale;
  return out;
}

/// Σ_i c_i · basis_i: a block of four elements is one sum in the order of i, so that threads change nothing.
template <class Real>
void mix(const Real* coefficients, int64_t count, RngKey key, double scale, int64_t elements, Real* out) {
#pragma omp parallel for schedule(static)
  for (int64_t block = 0; block < (elements + 3) / 4; ++block) {
    std::array<double, 4> sum{};
    for (int64_t i = 0; i < count; ++i) {
      const auto values = basis_block(key, i, block, scale);
      for (size_t j = 0; j < 4; ++j) sum[j] += static_cast<double>(coefficients[i]) * values[j];
    }
    for (int64_t j = 0; j < 4 && 4 * block + j < elements; ++j) out[4 * block + j] = static_cast<Real>(sum[static_cast<size_t>(j)]);
  }
}

/// ∂/∂c_i = ⟨gradient, basis_i⟩
template <class Real>
void project(const Real* gradient, int64_t elements, RngKey key, double scale, int64_t count, Real* out) {
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < count; ++i) {
    double sum = 0;
    for (int64_t block = 0; block < (elements + 3) / 4; ++block) {
      const auto values = basis_block(key, i, block, scale);
      for (int64_t j = 0; j < 4 && 4 * block + j < elements; ++j)
        sum += static_cast<double>(gradient[4 * block + j]) * values[static_cast<size_t>(j)];
    }
    out[i] = static_cast<Real>(sum);
  }
}

class Mix : public torch::autograd::Function<Mix> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* ctx, const Tensor& c_K, std::vector<int64_t> sizes, int64_t low, int64_t high) {
    ctx->saved_data["count"] = c_K.numel();
    ctx->saved_data["low"] = low;
    ctx->saved_data["high"] = high;
    Tensor out = at::empty(sizes, c_K.options());
    const Tensor c = c_K.contiguous();
    if (c.scalar_type() == at::kDouble) {
      mix(c.const_data_ptr<double>(), c.numel(), key_of(low, high), scale_of(c.numel()), out.numel(), out.data_ptr<double>());
    } else {
      mix(c.const_data_ptr<float>(), c.numel(), key_of(low, high), scale_of(c.numel()), out.numel(), out.data_ptr<float>());
    }
    return out;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx, torch::autograd::variable_list grads) {
    const Tensor gradient = grads[0].contiguous();
    const int64_t count = ctx->saved_data["count"].toInt();
    const RngKey key = key_of(ctx->saved_data["low"].toInt(), ctx->saved_data["high"].toInt());
    Tensor out = at::empty({count}, gradient.options());
    if (gradient.scalar_type() == at::kDouble) {
      project(gradient.const_data_ptr<double>(), gradient.numel(), key, scale_of(count), count, out.data_ptr<double>());
    } else {
      project(gradient.const_data_ptr<float>(), gradient.numel(), key, scale_of(count), count, out.data_ptr<float>());
    }
    return {out, Tensor(), Tensor(), Tensor()};
  }

 private:
  static RngKey key_of(int64_t low, int64_t high) { return {static_cast<uint32_t>(low), static_cast<uint32_t>(high)}; }
  static double scale_of(int64_t count) { return 1 / std::sqrt(static_cast<double>(count)); }
};

class Nola : public Adapter {
 public:
  Nola(const Site& site, const AdapterConfig& config, const Lookup& param) : Adapter(site), out_(site.out) {
    for (const SiteMember& one : site.members)
      parts_.push_back({param(one.path + ".nola_A0"), param(one.path + ".nola_alpha"), param(one.path + ".nola_beta"),
                        config.scale(one.rank, one.alpha)});
    const auto key = [&](const char* factor) {
      return make_key(hash_text(factor), static_cast<uint64_t>(site.layer + 1), static_cast<uint64_t>(site.slot));
    };
    a_key_ = key("nola A");
    b_key_ = key("nola B");
  }

  Part part(size_t m) const override {
    const Coefficients& p = parts_[m];
    const int64_t rank = p.A0_RI.size(0);
    const Tensor a_RI = p.A0_RI + mixed(p.alpha_K, {rank, p.A0_RI.size(1)}, a_key_);
    return LowRank{a_RI, mixed(p.beta_K, {out_, rank}, b_key_), p.scale};
  }

 private:
  struct Coefficients {
    Tensor A0_RI, alpha_K, beta_K;
    double scale;
  };
  static Tensor mixed(const Tensor& c_K, std::vector<int64_t> sizes, RngKey key) {
    return Mix::apply(c_K, std::move(sizes), static_cast<int64_t>(key.low), static_cast<int64_t>(key.high));
  }

  int64_t out_;
  RngKey a_key_, b_key_;
  std::vector<Coefficients> parts_;
};

std::vector<ParamSpec> params(std::span<const Site> sites, const AdapterConfig& config) {
  const int64_t basis = config.settings<Settings>(kName).basis;
  std::vector<ParamSpec> specs;
  for (size_t s = 0; s < sites.size(); ++s) {
    require_matrix(sites[s], config);
    for (size_t m = 0; m < sites[s].members.size(); ++m) {
      const SiteMember& one = sites[s].members[m];
      specs.push_back({one.path + ".nola_A0", {one.rank, sites[s].in}, init::kaiming(sites[s].in), Place{s, m}, Use::seeded});
      specs.push_back({one.path + ".nola_alpha", {basis}, init::zeros(), Place{s, m}});
      specs.push_back({one.path + ".nola_beta", {basis}, init::zeros(), Place{s, m}});
    }
  }
  return specs;
}

}  // namespace

extern const Method kNola = {
    .name = kName,
    .summary = "coefficients of random matrices that are made anew in each pass; the smallest state for any rank, dear",
    .source = "Koohpayegani et al. 2024, arXiv 2310.02556",
    .params = params,
    .make = make_adapter<Nola>,
    .settings = default_settings<Settings>,
    .fields = settings_fields<Settings>,
};

}  // namespace hellora
