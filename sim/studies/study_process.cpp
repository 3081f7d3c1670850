#include "sim/studies/study_process.hpp"

#include <ATen/ops/zeros.h>

#include <algorithm>
#include <bit>
#include <ctime>
#include <limits>

#include "kernels/fixed_point.hpp"

namespace shoal {
namespace {

constexpr std::int64_t least_batch = 64, most_steps = 16;
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

// Outcomes in the type of the model.
std::vector<float> rounded(const std::vector<double>& outcomes) { return {outcomes.begin(), outcomes.end()}; }

}  // namespace

StudyProcess::StudyProcess(std::unique_ptr<Study> study, std::int64_t replicates, std::uint64_t seed)
    : study_(std::move(study)),
      replicates_(replicates),
      // A function of the experiment alone. Every rank gets work, and a checkpoint may follow each step.
      batch_(std::max(least_batch, (replicates + most_steps - 1) / most_steps)),
      seed_(seed),
      exponent_(unit_exponent(replicates, study_->largest_outcome())) {
  schedule_.rounds = (replicates_ + batch_ - 1) / batch_;
  schedule_.evaluate_every = 1;
  for (const auto& [name, count] : study_->outcomes()) layout_.add(name, {count});
  sums_.assign(layout_.size, 0);
}

std::map<std::string, std::string> StudyProcess::provenance() const {
  return {{"data", study_->digest()}, {"replicates", std::to_string(replicates_)}, {"metric", study_->metric_name()}};
}

std::vector<std::string> StudyProcess::notes() const {
  return {fmt::format("{} replicates in {} steps", replicates_, schedule_.rounds),
          fmt::format("metric: {} ({})", study_->metric_name(), study_->metric_unit())};
}

double StudyProcess::measure(double seconds) const {
  // Processor time, which other processes on the machine do not lengthen.
  const auto now = [] { return 1.0 * std::clock() / CLOCKS_PER_SEC; };
  const auto timed = [&](std::int64_t replicate) {
    const double begin = now();
    study_->run(seed_, replicate);
    return now() - begin;
  };
  // The first replicate also makes buffers and loads libraries, so it counts only if it is the only one.
  const double first = timed(0);
  double took = 0;
  std::int64_t more = 0;
  while (more + 1 < replicates_ && first + took < seconds) took += timed(++more);
  return replicates_ * (more > 0 ? took / more : first);
}

StudyProcess::Batch StudyProcess::run(std::int64_t first, std::int64_t count, Communicator& comm,
                                      ThreadPool& pool) const {
  std::vector<std::int64_t> mine;
  for (std::int64_t i = comm.rank(); i < count; i += comm.size()) mine.push_back(i);
  std::vector<std::vector<double>> found(mine.size());
  pool.for_each(mine.size(), [&](int, std::size_t i) { found[i] = study_->run(seed_, first + mine[i]); });

  // One sum: the outcomes, the number of accepted replicates, and the bits of each metric, to which other ranks add
  // zero.
  const std::int64_t values = layout_.size;
  std::vector<std::int64_t> wire(values + 1 + count, 0);
  for (std::size_t i = 0; i < mine.size(); ++i) {
    ensure(std::ssize(found[i]) == values, "a replicate has {} outcomes (its study declares {})", found[i].size(),
           values);
    const std::vector<float> row = rounded(found[i]);
    const bool accepted = scan<float>(row).max_abs <= study_->largest_outcome();
    if (accepted) accumulate<float>(std::span(wire).first(values), row, 1, exponent_);
    wire[values] += accepted ? 1 : 0;
    const double metric = accepted ? study_->metric(found[i].data()) : not_a_number;
    wire[values + 1 + mine[i]] = std::bit_cast<std::int64_t>(metric);
  }
  comm.sum(wire);
  Batch batch{.first = first, .accepted = wire[values]};
  batch.sums.assign(wire.begin(), wire.begin() + values);
  for (std::int64_t i = 0; i < count; ++i) batch.metrics.push_back(std::bit_cast<double>(wire[values + 1 + i]));
  return batch;
}

RoundRecord StudyProcess::step(Communicator& comm, ThreadPool& pool) {
  const std::int64_t first = round_ * batch_, count = std::min(batch_, replicates_ - first);
  const Batch batch = run(first, count, comm, pool);
  for (std::size_t i = 0; i < sums_.size(); ++i) sums_[i] += batch.sums[i];
  accepted_ += batch.accepted;
  ++round_;

  RoundRecord record{.round = round_, .version = Version{round_}};
  record.started = count;
  record.committed = batch.accepted;
  record.rejected = count - batch.accepted;
  record.train_loss = not_a_number;
  const at::Tensor mean = means().to(at::kDouble);
  record.measures[study_->metric_name()] = accepted_ > 0 ? study_->metric(mean.const_data_ptr<double>()) : not_a_number;
  Table& table = record.tables["replicates"];
  table.columns = {{"replicate", FieldType::integer, "count from 0"},
                   {study_->metric_name(), FieldType::real, study_->metric_unit()}};
  for (std::int64_t i = 0; i < count; ++i) table.add({first + i, batch.metrics[i]});
  return record;
}

at::Tensor StudyProcess::means() const {
  at::Tensor means = at::zeros({layout_.size});
  if (accepted_ == 0) return means;
  to_mean<float>(sums_, exponent_, accepted_, {means.mutable_data_ptr<float>(), sums_.size()});
  return means;
}

std::vector<NamedModel> StudyProcess::models() const { return {{"outcomes", means(), &layout_}}; }

void StudyProcess::pack(Packer& packer) const {
  packer.number(round_).number(accepted_).array(std::span<const std::int64_t>(sums_));
}

void StudyProcess::unpack(Unpacker& unpacker) {
  round_ = unpacker.number<std::int64_t>();
  accepted_ = unpacker.number<std::int64_t>();
  sums_ = unpacker.array<std::int64_t>();
  if (std::ssize(sums_) != layout_.size) {
    user_error("a checkpoint has {} outcomes (the study has {}). Resume with the experiment that wrote it.",
               sums_.size(), layout_.size);
  }
}

}  // namespace shoal
