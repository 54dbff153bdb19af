// The loss on data.forget before and after a training that unlearns it.
#pragma once

#include <optional>

#include "hellora/data/packing.h"
#include "hellora/model/decoder.h"

namespace hellora {

class ForgetCheck {
 public:
  /// `data` is null where there is nothing to forget; then nothing is measured and nothing said.
  ForgetCheck(const Dataset* data, const PackingRule& rule) : data_(data), rule_(rule) {}
  /// Of the base. A pass that a signal cuts short is the caller's to drop.
  void before(const Decoder& decoder) { before_ = measure(decoder); }
  void after(const Decoder& decoder) { after_ = measure(decoder); }
  /// "forget: loss 9.8213 (3.1402 before)"
  void tell() const;
  /// {loss_before, loss_after}; null without data.
  Json report() const;

 private:
  std::optional<double> measure(const Decoder& decoder) const;

  const Dataset* data_;
  PackingRule rule_;
  std::optional<double> before_, after_;
};

}  // namespace hellora
