// Which parameter belongs to which member: a swap that is consistent in itself (apply, file and merge agree) is seen only here
// and by other programs.
#include "tests/conformance/adapters/subject.h"
#include "tests/support/frozen.h"

namespace hellora::testing {
namespace {

class MethodMembers : public ::testing::TestWithParam<TableRow<Method>> {};

std::vector<Tensor> adapted_weights(const Subject& subject, const Site& site) {
  std::vector<Tensor> weights;
  for (size_t m = 0; m < site.members.size(); ++m) {
    const Tensor base = frozen_weight(subject.model.decoder->weights(), site, m);
    weights.push_back(subject.adapters.find(site.layer, site.slot)->adapted_rows(base, 0, m));
  }
  return weights;
}

TEST_P(MethodMembers, AParameterChangesTheWeightThatItIsNamedAfterAndNoOther) {
  Subject subject(*GetParam(), at::kDouble);
  randomise(subject.adapters, 19);
  const at::NoGradGuard no_grad;
  for (size_t p = 0; p < subject.adapters.specs().size(); ++p) {
    const ParamSpec& spec = subject.adapters.specs()[p];
    if (!spec.place || spec.use == Use::seeded) continue;
    const Site& site = subject.adapters.sites()[spec.place->site];
    const std::vector<Tensor> before = adapted_weights(subject, site);
    subject.adapters.param(p).detach().mul_(2);
    const std::vector<Tensor> after = adapted_weights(subject, site);
    for (size_t m = 0; m < site.members.size(); ++m) {
      EXPECT_EQ(at::equal(before[m], after[m]), m != spec.place->member) << spec.name << " and " << site.members[m].path;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Table, MethodMembers, ::testing::ValuesIn(table_rows(methods())), row_name<Method>);

}  // namespace
}  // namespace hellora::testing
