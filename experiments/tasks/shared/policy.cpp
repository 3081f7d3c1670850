#include "experiments/tasks/shared/policy.hpp"

#include "datasets/language/shipped_weights.hpp"

namespace shoal {

std::unique_ptr<Policy> make_policy(const Settings& section) {
  std::unique_ptr<Policy> policy = make_part<Policy>("policy", "linear", section);
  policy->open(shipped_weights);
  return policy;
}

}  // namespace shoal
