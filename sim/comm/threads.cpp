#include "sim/comm/communicator.hpp"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <exception>
#include <map>
#include <mutex>
#include <thread>

#include "sim/comm/post_office.hpp"
#include "sim/error.hpp"

namespace shoal {
namespace {

// Thrown by the collectives of the ranks that did not fail.
struct Released final : BrokenInvariant {
  Released() : BrokenInvariant("another rank failed") {}
};

// Shared by the whole group and all groups split from it: one lock, and whether any rank has failed.
struct Family {
  Family(int ranks, int ranks_in_node) : finished(ranks, false), ranks_per_node(ranks_in_node) {}

  void fail(std::exception_ptr error) {
    const std::lock_guard lock(mutex);
    if (!first_error) first_error = error;
    changed.notify_all();
  }
  void check() {
    const std::lock_guard lock(mutex);
    if (first_error) throw Released();
  }
  void finish(int rank) {
    const std::lock_guard lock(mutex);
    finished[rank] = true;
    changed.notify_all();
  }

  std::mutex mutex;
  std::condition_variable changed;
  std::exception_ptr first_error;
  std::vector<bool> finished;  // whether a rank's body has returned, by rank of the whole group
  const int ranks_per_node;
};

// One rank's part in a collective. Data are copied in, so that no rank reads the memory of one that has failed.
struct Call {
  const char* name;
  std::int64_t count;  // the number of values, the root or the color
  bool same_count;     // whether `count` must be the same on every rank
  std::vector<Bytes> data;
};

class Group : public std::enable_shared_from_this<Group> {
 public:
  Group(std::shared_ptr<Family> family, std::vector<int> members)
      : family_(std::move(family)), members_(std::move(members)), calls_(members_.size()) {}

  int size() const { return members_.size(); }
  Family& family() { return *family_; }
  int rank_in_family(int rank) const { return members_[rank]; }
  int node_of(int rank) const { return members_[rank] / family_->ranks_per_node; }
  PostOffice& office() { return office_; }
  void keep(std::unique_ptr<Mailbox> mailbox) {
    const std::lock_guard lock(family_->mutex);
    kept_.push_back(std::move(mailbox));
  }

  // Waits for the calls of all ranks and gives them to `read`, by rank.
  template <class Read>
  void collective(int rank, Call call, const Read& read) {
    const std::size_t me = rank;
    std::unique_lock lock(family_->mutex);
    calls_[me] = std::move(call);
    meet(lock);
    // Every rank sees the same calls, so all of them throw or none.
    for (std::size_t r = 0; r < calls_.size(); ++r) check_alike(0, r);
    lock.unlock();
    read(std::as_const(calls_));
    lock.lock();
    meet(lock);
  }

  // The group of the ranks with this color; `members` are their ranks in this group.
  std::shared_ptr<Group> child(int color, const std::vector<int>& members) {
    const std::lock_guard lock(family_->mutex);
    auto& group = children_[color];
    if (!group) {
      std::vector<int> in_family;
      for (const int r : members) in_family.push_back(members_[r]);
      group = std::make_shared<Group>(family_, std::move(in_family));
    }
    return group;
  }

 private:
  void meet(std::unique_lock<std::mutex>& lock) {
    if (family_->first_error) throw Released();
    const std::uint64_t mine = generation_;
    if (++arrived_ == size()) {
      arrived_ = 0;
      ++generation_;
      children_.clear();  // after a split, every rank holds its group by now
      family_->changed.notify_all();
      return;
    }
    const auto gone = [&] {
      return std::find_if(members_.begin(), members_.end(), [&](int r) { return family_->finished[r]; });
    };
    family_->changed.wait(lock,
                          [&] { return generation_ != mine || family_->first_error || gone() != members_.end(); });
    if (generation_ != mine) return;
    if (family_->first_error) throw Released();
    throw BrokenInvariant(
        fmt::format("rank {} has returned while others wait for it in a collective", gone() - members_.begin()));
  }

  void check_alike(std::size_t a, std::size_t b) const {
    const Call &x = calls_[a], &y = calls_[b];
    ensure(std::strcmp(x.name, y.name) == 0, "rank {} calls {} while rank {} calls {}", a, x.name, b, y.name);
    ensure(!x.same_count || x.count == y.count, "rank {} calls {} with {} while rank {} calls it with {}", a, x.name,
           x.count, b, y.count);
  }

  std::shared_ptr<Family> family_;
  std::vector<int> members_;  // their ranks in the whole group
  std::vector<Call> calls_;
  int arrived_ = 0;
  std::uint64_t generation_ = 0;
  std::map<int, std::shared_ptr<Group>> children_;
  PostOffice office_;
  std::vector<std::unique_ptr<Mailbox>> kept_;
};

// A mailbox that notices when another rank fails.
class GroupMailbox final : public Mailbox {
 public:
  GroupMailbox(std::shared_ptr<Group> group, std::span<const Endpoint> endpoints, std::int64_t capacity)
      : group_(std::move(group)), mine_(group_->office().open(endpoints, capacity)) {}
  ~GroupMailbox() override {
    // The endpoints of a rank that an exception ends stay, so that it reports that before others can miss them.
    if (std::uncaught_exceptions() > 0) group_->keep(std::move(mine_));
  }
  GroupMailbox(const GroupMailbox&) = delete;
  GroupMailbox& operator=(const GroupMailbox&) = delete;

  bool send(const Letter& letter) override {
    group_->family().check();
    refused_ = !mine_->send(letter);
    return !refused_;
  }
  std::optional<Letter> next(std::chrono::milliseconds patience) override {
    constexpr std::chrono::milliseconds glance(50);
    while (true) {
      group_->family().check();
      const auto slice = std::min(patience, glance);
      const Ticks begin = now();
      std::optional<Letter> letter = mine_->next(slice);
      patience -= slice;
      const bool early = now() - begin < Ticks{slice.count() * 1000};  // a receiver has room
      // The notice that there is room may come at the very end of a slice: a sender that waits for it tries again.
      if (letter || early || refused_ || patience.count() <= 0) return letter;
    }
  }
  Ticks now() const override { return mine_->now(); }

 private:
  std::shared_ptr<Group> group_;
  std::unique_ptr<Mailbox> mine_;
  bool refused_ = false;  // whether the last letter was
};

class ThreadRanks final : public Communicator {
 public:
  ThreadRanks(std::shared_ptr<Group> group, int rank) : group_(std::move(group)), rank_(rank) {}

  int rank() const override { return rank_; }
  int size() const override { return group_->size(); }
  int local_rank() const override { return group_->rank_in_family(rank_); }

  void barrier() override {
    group_->collective(rank_, {"barrier", 0, true, {}}, [](const auto&) {});
  }

  void sum(std::span<std::int64_t> values) override {
    // Unsigned, so that an overflow wraps as it does in MPI instead of being undefined.
    add_up<std::uint64_t>(std::as_writable_bytes(values), "sum");
  }
  void sum(std::span<std::uint32_t> values) override {
    add_up<std::uint32_t>(std::as_writable_bytes(values), "sum of 32-bit words");
  }
  void sum(std::span<std::uint64_t> values) override {
    add_up<std::uint64_t>(std::as_writable_bytes(values), "sum of 64-bit words");
  }
  void sum_inexact(std::span<float> values) override {
    add_up<float>(std::as_writable_bytes(values), "sum_inexact of floats");
  }
  void sum_inexact(std::span<double> values) override {
    add_up<double>(std::as_writable_bytes(values), "sum_inexact of doubles");
  }

  void broadcast(Bytes& bytes, int root) override {
    ensure(root >= 0 && root < size(), "broadcast from rank {} of a group of {}", root, size());
    std::vector<Bytes> sent;
    if (rank_ == root) sent.push_back(bytes);
    group_->collective(rank_, {"broadcast", root, true, std::move(sent)},
                       [&](const std::vector<Call>& calls) { bytes = calls[root].data[0]; });
  }

  std::vector<Bytes> gather_all(const Bytes& mine) override {
    std::vector<Bytes> all;
    group_->collective(rank_, {"gather_all", 0, true, {mine}}, [&](const std::vector<Call>& calls) {
      for (const Call& call : calls) all.push_back(call.data[0]);
    });
    return all;
  }

  std::vector<Bytes> exchange(const std::vector<Bytes>& to_each) override {
    ensure(std::ssize(to_each) == size(), "exchange of {} messages in a group of {}", to_each.size(), size());
    std::vector<Bytes> from_each;
    group_->collective(rank_, {"exchange", 0, true, to_each}, [&](const std::vector<Call>& calls) {
      for (const Call& call : calls) from_each.push_back(call.data[rank_]);
    });
    return from_each;
  }

  std::unique_ptr<Communicator> split(int color) override {
    ensure(color >= 0, "split with the negative color {}", color);
    return part("split", color);
  }

  // A group of its own for each call, so that the letters of two mailboxes of a rank keep apart.
  std::unique_ptr<Mailbox> mailbox(std::span<const Endpoint> endpoints, std::int64_t capacity) override {
    const std::unique_ptr<ThreadRanks> all = part("mailbox", 0);
    auto mine = std::make_unique<GroupMailbox>(all->group_, endpoints, capacity);
    all->barrier();  // all endpoints are there
    return mine;
  }

  // The other threads are released as after any failure; the error names the rank that aborted.
  [[noreturn]] void abort(int exit_code) override {
    const auto error = std::make_exception_ptr(SystemError(fmt::format("rank {} aborted ({})", rank_, exit_code)));
    group_->family().fail(error);
    std::rethrow_exception(error);
  }

 private:
  std::unique_ptr<Communicator> make_node() override { return part("node", group_->node_of(rank_)); }

  // The group of the ranks with this color, made by the collective `name`.
  std::unique_ptr<ThreadRanks> part(const char* name, int color) {
    std::shared_ptr<Group> group;
    int rank = 0;
    group_->collective(rank_, {name, color, false, {}}, [&](const std::vector<Call>& calls) {
      std::vector<int> members;
      for (int r = 0; r < size(); ++r) {
        if (r == rank_) rank = members.size();
        if (calls[r].count == color) members.push_back(r);
      }
      group = group_->child(color, members);
    });
    return std::make_unique<ThreadRanks>(std::move(group), rank);
  }

  // Adds in the order of the ranks, so that even inexact sums are reproducible.
  template <class T>
  void add_up(std::span<std::byte> values, const char* name) {
    const std::int64_t n = values.size() / sizeof(T);
    Call call{name, n, true, {Bytes(values.begin(), values.end())}};
    group_->collective(rank_, std::move(call), [&](const std::vector<Call>& calls) {
      if (n == 0) return;
      std::vector<T> total(n, T{0}), part(n);
      for (const Call& each : calls) {
        std::memcpy(part.data(), each.data[0].data(), n * sizeof(T));
        for (std::int64_t i = 0; i < n; ++i) total[i] += part[i];
      }
      std::memcpy(values.data(), total.data(), n * sizeof(T));
    });
  }

  std::shared_ptr<Group> group_;
  int rank_;
};

}  // namespace

void run_on_threads(int ranks, const std::function<void(Communicator&)>& body) {
  run_on_threads(ranks, std::max(ranks, 1), body);
}

void run_on_threads(int ranks, int ranks_per_node, const std::function<void(Communicator&)>& body) {
  ensure(ranks >= 1, "a group of {} ranks", ranks);
  ensure(ranks_per_node >= 1, "nodes of {} ranks", ranks_per_node);
  const auto family = std::make_shared<Family>(ranks, ranks_per_node);
  std::vector<int> members(ranks);
  for (int r = 0; r < ranks; ++r) members[r] = r;
  const auto group = std::make_shared<Group>(family, std::move(members));
  std::vector<std::thread> threads;
  try {
    for (int r = 0; r < ranks; ++r) {
      threads.emplace_back([&, r] {
        try {
          ThreadRanks here(group, r);
          body(here);
          family->finish(r);
        } catch (...) {
          family->fail(std::current_exception());  // only the first is kept; a released rank never fails first
        }
      });
    }
  } catch (...) {
    family->fail(std::current_exception());  // a thread could not start: release those that did
  }
  for (auto& thread : threads) thread.join();
  if (family->first_error) std::rethrow_exception(family->first_error);
}

}  // namespace shoal
