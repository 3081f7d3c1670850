#pragma once
// What every communicator must do, checked on whatever group it is handed: threads, MPI or a single rank.
// Collective; a failed check throws BrokenInvariant.

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "sim/comm/communicator.hpp"
#include "sim/error.hpp"

namespace shoal {

/// `n` bytes that tell who sent them to whom.
inline Bytes labelled(int from, int to, std::size_t n) {
  Bytes bytes(n);
  for (std::size_t i = 0; i < n; ++i) {
    bytes[i] = static_cast<std::byte>((static_cast<std::size_t>(from * 31 + to * 7) + i * 13) & 0xff);
  }
  return bytes;
}

inline void check_sum(Communicator& comm, std::size_t n) {
  std::vector<std::int64_t> values(n);
  const auto value = [](int rank, std::size_t i) {
    return (static_cast<std::int64_t>(i) - 5) * (rank + 1) * 1'000'000'007LL + rank;  // both signs, beyond 32 bits
  };
  for (std::size_t i = 0; i < n; ++i) values[i] = value(comm.rank(), i);
  comm.sum(values);
  for (std::size_t i = 0; i < n; ++i) {
    std::int64_t expected = 0;
    for (int r = 0; r < comm.size(); ++r) expected += value(r, i);
    ensure(values[i] == expected, "sum: entry {} is {}, not {}", i, values[i], expected);
  }
}

template <class T>
void check_sum_inexact(Communicator& comm) {
  std::vector<T> values(257);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<T>(comm.rank() + 1) * static_cast<T>(i);
  comm.sum_inexact(values);
  const int ranks = comm.size();
  for (std::size_t i = 0; i < values.size(); ++i) {
    const T expected = static_cast<T>(ranks * (ranks + 1) / 2) * static_cast<T>(i);  // small integers are exact
    ensure(values[i] == expected, "sum_inexact: entry {} is {}, not {}", i, values[i], expected);
  }
}

inline void check_broadcast(Communicator& comm, std::size_t n) {
  for (int root = 0; root < comm.size(); ++root) {
    Bytes bytes = comm.rank() == root ? labelled(root, 99, n) : labelled(comm.rank(), 1, 10);
    comm.broadcast(bytes, root);
    ensure(bytes == labelled(root, 99, n), "broadcast of {} bytes from rank {}", n, root);
  }
}

/// Rank r contributes r * step bytes, so that rank 0 has none.
inline void check_gather_all(Communicator& comm, std::size_t step) {
  const auto size = [&](int r) { return static_cast<std::size_t>(r) * step; };
  const auto all = comm.gather_all(labelled(comm.rank(), 50, size(comm.rank())));
  ensure(all.size() == static_cast<std::size_t>(comm.size()), "gather_all returned {} messages", all.size());
  for (int r = 0; r < comm.size(); ++r) {
    ensure(all[static_cast<std::size_t>(r)] == labelled(r, 50, size(r)), "gather_all: bytes of rank {}", r);
  }
}

inline void check_exchange(Communicator& comm, std::size_t step) {
  // Uneven, and about a third of the messages empty.
  const auto size = [&](int from, int to) { return static_cast<std::size_t>((from + 2 * to) % 3) * step; };
  std::vector<Bytes> to_each;
  for (int r = 0; r < comm.size(); ++r) to_each.push_back(labelled(comm.rank(), r, size(comm.rank(), r)));
  const auto from_each = comm.exchange(to_each);
  ensure(from_each.size() == static_cast<std::size_t>(comm.size()), "exchange returned {} messages", from_each.size());
  for (int r = 0; r < comm.size(); ++r) {
    ensure(from_each[static_cast<std::size_t>(r)] == labelled(r, comm.rank(), size(r, comm.rank())),
           "exchange: bytes from rank {}", r);
  }
}

inline void check_collectives(Communicator& comm) {
  comm.barrier();
  for (const std::size_t n : {0, 1, 31, 257, 100'003}) check_sum(comm, n);
  check_sum_inexact<float>(comm);
  check_sum_inexact<double>(comm);
  for (const std::size_t n : {0, 1, 5000, 100'003}) check_broadcast(comm, n);
  for (const std::size_t step : {0, 1, 40'001}) check_gather_all(comm, step);
  for (const std::size_t step : {0, 1, 40'001}) check_exchange(comm, step);
  comm.barrier();
}

inline void check_split(Communicator& comm) {
  for (const int colors : {1, 2, 3}) {
    const auto part = comm.split(comm.rank() % colors);
    const int expected_size = (comm.size() - 1 - comm.rank() % colors) / colors + 1;
    ensure(part->size() == expected_size, "split: {} ranks, not {}", part->size(), expected_size);
    ensure(part->rank() == comm.rank() / colors, "split: rank {} became {}", comm.rank(), part->rank());
    check_collectives(*part);
    // Groups of a group, and again straight away: the first must not leak into the second.
    const auto one = part->split(part->rank()), again = part->split(0);
    ensure(one->size() == 1 && again->size() == part->size(), "split of a split");
    check_sum(*again, 100);
  }
}

inline void check_communicator(Communicator& comm) {
  ensure(comm.rank() >= 0 && comm.rank() < comm.size(), "rank {} of {}", comm.rank(), comm.size());
  check_collectives(comm);
  check_split(comm);
}

}  // namespace shoal
