#pragma once
// Checks of the mailboxes of any group: threads, MPI or a single rank. They are collective; a failed check throws
// BrokenInvariant.

#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "sim/comm/communicator.hpp"
#include "sim/comm/mailbox.hpp"
#include "sim/error.hpp"

namespace shoal {

constexpr auto ten_seconds = std::chrono::milliseconds(10'000);  // longer than anything here should take

/// Endpoint `i` of a rank.
constexpr Endpoint endpoint_of(int rank, int i = 0) { return Endpoint{rank * 10LL + i - 3}; }

/// The body of a letter: its size and content follow from its coordinates.
inline std::shared_ptr<const Bytes> body_of(Endpoint from, Endpoint to, std::int32_t number, std::size_t size) {
  if (size == 0) return nullptr;
  auto bytes = std::make_shared<Bytes>(size);
  for (std::size_t i = 0; i < size; ++i) {
    (*bytes)[i] =
        static_cast<std::byte>((value(from) * 31 + value(to) * 7 + number * 5 + static_cast<int>(i) * 13) & 0xff);
  }
  return bytes;
}

inline bool same_body(const std::shared_ptr<const Bytes>& a, const std::shared_ptr<const Bytes>& b) {
  const Bytes none;
  return (a ? *a : none) == (b ? *b : none);
}

inline std::size_t size_of(std::int32_t number) {
  constexpr std::size_t sizes[] = {0, 1, 100, 5000, 20'001};
  return sizes[number % 5];
}

/// Seconds that this thread has used a core.
inline double core_seconds() {
  timespec used{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
}

/// Every endpoint of a mailbox sends `count` letters to each of `others`, as fast as they take them, and gets as many
/// from each: none is lost or doubled, and those of a pair keep their order.
inline void check_exchange_of_letters(Mailbox& mailbox, const std::vector<Endpoint>& own,
                                      const std::vector<Endpoint>& others, std::int32_t count) {
  std::map<std::pair<Endpoint, Endpoint>, std::int32_t> received;
  std::vector<Letter> waiting;  // the next one of each pair, which the sender keeps until it is taken
  const auto letter_number = [](Endpoint from, Endpoint to, std::int32_t number) {
    return Letter{from, to, LetterKind{number}, body_of(from, to, number, size_of(number)), Ticks{0}};
  };
  for (const Endpoint from : own) {
    for (const Endpoint to : others) waiting.push_back(letter_number(from, to, 0));
  }
  const std::int64_t all = static_cast<std::int64_t>(own.size() * others.size()) * count;
  std::int64_t to_send = all, to_receive = all, idle = 0;
  while (to_send + to_receive > 0) {
    for (Letter& letter : waiting) {
      while (value(letter.kind) < count && mailbox.send(letter)) {
        letter = letter_number(letter.from, letter.to, value(letter.kind) + 1);
        --to_send;
      }
    }
    const auto letter = mailbox.next(std::chrono::milliseconds(to_send + to_receive > 0 ? 1000 : 0));
    ensure(++idle < 20 * (all + 50), "letters do not arrive: {} to send, {} to receive", to_send, to_receive);
    if (!letter) continue;
    std::int32_t& number = received[{letter->from, letter->to}];
    ensure(value(letter->kind) == number, "letter {} of {} to {} arrives where {} is expected", value(letter->kind),
           value(letter->from), value(letter->to), number);
    ensure(same_body(letter->body, body_of(letter->from, letter->to, number, size_of(number))),
           "the body of letter {} of {} to {} is another", number, value(letter->from), value(letter->to));
    ++number;
    --to_receive;
  }
  for (const Endpoint from : others) {
    for (const Endpoint to : own) {
      ensure(received[{from, to}] == count, "{} letters of {} to {}", received[{from, to}], value(from), value(to));
    }
  }
}

/// Timers of an endpoint to itself: never early, by `due`, and beyond the capacity of the mailbox.
inline void check_timers(Mailbox& mailbox, Endpoint self, std::int32_t count) {
  const Ticks begin = mailbox.now();
  for (std::int32_t i = 0; i < count; ++i) {
    const Ticks due =
        begin + Ticks{200'000 + std::int64_t{1000} * (count - i / 2)};  // pairs due together, the later sent first
    ensure(mailbox.send({self, self, LetterKind{i}, nullptr, due}), "a letter to itself is refused");
  }
  ensure(mailbox.send({self, self, LetterKind{-1}, nullptr, Ticks{0}}), "a letter to itself is refused");
  std::vector<std::int32_t> kinds;
  while (std::ssize(kinds) < count + 1) {
    const auto letter = mailbox.next(ten_seconds);
    ensure(letter.has_value(), "a timer does not arrive");
    ensure(letter->due <= mailbox.now(), "a timer is {} us early", value(letter->due - mailbox.now()));
    ensure(letter->due >= begin, "a time in the past stays in the past");
    kinds.push_back(value(letter->kind));
  }
  std::vector<std::int32_t> expected = {-1};  // at once
  for (std::int32_t pair = (count - 1) / 2; pair >= 0; --pair) {
    expected.push_back(2 * pair);
    if (2 * pair + 1 < count) expected.push_back(2 * pair + 1);
  }
  ensure(kinds == expected, "timers arrive in another order");
}

/// Waiting takes the time that it is told and hardly any of a core.
inline void check_waiting(Mailbox& mailbox) {
  const double used = core_seconds();
  const Ticks begin = mailbox.now();
  ensure(!mailbox.next(std::chrono::milliseconds(60)).has_value(), "a letter that was not sent arrives");
  const double waited = seconds(mailbox.now() - begin);
  ensure(waited >= 0.06, "waited for {} s", waited);
  ensure(core_seconds() - used < 0.03, "waiting used a core for {} s", core_seconds() - used);
  ensure(!mailbox.next(std::chrono::milliseconds(0)).has_value(), "a letter that was not sent arrives");
}

/// Rank 1 does not look into its mailbox: it takes as many letters as it has room for. When it looks, rank 0 notices.
inline void check_full_queue(Communicator& comm, std::int32_t capacity) {
  const Endpoint from = endpoint_of(0), to = endpoint_of(1), mine[] = {endpoint_of(comm.rank())};
  const auto mailbox = comm.mailbox(mine, capacity);
  const auto send = [&](std::int32_t number) {
    return mailbox->send({from, to, LetterKind{number}, body_of(from, to, number, 1000), Ticks{0}});
  };
  if (comm.rank() == 0) {
    for (std::int32_t i = 0; i < capacity; ++i) ensure(send(i), "letter {} of {} is refused", i, capacity);
    for (int i = 0; i < 3; ++i) ensure(!send(capacity), "a full queue takes a letter");
  }
  comm.barrier();
  if (comm.rank() == 0) {
    const Ticks begin = mailbox->now();
    ensure(!mailbox->next(ten_seconds).has_value(), "a letter that was not sent arrives");
    ensure(seconds(mailbox->now() - begin) < 5, "the sender is not told that there is room");
    ensure(send(capacity), "a queue with room refuses a letter");
  } else if (comm.rank() == 1) {
    for (std::int32_t i = 0; i <= capacity; ++i) {
      const auto letter = mailbox->next(ten_seconds);
      ensure(letter && value(letter->kind) == i, "letter {} is lost", i);
      ensure(same_body(letter->body, body_of(from, to, i, 1000)), "the body of letter {} is another", i);
    }
    ensure(!mailbox->next(std::chrono::milliseconds(0)), "a letter arrives twice");
  }
  comm.barrier();
}

inline void check_mailboxes(Communicator& comm) {
  std::vector<Endpoint> own, others;
  for (int r = 0; r < comm.size(); ++r) {
    for (const int i : {0, 1}) (r == comm.rank() ? own : others).push_back(endpoint_of(r, i));
  }
  {
    const auto mailbox = comm.mailbox(own, 3), second = comm.mailbox(own, 3);  // independent of each other
    check_timers(*mailbox, own[1], 7);
    check_waiting(*mailbox);
    comm.barrier();
    check_exchange_of_letters(*mailbox, own, others, 25);
    comm.barrier();
    ensure(!second->next(std::chrono::milliseconds(0)), "a letter arrives in another mailbox");
    bool refused = false;
    try {
      mailbox->send({own[0], endpoint_of(comm.size()), LetterKind{0}, nullptr, Ticks{0}});
    } catch (const NoSuchEndpoint&) {
      refused = true;
    }
    ensure(refused, "a letter to nowhere is taken");
  }
  if (comm.size() == 1) return;
  for (const std::int32_t capacity : {1, 4}) check_full_queue(comm, capacity);
  const int sender = comm.size() - 1;  // a timer of another rank
  const auto mailbox = comm.mailbox(own, 1);
  const Ticks begin = mailbox->now();
  comm.barrier();
  if (comm.rank() == sender) {
    mailbox->send({own[0], endpoint_of(0), LetterKind{5}, nullptr, mailbox->now() + Ticks{40'000}});
  }
  if (comm.rank() == 0) {
    const auto letter = mailbox->next(ten_seconds);
    ensure(letter && letter->from == endpoint_of(sender) && value(letter->kind) == 5, "the timer does not arrive");
    ensure(letter->due <= mailbox->now(), "the timer arrives early");
    ensure(letter->due > begin, "the timer is not later than its sending");
  }
  comm.barrier();
}

}  // namespace shoal
