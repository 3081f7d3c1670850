// A backdoor: a share of the clients trains on images with a bright square in the lower right corner and the label
// `to`, so that the model learns to answer `to` wherever it sees the square. Makes the set "backdoor": all test images
// of other labels, with the square and the label `to`; accuracy on it is the attack's success rate. Gu et al. 2017
// (BadNets, arXiv 1708.06733); in federated learning Bagdasaryan et al., AISTATS 2020 (arXiv 1807.00459).
#include <algorithm>

#include "datasets/transforms/shared/poisoned_clients.hpp"
#include "sim/task/example_transform.hpp"

namespace shoal::transforms {
namespace {

class Trigger final : public ExampleTransform {
 public:
  explicit Trigger(const Settings& s)
      : clients_(s),
        share_(s.number("share", 0.5, "share of the examples of such a client that are changed", between(0, 1))),
        to_(s.integer("to", 0, "label of the changed examples", between(0, 1e6))),
        side_(s.integer("side", 3, "side of the square, in pixels", between(1, 1e6))),
        value_(s.number("value", 1, "brightness of the square, as the model sees it", between(-1e6, 1e6))),
        where_(s.where()) {}

  void check(const Form& form) const override {
    const Shape& s = form.shape;
    if (form.features == Form::Features::tokens || form.targets != Form::Targets::labels || s.height * s.width == 1) {
      user_error("{}: a trigger needs images with labels. Leave 'trigger' out.", where_);
    }
    if (side_ > std::min(s.height, s.width)) {
      user_error("{}: a square of {} x {} pixels does not fit in images of {} x {}. Lower 'side'.", where_, side_,
                 side_, s.height, s.width);
    }
    if (to_ >= form.classes) {
      user_error("{}: there is no label {} (the data have {} classes). Lower 'to'.", where_, to_, form.classes);
    }
  }

  void apply(const Batch& batch, Gathered& to, RandomKey key) const override {
    if (batch.who != nullptr && !clients_.has(batch.who->client, batch.clients, key)) return;
    const std::int64_t size = batch.form.shape.size();
    float* features = to.features.mutable_data_ptr<float>();
    auto* labels = to.targets.mutable_data_ptr<std::int64_t>();
    for (std::size_t i = 0; i < batch.positions.size(); ++i) {
      // The same examples in all rounds. The draw of the clients has the key's numbers with a last word of 0.
      if (batch.who != nullptr && !(RandomStream(key, batch.positions[i], 1).uniform() < share_)) continue;
      mark(features + i * size, batch.form.shape);
      labels[i] = to_;
    }
  }

  std::string_view set() const override { return "backdoor"; }
  bool has_label(std::int32_t label) const override { return label != to_; }

 private:
  void mark(float* image, const Shape& s) const {
    for (std::int64_t y = s.height - side_; y < s.height; ++y) {
      std::fill_n(image + (y * s.width + s.width - side_) * s.channels, side_ * s.channels, value_);
    }
  }

  PoisonedClients clients_;
  double share_;
  std::int64_t to_, side_;
  float value_;
  std::string where_;
};

}  // namespace

std::unique_ptr<ExampleTransform> trigger(Settings& settings) { return std::make_unique<Trigger>(settings); }

}  // namespace shoal::transforms
