#include "sim/task/supervised.hpp"

#include <algorithm>
#include <numeric>
#include <set>

#include "sim/task/stacked_trainer.hpp"

namespace shoal {
namespace {

void check(const Examples& examples, const Network& network) {
  if (examples.count() == 0) return;
  ensure(examples.shape == network.input(), "the network was made for examples of another shape");
  ensure(std::max(std::ssize(examples.bytes), std::ssize(examples.floats)) == examples.count() * examples.shape.size(),
         "{} labels do not fit the features", examples.count());
  const auto [least, most] = std::ranges::minmax(examples.labels);
  ensure(least >= 0 && most < network.output().size(), "labels {} to {} (the network has {} outputs)", least, most,
         network.output().size());
}

std::int64_t bytes_of(const Examples& examples) {
  return std::ssize(examples.bytes) +
         4 * (std::ssize(examples.floats) + std::ssize(examples.labels) + std::ssize(examples.groups));
}

}  // namespace

SupervisedTask::SupervisedTask(std::shared_ptr<const Dataset> data, std::unique_ptr<ClientExamples> clients,
                               Network network, HoldoutShares shares, std::uint64_t seed)
    : data_(std::move(data)), holdout_(std::move(clients), shares, seed), network_(std::move(network)), seed_(seed) {
  check(data_->train, network_);
  check(data_->test, network_);
  for (std::int64_t client = 0; client < holdout_.clients(); ++client) {
    clients_with_examples_ += holdout_.count(ClientId{client}, "train") > 0 ? 1 : 0;
  }
}

ClientWork SupervisedTask::work(ClientId client) const {
  return {.examples = holdout_.count(client, "train"), .flops_per_example = network_.flops_per_example()};
}

std::unique_ptr<Trainer> SupervisedTask::trainer() const {
  const at::Device device = layout().device;
  if (!device.is_cuda()) return std::make_unique<StackedTrainer>(*this);
  return std::make_unique<StackedTrainer>(*this, Workplace{device, StackForm::Arithmetic::library});
}

const std::vector<std::int32_t>& SupervisedTask::collected(std::string_view set) const {
  const auto found = std::ranges::find(Holdout::sets, set);
  ensure(found != Holdout::sets.end(), "clients have no set of examples named '{}'", set);
  Collected& held = collected_[found - Holdout::sets.begin()];
  std::call_once(held.once, [&] { held.indices = holdout_.all_indices(set); });
  return held.indices;
}

std::int64_t SupervisedTask::evaluated_examples(std::string_view set) const {
  if (from_test_set(set)) return data_->test.count();
  return holdout_.holds_out(set) ? std::ssize(collected(set)) : 0;
}

std::int64_t SupervisedTask::chunks(std::string_view set) const {
  return (evaluated_examples(set) + chunk_size - 1) / chunk_size;
}

std::int64_t SupervisedTask::data_bytes() const {
  // The partition lists every example once, and the first position of each client.
  return bytes_of(data_->train) + bytes_of(data_->test) + 4 * (data_->train.count() + clients());
}

ClientLabels SupervisedTask::client_labels(ClientId client) const {
  const Examples& train = data_->train;
  ClientLabels labels{.examples = std::vector<std::int64_t>(train.classes)};
  std::set<std::int32_t> groups;
  for (const std::int32_t i : holdout_.indices(client, "train")) {
    ++labels.examples[train.labels[i]];
    if (!train.groups.empty()) groups.insert(train.groups[i]);
  }
  labels.groups = std::ssize(groups);
  return labels;
}

SupervisedTask::Chunk SupervisedTask::chunk(const ExampleChunk& which) const {
  ensure(which.index >= 0 && which.index < chunks(which.set), "evaluation chunk {} of {}", which.index,
         chunks(which.set));
  const std::int64_t first = which.index * chunk_size;
  if (from_test_set(which.set)) {
    std::vector<std::int32_t> positions(std::min(chunk_size, data_->test.count() - first));
    std::iota(positions.begin(), positions.end(), first);
    return {data_->test, std::move(positions)};
  }
  const std::vector<std::int32_t>& all = collected(which.set);
  const std::int64_t last = std::min(first + chunk_size, std::ssize(all));
  return {data_->train, {all.begin() + first, all.begin() + last}};
}

}  // namespace shoal
