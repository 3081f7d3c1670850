#include "sim/task/task.hpp"

#include <algorithm>
#include <limits>

#include "sim/task/loss_sum.hpp"

namespace shoal {

std::vector<std::string> Task::sets() const {
  std::vector<std::string> names;
  for (const char* name : {"train", "validation", "test"}) {
    if (chunks(name) > 0) names.emplace_back(name);
  }
  return names;
}

ExampleOutputs Trainer::outputs_own(const at::Tensor&, ClientId, std::string_view) {
  throw BrokenInvariant("a task without outputs was asked for those of a client");
}

ExampleOutputs Trainer::server_outputs(const at::Tensor&, std::span<const std::int32_t>) {
  throw BrokenInvariant("a task without outputs was asked for those on the server's examples");
}

SummedGradient Trainer::server_gradient(const at::Tensor&, std::span<const std::int32_t>) {
  throw BrokenInvariant("a task without outputs was asked for a gradient on the server's examples");
}

double local_flops(const ClientWork& work, const LocalSettings& local, double fraction) {
  if (work.examples == 0) return 0;
  // An epoch's last batch may be smaller: whole epochs count their examples, the rest its full batches.
  const std::int64_t batch = local.batch == 0 ? work.examples : std::min(local.batch, work.examples);
  const std::int64_t per_epoch = (work.examples + batch - 1) / batch;
  const std::int64_t steps = local.local_steps(work.examples, fraction);
  const std::int64_t whole_epochs = steps / per_epoch;
  const double visited = 1.0 * whole_epochs * work.examples + steps % per_epoch * batch;
  return work.flops_per_example * visited;
}

std::int64_t Evaluation::to_units(double loss) { return LossSum(loss).code(); }

double Evaluation::mean_loss() const {
  if (examples == 0) return std::numeric_limits<double>::quiet_NaN();
  return LossSum::of_code(loss).value() / examples;
}

double Evaluation::accuracy() const {
  if (examples == 0 || correct < 0) return std::numeric_limits<double>::quiet_NaN();
  return 1.0 * correct / examples;
}

}  // namespace shoal
