#include "sim/agents/learner.hpp"

#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>

#include "sim/agents/all_finite.hpp"
#include "sim/agents/surrogate.hpp"

namespace shoal {
namespace {

using RowPointers = std::vector<const double*>;

// Replies that one policy scores together, and the table of their log-probabilities.
struct Scored {
  std::vector<Exchange> exchanges;
  std::vector<std::int64_t> first;  // first row of each reply of the batch; with several hints, that of the first hint
  std::int64_t rows = 0;
  at::Tensor table;  // [rows, V]

  void add(std::span<const Token> prompt, const JudgedReply& judged) {
    exchanges.push_back({prompt, judged.reply.tokens, judged.temperature});
    rows += std::ssize(judged.reply.tokens);
  }
  void score(RolloutWorker& worker, const at::Tensor& weights) {
    if (exchanges.empty()) return;
    worker.load(weights);
    table = worker.log_probs(exchanges);
  }
};

// Rows first, ..., first + count - 1 of a table [rows, V].
RowPointers rows_of(const at::Tensor& table, std::int64_t first, std::size_t count) {
  RowPointers rows;
  for (std::size_t i = 0; i < count; ++i) rows.push_back(table.const_data_ptr<double>() + (first + i) * table.size(1));
  return rows;
}

double entropy(const double* log_p, std::int64_t vocabulary) {
  double sum = 0;
  for (std::int64_t v = 0; v < vocabulary; ++v) sum -= std::exp(log_p[v]) * log_p[v];
  return sum;
}

bool needs_teacher_without_hint(const Weights& weights, const JudgedReply& judged) {
  return weights.measure_kl || (weights.kl_to_teacher && judged.hinted.empty());
}

// The replies of a batch, scored by each policy that the gradient involves.
struct ScoredBatch {
  Scored current, hinted, without_hint;
  at::Tensor old;  // table of the policy before the update, in the rows of `current`

  ScoredBatch(std::span<const JudgedReply> batch, const Weights& weights) {
    for (const JudgedReply& judged : batch) {
      for (Scored* scored : {&current, &hinted, &without_hint}) scored->first.push_back(scored->rows);
      if (judged.reply.tokens.empty()) continue;
      current.add(judged.prompt, judged);
      for (const std::vector<Token>& prompt : judged.hinted) hinted.add(prompt, judged);
      if (needs_teacher_without_hint(weights, judged)) without_hint.add(judged.prompt, judged);
    }
  }
  void score(RolloutWorker& worker, const Weights& weights) {
    hinted.score(worker, weights.teacher);
    without_hint.score(worker, weights.teacher);
    if (weights.old.defined()) {
      worker.load(weights.old);
      old = worker.log_probs(current.exchanges);
    }
    current.score(worker, weights.current);
    if (!old.defined()) old = current.table;
  }
};

// Adds reply i of the batch to the measures and writes its rows of `slopes`, the loss's derivatives with respect to
// log-probabilities; zeros if it is rejected.
void add_reply(std::size_t i, const JudgedReply& judged, const ScoredBatch& scored, const Weights& weights,
               const Objective& objective, at::Tensor& slopes, BatchMeasures& measures) {
  const std::size_t length = judged.reply.tokens.size(), hints = judged.hinted.size();
  const int vocabulary = slopes.size(1);
  const std::int64_t first = scored.current.first[i];
  const RowPointers current = rows_of(scored.current.table, first, length);
  const RowPointers old = rows_of(scored.old, first, length);
  RowPointers teachers, without_hint;
  if (hints > 0) teachers = rows_of(scored.hinted.table, scored.hinted.first[i], length * hints);
  if (needs_teacher_without_hint(weights, judged)) {
    without_hint = rows_of(scored.without_hint.table, scored.without_hint.first[i], length);
  }

  std::vector<Position> positions;
  for (std::size_t k = 0; k < length; ++k) {
    const Token token = judged.reply.tokens[k];
    positions.push_back(
        {.token = token, .count = 1, .current = current[k], .old = old[k], .rolled = judged.reply.log_probs[k]});
    measures.entropy += entropy(current[k], vocabulary);
    if (!without_hint.empty()) measures.kl += k3_penalty(without_hint[k][token], current[k][token]).loss;
  }
  Sample sample{.signals = judged.signals,
                .vocabulary = vocabulary,
                .positions = positions,
                .teachers = teachers,
                .teacher_without_hint = {},
                .draw = judged.draw};
  sample.signals.hints = hints;
  if (weights.kl_to_teacher && hints == 0) sample.teacher_without_hint = without_hint;

  double* own = slopes.mutable_data_ptr<double>() + first * vocabulary;
  const std::span<double> written(own, length * vocabulary);
  const double loss = objective.loss(sample, RowView<double>(own, std::ssize(positions), vocabulary));
  if (std::isfinite(loss) && std::isfinite(judged.signals.reward) && all_finite(written)) {
    measures.loss += loss;
  } else {
    std::ranges::fill(written, 0);
    ++measures.rejected;
  }
}

}  // namespace

BatchMeasures Learner::gradient(const Weights& weights, std::span<const JudgedReply> batch, at::Tensor& gradient) {
  gradient.zero_();
  BatchMeasures measures;
  ScoredBatch scored(batch, weights);
  if (scored.current.rows == 0) return measures;
  scored.score(*worker_, weights);

  at::Tensor slopes = at::zeros_like(scored.current.table);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (batch[i].reply.tokens.empty()) continue;
    add_reply(i, batch[i], scored, weights, objective_, slopes, measures);
  }
  const double count = batch.size(), tokens = scored.current.rows;
  worker_->add_gradient(scored.current.exchanges, slopes.div_(count), gradient);
  measures.loss /= count;
  measures.kl /= tokens;
  measures.entropy /= tokens;
  measures.length = tokens / count;
  measures.tokens = scored.current.rows;
  measures.gradient_norm = at::linalg_vector_norm(gradient).item<double>();
  return measures;
}

}  // namespace shoal
