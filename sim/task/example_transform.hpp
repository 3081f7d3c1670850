#pragma once
// Changes of the examples that a client trains on: augmentation, poisoned labels, a trigger, skewed features.

#include <memory>
#include <string_view>
#include <vector>

#include "sim/nn/form.hpp"
#include "sim/participation.hpp"
#include "sim/random.hpp"
#include "sim/settings/part.hpp"

namespace shoal {

/// The examples in a gathered batch, and the client that they are for.
struct Batch {
  std::span<const std::int32_t> positions;  // in the data set; the batch's first rows
  const Participation* who = nullptr;       // the client that trains on them; null in an evaluation
  std::int64_t step = 0;                    // local step of the participation, from 0
  std::span<const float> weights;           // weights of the rows in the loss, as in Gathered; may be empty
  const Form& form;                         // form of the data set
  std::int64_t clients = 0;                 // clients of the task
};

/// A change of the examples that clients train on, after they were gathered. A part of datasets/transforms. Evaluations
/// see the examples as they are, except on a set that a transform makes.
class ExampleTransform {
 public:
  virtual ~ExampleTransform() = default;
  /// UserError for examples of a form that it cannot change.
  virtual void check(const Form&) const {}
  /// Changes the first rows in place, one for each position. What becomes of an example is a function of the key, the
  /// example, the client and the round alone: neither of its batch or step nor of the other clients of a block.
  virtual void apply(const Batch&, Gathered&, RandomKey) const = 0;

  /// The name of a set of examples that it makes for evaluations, such as "backdoor"; empty: none. They are test
  /// examples as `apply` changes them without a client (`who` is null).
  virtual std::string_view set() const { return {}; }
  /// Whether test examples with this label are in that set.
  virtual bool has_label(std::int32_t) const { return true; }
};

/// The draws for one example of a client in a round.
inline RandomStream draws_of(RandomKey key, const Participation& who, std::int32_t example) {
  return {key, (value(who.client) << 32) | example, who.round};
}

/// A transform, and the key of its draws.
struct KeyedTransform {
  std::shared_ptr<const ExampleTransform> transform;
  RandomKey key;
};

template <>
std::span<const Part<ExampleTransform>> parts<ExampleTransform>();  // generated from datasets/transforms

}  // namespace shoal
