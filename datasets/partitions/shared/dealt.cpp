#include "datasets/partitions/shared/dealt.hpp"

#include <algorithm>
#include <limits>
#include <vector>

namespace shoal {
namespace {

class Dealt final : public ClientExamples {
 public:
  Dealt(std::span<const std::int32_t> owner, std::int64_t clients) : begin_(clients + 1), indices_(owner.size()) {
    // Counting sort: sizes, then the first place of each client, then every index to the next free place of its owner.
    for (const std::int32_t client : owner) {
      ensure(client >= 0 && client < clients, "example dealt to client {} of {}", client, clients);
      ++begin_[client + 1];
    }
    for (std::size_t c = 1; c < begin_.size(); ++c) begin_[c] += begin_[c - 1];
    std::vector<std::int32_t> next(begin_.begin(), begin_.end() - 1);
    for (std::size_t i = 0; i < owner.size(); ++i) {
      indices_[next[owner[i]]++] = i;
    }
  }

  std::int64_t clients() const override { return std::ssize(begin_) - 1; }

  std::int64_t count(ClientId client) const override { return begin_[at(client) + 1] - begin_[at(client)]; }

  void indices(ClientId client, std::span<std::int32_t> out) const override {
    const std::int64_t n = count(client);
    ensure(std::ssize(out) == n, "a buffer for {} of the {} examples of client {}", out.size(), n, value(client));
    std::copy_n(indices_.begin() + begin_[at(client)], n, out.begin());
  }

 private:
  std::size_t at(ClientId client) const {
    ensure(value(client) >= 0 && value(client) < clients(), "client {} of {}", value(client), clients());
    return value(client);
  }

  std::vector<std::int32_t> begin_;    // [clients + 1]
  std::vector<std::int32_t> indices_;  // [examples], client by client
};

}  // namespace

std::unique_ptr<ClientExamples> dealt(std::span<const std::int32_t> owner, std::int64_t clients) {
  ensure(owner.size() <= std::numeric_limits<std::int32_t>::max(), "{} examples exceed 32-bit indices", owner.size());
  return std::make_unique<Dealt>(owner, clients);
}

std::int64_t clients_setting(Settings& settings) {
  return settings.integer("clients", 100, "number of clients the training examples are dealt to", between(1, 1e8));
}

}  // namespace shoal
