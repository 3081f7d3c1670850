#include "sim/comm/post_office.hpp"

#include <condition_variable>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "sim/comm/letter_queue.hpp"

namespace shoal {
namespace {

// The receiving side of a mailbox; guarded by the mutex of its office.
struct Box {
  std::vector<Endpoint> endpoints;
  std::int64_t capacity;
  LetterQueue queue;
  std::int64_t from_others = 0;   // letters in the queue that count
  std::vector<Endpoint> refused;  // one endpoint of each mailbox that waits for room here
  bool may_retry = false;         // a receiver that refused a letter of this mailbox has room, or has left
  std::condition_variable changed;
};

}  // namespace

struct PostOffice::State {
  LetterClock clock;
  std::mutex mutex;
  std::map<Endpoint, Box*> boxes;

  // Lets the senders that `box` refused try again.
  void admit(Box& box) {
    for (const Endpoint sender : std::exchange(box.refused, {})) {
      const auto found = boxes.find(sender);
      if (found == boxes.end()) continue;  // it has left
      found->second->may_retry = true;
      found->second->changed.notify_one();
    }
  }
};

namespace {

class ThreadMailbox final : public Mailbox {
 public:
  ThreadMailbox(std::shared_ptr<PostOffice::State> office, std::span<const Endpoint> endpoints, std::int64_t capacity)
      : office_(std::move(office)) {
    check_mailbox(endpoints, capacity);
    box_.endpoints.assign(endpoints.begin(), endpoints.end());
    box_.capacity = capacity;
    const std::lock_guard lock(office_->mutex);
    for (const Endpoint endpoint : endpoints) {
      ensure(!office_->boxes.contains(endpoint), "endpoint {} has a mailbox already", value(endpoint));
    }
    for (const Endpoint endpoint : endpoints) office_->boxes[endpoint] = &box_;
  }
  ~ThreadMailbox() override {
    const std::lock_guard lock(office_->mutex);
    for (const Endpoint endpoint : box_.endpoints) office_->boxes.erase(endpoint);
    office_->admit(box_);
  }
  ThreadMailbox(const ThreadMailbox&) = delete;
  ThreadMailbox& operator=(const ThreadMailbox&) = delete;

  bool send(const Letter& letter) override {
    check_letter(letter, box_.endpoints);
    const std::lock_guard lock(office_->mutex);
    const auto found = office_->boxes.find(letter.to);
    if (found == office_->boxes.end()) throw NoSuchEndpoint(letter.to);
    Box& to = *found->second;
    if (&to != &box_) {
      if (to.from_others >= to.capacity) {
        if (!contains(to.refused, box_.endpoints[0])) to.refused.push_back(box_.endpoints[0]);
        return false;
      }
      ++to.from_others;
    }
    Letter taken = letter;
    taken.due = std::max(letter.due, office_->clock.now());  // under the lock: the order of sending is that of times
    to.queue.add(std::move(taken), &to == &box_ ? LetterQueue::own : 0);
    to.changed.notify_one();
    return true;
  }

  std::optional<Letter> next(std::chrono::milliseconds patience) override {
    const Ticks deadline = office_->clock.after(patience);
    std::unique_lock lock(office_->mutex);
    while (true) {
      const Ticks time = now();
      if (box_.queue.ready(time)) {
        LetterQueue::Held first = box_.queue.take();
        if (first.source != LetterQueue::own) {
          --box_.from_others;
          office_->admit(box_);
        }
        return std::move(first.letter);
      }
      if (std::exchange(box_.may_retry, false) || time >= deadline) return std::nullopt;
      box_.changed.wait_until(lock, office_->clock.at(box_.queue.first_due(deadline)));
    }
  }

  Ticks now() const override { return office_->clock.now(); }

 private:
  std::shared_ptr<PostOffice::State> office_;
  Box box_;
};

}  // namespace

PostOffice::PostOffice() : state_(std::make_shared<State>()) {}

std::unique_ptr<Mailbox> PostOffice::open(std::span<const Endpoint> endpoints, std::int64_t capacity) const {
  return std::make_unique<ThreadMailbox>(state_, endpoints, capacity);
}

}  // namespace shoal
