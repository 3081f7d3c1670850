// Letters by MPI. The thread that owns the mailbox does all the work, in `send` and `next`: MPI is started for one
// communicating thread. A letter is a head and then the pieces of its body; what was handed over is returned as credit.
#include "sim/comm/mpi_calls.hpp"

#include <chrono>
#include <cstdio>
#include <deque>
#include <exception>
#include <list>
#include <map>
#include <thread>
#include <utility>

#include "sim/comm/letter_queue.hpp"

namespace shoal {
namespace {

constexpr int head_tag = 1, body_tag = 2;

enum class HeadKind : std::int32_t { letter, credit, goodbye };

struct Head {
  HeadKind head;
  std::int32_t kind;
  std::int64_t from, to;
  std::int64_t delay;  // microseconds from sending to `due`: clocks of ranks differ
  std::uint64_t size;  // the body's bytes
};

// A message on its way out: MPI reads its memory until the requests are done.
struct Outgoing {
  Head head;
  std::shared_ptr<const Bytes> body;
  std::vector<MPI_Request> requests;
};

// A letter whose body arrives.
struct Incoming {
  Letter letter;
  std::shared_ptr<Bytes> body;
  std::vector<MPI_Request> requests;
};

struct Peer {
  std::int64_t credit = 0;  // letters that its queue still takes from here
  bool refused = false;     // since a letter found no room
  bool has_left = false;
  std::deque<Incoming> incoming;  // in the order of their heads
};

bool done(std::vector<MPI_Request>& requests) {
  int all = 0;
  check_mpi(MPI_Testall(requests.size(), requests.data(), &all, MPI_STATUSES_IGNORE), "MPI_Testall");
  return all != 0;
}

class MpiMailbox final : public Mailbox {
 public:
  MpiMailbox(MPI_Comm group, std::span<const Endpoint> endpoints, std::int64_t capacity)
      : endpoints_(endpoints.begin(), endpoints.end()) {
    check_mailbox(endpoints, capacity);
    check_mpi(MPI_Comm_dup(group, &group_), "MPI_Comm_dup");
    check_mpi(MPI_Comm_set_errhandler(group_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
    check_mpi(MPI_Comm_rank(group_, &rank_), "MPI_Comm_rank");
    int ranks = 0;
    check_mpi(MPI_Comm_size(group_, &ranks), "MPI_Comm_size");
    learn_endpoints(ranks);
    std::vector<std::int64_t> capacities(ranks);
    check_mpi(MPI_Allgather(&capacity, 1, MPI_INT64_T, capacities.data(), 1, MPI_INT64_T, group_), "MPI_Allgather");
    peers_.resize(ranks);
    for (int r = 0; r < ranks; ++r) peers_[r].credit = capacities[r];
  }

  ~MpiMailbox() override {
    int finalized = 0;
    MPI_Finalized(&finalized);
    // A rank that an exception leaves must not wait for the others; the program ends through `abort`.
    if (finalized || std::uncaught_exceptions() > 0) return;
    try {
      leave();
    } catch (const std::exception& error) {
      fmt::print(stderr, "shoal: letters of a mailbox may not have been sent ({})\n", error.what());
    }
    MPI_Comm_free(&group_);
  }
  MpiMailbox(const MpiMailbox&) = delete;
  MpiMailbox& operator=(const MpiMailbox&) = delete;

  bool send(const Letter& letter) override {
    check_letter(letter, endpoints_);
    const Ticks time = now();
    Letter taken = letter;
    taken.due = std::max(letter.due, time);
    if (contains(endpoints_, letter.to)) {
      queue_.add(std::move(taken), LetterQueue::own);
      return true;
    }
    pass_on();
    const auto place = rank_of_.find(letter.to);
    if (place == rank_of_.end() || peers_[place->second].has_left) throw NoSuchEndpoint(letter.to);
    Peer& to = peers_[place->second];
    if (to.credit == 0) {
      to.refused = true;
      return false;
    }
    --to.credit;
    post(place->second,
         {HeadKind::letter, value(letter.kind), value(letter.from), value(letter.to), value(taken.due - time),
          letter.body ? letter.body->size() : 0},
         letter.body);
    return true;
  }

  std::optional<Letter> next(std::chrono::milliseconds patience) override {
    const Ticks deadline = clock_.after(patience);
    // MPI cannot wait for several things and a time; so this rank asks, more and more rarely.
    std::int64_t pause = 10;  // microseconds
    while (true) {
      if (pass_on()) pause = 10;
      const Ticks time = now();
      if (queue_.ready(time)) {
        LetterQueue::Held first = queue_.take();
        if (first.source != LetterQueue::own && !peers_[first.source].has_left) {
          post(static_cast<int>(first.source), {.head = HeadKind::credit}, nullptr);
        }
        return std::move(first.letter);
      }
      if (std::exchange(may_retry_, false) || time >= deadline) return std::nullopt;
      const std::int64_t until = value(queue_.first_due(deadline) - time);
      std::this_thread::sleep_for(std::chrono::microseconds(std::clamp<std::int64_t>(until, 1, pause)));
      pause = std::min<std::int64_t>(2 * pause, 1000);
    }
  }

  Ticks now() const override { return clock_.now(); }

 private:
  void learn_endpoints(int ranks) {
    const int mine = endpoints_.size();
    std::vector<int> counts(ranks), starts(ranks);
    check_mpi(MPI_Allgather(&mine, 1, MPI_INT, counts.data(), 1, MPI_INT, group_), "MPI_Allgather");
    int total = 0;
    for (int r = 0; r < ranks; ++r) {
      starts[r] = total;
      total += counts[r];
    }
    std::vector<std::int64_t> all(total);
    check_mpi(MPI_Allgatherv(endpoints_.data(), mine, MPI_INT64_T, all.data(), counts.data(), starts.data(),
                             MPI_INT64_T, group_),
              "MPI_Allgatherv");
    for (int r = 0; r < ranks; ++r) {
      for (int i = starts[r]; i < starts[r] + counts[r]; ++i) {
        const bool is_new = rank_of_.emplace(Endpoint{all[i]}, r).second;
        ensure(is_new, "endpoint {} has a mailbox already", all[i]);
      }
    }
  }

  void post(int rank, const Head& head, std::shared_ptr<const Bytes> body) {
    Outgoing& out = outgoing_.emplace_back(head, std::move(body));
    check_mpi(MPI_Isend(&out.head, sizeof(Head), MPI_BYTE, rank, head_tag, group_, &out.requests.emplace_back()),
              "MPI_Isend");
    in_mpi_pieces(head.size, 1, [&](std::size_t first, int count) {
      check_mpi(
          MPI_Isend(out.body->data() + first, count, MPI_BYTE, rank, body_tag, group_, &out.requests.emplace_back()),
          "MPI_Isend");
    });
  }

  // Takes what has arrived and frees what has left. Returns whether anything had arrived.
  bool pass_on() {
    bool anything = false;
    while (true) {
      int arrived = 0;
      MPI_Status status;
      check_mpi(MPI_Iprobe(MPI_ANY_SOURCE, head_tag, group_, &arrived, &status), "MPI_Iprobe");
      if (arrived == 0) break;
      anything = true;
      Head head;
      check_mpi(MPI_Recv(&head, sizeof head, MPI_BYTE, status.MPI_SOURCE, head_tag, group_, MPI_STATUS_IGNORE),
                "MPI_Recv");
      take(status.MPI_SOURCE, head);
    }
    for (std::size_t r = 0; r < peers_.size(); ++r) {
      std::deque<Incoming>& incoming = peers_[r].incoming;
      for (; !incoming.empty() && done(incoming.front().requests); incoming.pop_front()) {
        anything = true;
        Incoming& whole = incoming.front();
        whole.letter.body = std::move(whole.body);
        queue_.add(std::move(whole.letter), static_cast<std::int64_t>(r));
      }
    }
    std::erase_if(outgoing_, [](Outgoing& out) { return done(out.requests); });
    return anything;
  }

  void take(int rank, const Head& head) {
    Peer& peer = peers_[rank];
    switch (head.head) {
      case HeadKind::credit:
        ++peer.credit;
        may_retry_ = may_retry_ || std::exchange(peer.refused, false);
        return;
      case HeadKind::goodbye:
        peer.has_left = true;
        ++left_;
        may_retry_ = may_retry_ || std::exchange(peer.refused, false);
        return;
      case HeadKind::letter:
        break;
    }
    ensure(head.head == HeadKind::letter && head.size <= largest_letter, "rank {} sent a letter of {} bytes", rank,
           head.size);
    Incoming& in = peer.incoming.emplace_back();
    in.letter = {Endpoint{head.from}, Endpoint{head.to}, LetterKind{head.kind}, nullptr, clock_.due_in(head.delay)};
    if (head.size == 0) return;
    in.body = std::make_shared<Bytes>(head.size);
    in_mpi_pieces(head.size, 1, [&](std::size_t first, int count) {
      check_mpi(
          MPI_Irecv(in.body->data() + first, count, MPI_BYTE, rank, body_tag, group_, &in.requests.emplace_back()),
          "MPI_Irecv");
    });
  }

  // Until all ranks have said goodbye and all their letters have arrived, others may still send to this one.
  void leave() {
    const int ranks = static_cast<int>(peers_.size());
    for (int r = 0; r < ranks; ++r) {
      if (r != rank_) post(r, {.head = HeadKind::goodbye}, nullptr);
    }
    const auto arriving = [](const Peer& peer) { return !peer.incoming.empty(); };
    while (left_ + 1 < ranks || !outgoing_.empty() || std::ranges::any_of(peers_, arriving)) {
      if (!pass_on()) std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
  }

  std::vector<Endpoint> endpoints_;
  MPI_Comm group_ = MPI_COMM_NULL;
  int rank_ = 0, left_ = 0;
  std::map<Endpoint, int> rank_of_;
  std::vector<Peer> peers_;  // by rank
  LetterQueue queue_;
  std::list<Outgoing> outgoing_;
  bool may_retry_ = false;
  LetterClock clock_;
};

}  // namespace

std::unique_ptr<Mailbox> mpi_mailbox(MPI_Comm group, std::span<const Endpoint> endpoints, std::int64_t capacity) {
  return std::make_unique<MpiMailbox>(group, endpoints, capacity);
}

}  // namespace shoal
