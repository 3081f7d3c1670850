#include "sim/agents/learner.hpp"

#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

#include "sim/agents/all_finite.hpp"
#include "sim/agents/surrogate.hpp"

namespace shoal {
namespace {

// Rows of a table of log-probabilities, one per position.
void point_at_rows(const double* rows, std::int64_t first, std::size_t count, std::int64_t vocabulary,
                   std::vector<const double*>& to) {
  for (std::size_t i = 0; i < count; ++i) to.push_back(rows + (first + static_cast<std::int64_t>(i)) * vocabulary);
}

double entropy(const double* log_p, std::int64_t vocabulary) {
  double sum = 0;
  for (std::int64_t v = 0; v < vocabulary; ++v) sum -= std::exp(log_p[v]) * log_p[v];
  return sum;
}

}  // namespace

// Replies of a batch as a rollout worker scores them, and the rows of each reply in the table.
struct Learner::Scored {
  std::vector<Exchange> exchanges;
  std::vector<std::int64_t> first;  // first row of each reply; with several hints, that of the first hint
  at::Tensor table;                 // [positions, V]

  void add(std::span<const Token> prompt, const JudgedReply& judged, std::int64_t& row) {
    exchanges.push_back({prompt, judged.reply.tokens, judged.temperature});
    row += std::ssize(judged.reply.tokens);
  }
};

void Learner::score(Scored& scored, const at::Tensor& weights) {
  if (scored.exchanges.empty()) return;
  worker_->load(weights);
  scored.table = worker_->log_probs(scored.exchanges);
}

BatchMeasures Learner::gradient(const Weights& weights, std::span<const JudgedReply> batch, at::Tensor& gradient) {
  gradient.zero_();
  BatchMeasures measures;
  Scored current, hinted, unhinted;
  std::int64_t rows = 0, hinted_rows = 0, unhinted_rows = 0;
  for (const JudgedReply& judged : batch) {
    current.first.push_back(rows);
    hinted.first.push_back(hinted_rows);
    unhinted.first.push_back(unhinted_rows);
    if (judged.reply.tokens.empty()) continue;
    current.add(judged.prompt, judged, rows);
    for (const std::vector<Token>& prompt : judged.hinted) hinted.add(prompt, judged, hinted_rows);
    if (weights.measure_kl || (weights.anchor && judged.hinted.empty())) {
      unhinted.add(judged.prompt, judged, unhinted_rows);
    }
  }
  if (rows == 0) return measures;
  score(hinted, weights.teacher);
  score(unhinted, weights.teacher);
  Scored old{.exchanges = current.exchanges, .first = {}, .table = {}};
  if (weights.old.defined()) score(old, weights.old);
  score(current, weights.current);

  const std::int64_t vocabulary = current.table.size(1);
  at::Tensor slopes = at::zeros_like(current.table);
  double tokens = 0;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const JudgedReply& judged = batch[i];
    const std::size_t length = judged.reply.tokens.size();
    if (length == 0) continue;
    std::vector<const double*> now, before, teachers, without;
    point_at_rows(current.table.const_data_ptr<double>(), current.first[i], length, vocabulary, now);
    before = now;
    if (old.table.defined()) {
      before.clear();
      point_at_rows(old.table.const_data_ptr<double>(), current.first[i], length, vocabulary, before);
    }
    if (!judged.hinted.empty()) {
      point_at_rows(hinted.table.const_data_ptr<double>(), hinted.first[i], length * judged.hinted.size(), vocabulary,
                    teachers);
    }
    const bool asked = weights.measure_kl || (weights.anchor && judged.hinted.empty());
    if (asked) point_at_rows(unhinted.table.const_data_ptr<double>(), unhinted.first[i], length, vocabulary, without);

    std::vector<Position> positions;
    for (std::size_t k = 0; k < length; ++k) {
      positions.push_back({.token = judged.reply.tokens[k],
                           .count = 1,
                           .current = now[k],
                           .old = before[k],
                           .rolled = judged.reply.log_probs[k]});
      measures.entropy += entropy(now[k], vocabulary);
      if (asked) measures.kl += k3_penalty(without[k][positions[k].token], now[k][positions[k].token]).loss;
    }
    tokens += static_cast<double>(length);
    Sample sample{.signals = judged.signals,
                  .vocabulary = static_cast<int>(vocabulary),
                  .positions = positions,
                  .teachers = teachers,
                  .unhinted = {},
                  .draw = judged.draw};
    sample.signals.hints = static_cast<int>(judged.hinted.size());
    if (weights.anchor && judged.hinted.empty()) sample.unhinted = without;

    double* of_reply = slopes.mutable_data_ptr<double>() + current.first[i] * vocabulary;
    const std::span<double> written(of_reply, length * static_cast<std::size_t>(vocabulary));
    const double loss = objective_.loss(sample, RowView<double>(of_reply, std::ssize(positions), vocabulary));
    if (std::isfinite(loss) && std::isfinite(judged.signals.reward) && all_finite(written)) {
      measures.loss += loss;
    } else {
      std::ranges::fill(written, 0);
      ++measures.rejected;
    }
  }
  const double count = static_cast<double>(batch.size());
  worker_->add_gradient(current.exchanges, slopes.div_(count), gradient);
  measures.loss /= count;
  measures.kl /= tokens;
  measures.entropy /= tokens;
  measures.length = tokens / count;
  measures.gradient_norm = at::linalg_vector_norm(gradient).item<double>();
  return measures;
}

}  // namespace shoal
