// On-policy distillation by the reverse KL divergence to the hinted teacher over the teacher's k likeliest tokens and
// one bin for all others, as in SDPO (arXiv 2601.20802) and SDFT (arXiv 2601.19897). No importance ratio: the gradient
// is exact in the policy. Only replies with a hint fill the batch; the longest hint is used.

#include <array>

#include "sim/agents/objective.hpp"
#include "sim/agents/surrogate.hpp"

namespace shoal::objectives {
namespace {

class OpdReverseKl final : public Objective {
 public:
  explicit OpdReverseKl(const Settings& s)
      : k_(static_cast<std::size_t>(s.integer("k", 50, "tokens of the teacher that are told apart", at_least(1)))) {}

  bool takes(const Signals& signals) const override { return signals.hints > 0; }

  double loss(const Sample& sample, RowView<double> gradient) const override {
    double loss = 0;
    const double length = sample.length();
    for (std::size_t i = 0; i < sample.positions.size(); ++i) {
      const Position& p = sample.positions[i];
      const double share = p.count / length;
      loss += share * at(p.current, sample.teacher(sample.signals.hints - 1, i), sample.vocabulary, share,
                         gradient.at(static_cast<std::int64_t>(i)));
    }
    return loss;
  }

 private:
  // sum p (log p - log q) over the k tokens and the tail; its derivative by log p_v is p_v (log p_v - log q_v + 1), and
  // that of the tail is shared by the tail's tokens according to their probability.
  double at(const double* student, const double* teacher, int vocabulary, double scale, double* gradient) const {
    const auto n = static_cast<std::size_t>(vocabulary);
    std::vector<int> order(n);
    for (std::size_t v = 0; v < n; ++v) order[v] = static_cast<int>(v);
    const std::size_t k = std::min(k_, n);
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(k), order.end(),
                      [&](int a, int b) { return teacher[a] > teacher[b] || (teacher[a] == teacher[b] && a < b); });
    double loss = 0, tail_p = 0, tail_q = 0;
    for (std::size_t j = 0; j < n; ++j) {
      const int v = order[j];
      const double p = std::exp(student[v]);
      if (j >= k) {
        tail_p += p;
        tail_q += std::exp(teacher[v]);
        continue;
      }
      const double gap = student[v] - teacher[v];
      loss += p * gap;
      gradient[v] += scale * p * (gap + 1);
    }
    if (tail_p > 0 && tail_q > 0) {
      const double gap = std::log(tail_p) - std::log(tail_q);
      loss += tail_p * gap;
      for (std::size_t j = k; j < n; ++j) gradient[order[j]] += scale * std::exp(student[order[j]]) * (gap + 1);
    }
    return loss;
  }

  std::size_t k_;
};

}  // namespace

std::unique_ptr<Objective> opd_reverse_kl(Settings& settings) { return std::make_unique<OpdReverseKl>(settings); }

}  // namespace shoal::objectives
