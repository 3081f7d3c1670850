#include "strategies/objectives/shared/hint_gaps.hpp"

#include <array>

namespace shoal {
namespace {

constexpr int most_tokens = 64;  // largest size of a support

// The k largest of values [n], as indices; ties by the lowest index.
struct Top {
  std::array<int, most_tokens> index;
  int count = 0;

  Top(const double* values, int n, int k) {
    for (int v = 0; v < n && k > 0; ++v) {
      if (count == k && !(values[v] > values[index[k - 1]])) continue;
      if (count < k) ++count;
      int at = count - 1;
      for (; at > 0 && values[v] > values[index[at - 1]]; --at) index[at] = index[at - 1];
      index[at] = v;
    }
  }
  std::span<const int> all() const { return std::span(index.data(), count); }
  bool contains(int token) const { return std::ranges::find(all(), token) != all().end(); }
};

int overlap(const Top& a, const Top& b) {
  return std::ranges::count_if(a.all(), [&](int v) { return b.contains(v); });
}

}  // namespace

HintGaps::HintGaps(const Settings& s)
    : low_(s.number("clip_low", 0.2, "the importance ratio is clipped below 1 minus this", between(0, 1))),
      high_(s.number("clip_high", 0.28, "the importance ratio is clipped above 1 plus this", at_least(0))),
      gap_(s.number("gap", 1, "largest gap to the teacher that counts, C; 0: no limit", at_least(0))),
      k_(s.integer("k", 4, "tokens of the support", between(1, most_tokens))) {
  support_ = s.choice("support", Support::student,
                      {{"student", Support::student}, {"teacher", Support::teacher}, {"overlap", Support::overlap}},
                      "the k likeliest tokens of the policy, those of the teacher, or those that both have");
  choice_ = s.choice("hint", Choice::sequence,
                     {{"sequence", Choice::sequence},
                      {"token", Choice::token},
                      {"shortest", Choice::shortest},
                      {"random", Choice::random}},
                     "the hint whose likely tokens overlap most with the policy's, over the reply or at each position; "
                     "the shortest hint; or a random one");
}

struct HintGaps::Slopes {
  double loss = 0;
  std::size_t count = 0;
  std::array<int, most_tokens> token;
  std::array<double, most_tokens> slope;
};

int HintGaps::best_hint(const Sample& sample, std::size_t first, std::size_t last) const {
  int best = 0;
  double most = -1;
  for (int h = 0; h < sample.signals.hints; ++h) {
    double shared = 0;
    for (std::size_t i = first; i < last; ++i) {
      const Position& p = sample.positions[i];
      shared += p.count * overlap(Top(p.old, sample.vocabulary, k_), Top(sample.teacher(h, i), sample.vocabulary, k_));
    }
    if (shared > most) {
      most = shared;
      best = h;
    }
  }
  return best;
}

HintGaps::Slopes HintGaps::slopes(const Position& p, const double* teacher, int vocabulary) const {
  const Top student(p.old, vocabulary, k_);
  const Top other(teacher, vocabulary, support_ == Support::student ? 0 : k_);
  Slopes found;
  for (const int v : support_ == Support::teacher ? other.all() : student.all()) {
    if (support_ != Support::overlap || other.contains(v)) found.token[found.count++] = v;
  }
  double total = 0;
  for (std::size_t j = 0; j < found.count; ++j) total += std::exp(p.old[found.token[j]]);
  for (std::size_t j = 0; j < found.count; ++j) {
    const int v = found.token[j];
    double delta = teacher[v] - p.old[v];
    if (gap_ > 0) delta = std::clamp(delta, -gap_, gap_);
    const double advantage = std::exp(p.old[v]) / total * delta;
    const Term term = clipped_surrogate(advantage, p.current[v] - p.old[v], low_, high_);
    found.loss += term.loss;
    found.slope[j] = term.slope;
  }
  return found;
}

double HintGaps::loss(const Sample& sample, double weight, RowView<double> gradient) const {
  const int hints = sample.signals.hints;
  if (hints == 0 && sample.teacher_without_hint.empty()) return 0;
  const std::size_t n = sample.positions.size();
  int hint = 0;
  if (hints > 1 && choice_ == Choice::sequence) hint = best_hint(sample, 0, n);
  if (hints > 1 && choice_ == Choice::random) hint = std::min<int>(sample.draw * hints, hints - 1);
  double loss = 0;
  const double length = sample.length();
  Slopes found;
  const double *current = nullptr, *old = nullptr, *teacher = nullptr;  // the rows that `found` was computed from
  for (std::size_t i = 0; i < n; ++i) {
    const Position& p = sample.positions[i];
    if (hints > 1 && choice_ == Choice::token) hint = best_hint(sample, i, i + 1);
    const double* here = hints > 0 ? sample.teacher(hint, i) : sample.teacher_without_hint[i];
    if (p.current != current || p.old != old || here != teacher) {  // equal positions are computed once
      current = p.current;
      old = p.old;
      teacher = here;
      found = slopes(p, teacher, sample.vocabulary);
    }
    const double share = p.count / length;
    loss += share * found.loss;
    double* row = gradient.at(i);
    for (std::size_t j = 0; j < found.count; ++j) row[found.token[j]] += weight * share * found.slope[j];
  }
  return loss;
}

}  // namespace shoal
