#include "sim/task/server_examples.hpp"

#include <algorithm>
#include <utility>

#include "sim/random.hpp"

namespace shoal {
namespace {

// Some examples of another store, renumbered from 0.
class SomeExamples final : public ExampleStore {
 public:
  SomeExamples(const ExampleStore& all, std::span<const std::int32_t> positions)
      : all_(all), positions_(positions), labels_(of(all.labels())), groups_(of(all.groups())) {}

  const Form& form() const override { return all_.form(); }
  std::int64_t count() const override { return std::ssize(positions_); }
  void gather(std::span<const std::int32_t> positions, Gathered& to) const override {
    all_.gather(renumbered(positions), to);
  }
  std::int64_t longest(std::span<const std::int32_t> positions) const override {
    return all_.longest(renumbered(positions));
  }
  std::span<const std::int32_t> labels() const override { return labels_; }
  std::span<const std::int32_t> groups() const override { return groups_; }
  std::vector<std::span<const std::byte>> contents() const override {
    return {std::as_bytes(std::span(labels_)), std::as_bytes(std::span(groups_))};
  }

 private:
  std::vector<std::int32_t> renumbered(std::span<const std::int32_t> positions) const {
    std::vector<std::int32_t> out;
    out.reserve(positions.size());
    for (const std::int32_t i : positions) out.push_back(positions_[i]);
    return out;
  }
  std::vector<std::int32_t> of(std::span<const std::int32_t> values) const {
    std::vector<std::int32_t> out;
    if (values.empty()) return out;
    for (const std::int32_t i : positions_) out.push_back(values[i]);
    return out;
  }

  const ExampleStore& all_;
  std::span<const std::int32_t> positions_;
  std::vector<std::int32_t> labels_, groups_;
};

// Clients of a partition of some examples, with positions among all of them.
class Renumbered final : public ClientExamples {
 public:
  Renumbered(std::unique_ptr<ClientExamples> dealt, std::vector<std::int32_t> positions)
      : dealt_(std::move(dealt)), positions_(std::move(positions)) {}

  std::int64_t clients() const override { return dealt_->clients(); }
  std::int64_t count(ClientId client) const override { return dealt_->count(client); }
  void indices(ClientId client, std::span<std::int32_t> out) const override {
    dealt_->indices(client, out);
    for (std::int32_t& i : out) i = positions_[i];
  }

 private:
  std::unique_ptr<ClientExamples> dealt_;
  std::vector<std::int32_t> positions_;
};

}  // namespace

DealtExamples deal(const Partition& partition, const ExampleStore& train, std::int64_t server, std::uint64_t seed,
                   const std::string& where) {
  if (server == 0) return {partition.deal(train, seed), {}};
  if (server >= train.count()) {
    user_error(
        "{}: {} examples for the server leave none for clients (the data set has {} for training). Lower 'server'.",
        where, server, train.count());
  }
  const KeyedPermutation order(random_key(seed, "task/server"), 0, train.count());
  std::vector<bool> kept(train.count());
  for (std::int64_t i = 0; i < server; ++i) kept[order(i)] = true;
  std::vector<std::int32_t> own, others;
  for (std::int64_t i = 0; i < train.count(); ++i) (kept[i] ? own : others).push_back(i);
  auto dealt = partition.deal(SomeExamples(train, others), seed);
  return {std::make_unique<Renumbered>(std::move(dealt), std::move(others)), std::move(own)};
}

}  // namespace shoal
