#pragma once
// A quadratic task whose clients hold as many examples as a test says.

#include <atomic>
#include <memory>
#include <vector>

#include "sim/task/quadratic.hpp"

namespace shoal::test {

/// Trains like `Quadratic` (in one dimension by default); `work` reports the listed numbers of examples and counts its
/// calls.
class UnequalTask final : public Task {
 public:
  explicit UnequalTask(std::vector<std::int64_t> examples, std::int64_t dimension = 1)
      : UnequalTask(std::ssize(examples), dimension) {
    examples_ = std::move(examples);
  }
  /// `clients` clients with one example each; nothing of that size is stored.
  UnequalTask(std::int64_t clients, std::int64_t dimension)
      : clients_(clients),
        inner_(Settings::parse(fmt::format("clients = {}\ndimension = {}\nprecision = \"float64\"", clients, dimension),
                               "test.toml"),
               1) {}

  const ParameterLayout& layout() const override { return inner_.layout(); }
  std::int64_t clients() const override { return clients_; }
  at::Tensor initial_parameters(RandomKey key) const override { return inner_.initial_parameters(key); }
  ClientWork work(ClientId client) const override {
    ++*calls_;
    return {examples_.empty() ? 1 : examples_.at(value(client)), 10};
  }
  std::unique_ptr<Trainer> trainer() const override { return inner_.trainer(); }
  std::int64_t chunks(std::string_view set) const override { return inner_.chunks(set); }

  std::int64_t times_asked() const { return *calls_; }

 private:
  std::int64_t clients_;
  std::vector<std::int64_t> examples_;
  Quadratic inner_;
  std::shared_ptr<std::atomic<std::int64_t>> calls_ = std::make_shared<std::atomic<std::int64_t>>(0);
};

}  // namespace shoal::test
