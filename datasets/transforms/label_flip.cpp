// Label flipping: a share of the clients trains on wrong labels. By default label y of C classes becomes C - 1 - y for
// all classes, as in Fang et al., USENIX Security 2020 (arXiv 1911.11815), section 5.1; `classes` and `to` flip chosen
// classes to one label, as in Tolpegin et al., ESORICS 2020 (arXiv 2007.08432). Evaluations see the true labels.
#include <algorithm>

#include "datasets/transforms/shared/poisoned_clients.hpp"
#include "sim/task/example_transform.hpp"

namespace shoal::transforms {
namespace {

class LabelFlip final : public ExampleTransform {
 public:
  explicit LabelFlip(const Settings& s)
      : clients_(s),
        classes_(s.integers("classes", {}, "labels that are flipped; empty: all", between(0, 1e6))),
        to_(s.integer("to", -1, "what they become; -1: classes - 1 - label", between(-1, 1e6))),
        where_(s.where()) {}

  void check(const Form& form) const override {
    if (form.targets != Form::Targets::labels) {
      user_error("{}: only labels can be flipped, which these examples do not have. Leave 'label_flip' out.", where_);
    }
    for (const std::int64_t label : classes_) check_label(label, form);
    check_label(to_, form);
  }

  void apply(const Batch& batch, Gathered& to, RandomKey key) const override {
    if (!clients_.has(batch.who->client, batch.clients, key)) return;
    auto* labels = to.targets.mutable_data_ptr<std::int64_t>();
    for (std::int64_t& label : std::span(labels, batch.positions.size())) {
      if (!classes_.empty() && std::ranges::find(classes_, label) == classes_.end()) continue;
      label = to_ >= 0 ? to_ : batch.form.classes - 1 - label;
    }
  }

 private:
  void check_label(std::int64_t label, const Form& form) const {
    if (label < form.classes) return;
    user_error("{}: there is no label {} (the data have {} classes). Choose one of 0 to {}.", where_, label,
               form.classes, form.classes - 1);
  }

  PoisonedClients clients_;
  std::vector<std::int64_t> classes_;
  std::int64_t to_;
  std::string where_;
};

}  // namespace

std::unique_ptr<ExampleTransform> label_flip(Settings& settings) { return std::make_unique<LabelFlip>(settings); }

}  // namespace shoal::transforms
