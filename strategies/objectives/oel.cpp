// Online experiential learning: the student reads the bare prompt, the teacher the prompt and, in place of a hint,
// experience that was extracted from use. Reverse KL divergence over k likely tokens, the teacher's or the student's,
// and one bin for all others (arXiv 2603.16856). Where the support is the student's, the teacher gives the
// probabilities of its own likeliest tokens alone; the others get equal shares of the rest. Only replies with
// experience count towards the batch.

#include <algorithm>
#include <cmath>

#include "sim/settings/settings.hpp"
#include "strategies/objectives/shared/reverse_kl.hpp"

namespace shoal::objectives {
namespace {

constexpr std::size_t told_per_token = 20;  // tokens that the teacher gives per token of the support, as published
constexpr std::size_t most_told = 2000;     // and at most this many

class Oel final : public Objective {
 public:
  explicit Oel(const Settings& s)
      : k_(s.integer("k", 50, "tokens that have bins of their own", at_least(1))),
        told_(
            s.integer("told", 0,
                      "likeliest tokens whose probability the teacher gives where the support is the student's; 0: 20 "
                      "k, at most 2000",
                      at_least(0))),
        by_student_(s.choice("support", false, {{"teacher", false}, {"student", true}},
                             "the policy whose likeliest tokens have bins of their own")) {
    if (told_ == 0) told_ = std::min(told_per_token * k_, most_told);
  }

  bool takes(const Signals& signals) const override { return signals.hints > 0; }

  double loss(const Sample& sample, RowView<double> gradient) const override {
    double loss = 0;
    const double length = sample.length();
    const std::size_t vocabulary = sample.vocabulary;
    for (std::size_t i = 0; i < sample.positions.size(); ++i) {
      const Position& p = sample.positions[i];
      const double share = p.count / length;
      const std::span student(p.current, vocabulary), before(p.old, vocabulary);
      const std::span teacher(sample.teacher(sample.signals.hints - 1, i), vocabulary);
      double* row = gradient.at(i);
      if (by_student_) {
        loss += share * reverse_kl(likeliest(before, k_), student, as_told(teacher), share, row);
      } else {
        loss += share * reverse_kl(likeliest(teacher, k_), student, teacher, share, row);
      }
    }
    return loss;
  }

 private:
  // The teacher's log-probabilities, where tokens beyond its `told_` likeliest have equal shares of the rest.
  std::vector<double> as_told(std::span<const double> teacher) const {
    double rest = 1;
    const std::vector<int> told = likeliest(teacher, told_);
    for (const int v : told) rest -= std::exp(teacher[v]);
    if (told.size() == teacher.size()) return {teacher.begin(), teacher.end()};
    constexpr double least = 1e-30;  // rounding may leave nothing
    const double others = teacher.size() - told.size();
    std::vector<double> out(teacher.size(), std::log(std::max(rest, least) / others));
    for (const int v : told) out[v] = teacher[v];
    return out;
  }

  std::size_t k_, told_;
  bool by_student_;
};

}  // namespace

std::unique_ptr<Objective> oel(Settings& settings) { return std::make_unique<Oel>(settings); }

}  // namespace shoal::objectives
