#include "sim/comm/communicator.hpp"

#include <cstdio>
#include <cstdlib>

#include "sim/comm/post_office.hpp"
#include "sim/error.hpp"

namespace shoal {
namespace {

class SingleRank final : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  int local_rank() const override { return 0; }
  void barrier() override {}
  void sum(std::span<std::int64_t>) override {}
  void sum(std::span<std::uint32_t>) override {}
  void sum(std::span<std::uint64_t>) override {}
  void sum_inexact(std::span<float>) override {}
  void sum_inexact(std::span<double>) override {}
  void broadcast(Bytes&, int root) override { ensure(root == 0, "broadcast from rank {} of a group of 1", root); }
  std::vector<Bytes> gather_all(const Bytes& mine) override { return {mine}; }
  std::vector<Bytes> exchange(const std::vector<Bytes>& to_each) override {
    ensure(to_each.size() == 1, "exchange of {} messages in a group of 1", to_each.size());
    return to_each;
  }
  std::unique_ptr<Communicator> split(int color) override {
    ensure(color >= 0, "split with the negative color {}", color);
    return single_rank();
  }
  std::unique_ptr<Mailbox> mailbox(std::span<const Endpoint> endpoints, std::int64_t capacity) override {
    return PostOffice().open(endpoints, capacity);
  }
  [[noreturn]] void abort(int exit_code) override {
    std::fflush(nullptr);
    std::_Exit(exit_code);
  }

 private:
  std::unique_ptr<Communicator> make_node() override { return single_rank(); }
};

}  // namespace

std::unique_ptr<Communicator> single_rank() { return std::make_unique<SingleRank>(); }

}  // namespace shoal
