#pragma once
// Checks of every communicator, for any group: threads, MPI or a single rank. They are collective; a failed check
// throws BrokenInvariant.

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <set>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "kernels/device.hpp"
#include "sim/comm/communicator.hpp"
#include "sim/comm/device_comm.hpp"
#include "sim/comm/node_bytes.hpp"
#include "sim/error.hpp"

namespace shoal {

/// `n` bytes that depend on their sender and receiver.
inline Bytes labelled(int from, int to, std::size_t n) {
  Bytes bytes(n);
  for (std::size_t i = 0; i < n; ++i) {
    bytes[i] = static_cast<std::byte>((from * 31 + to * 7 + i * 13) & 0xff);
  }
  return bytes;
}

inline void check_sum(Communicator& comm, std::size_t n) {
  std::vector<std::int64_t> values(n);
  const auto value = [](int rank, std::int64_t i) {
    return (i - 5) * (rank + 1) * 1'000'000'007LL + rank;  // both signs, beyond 32 bits
  };
  for (std::size_t i = 0; i < n; ++i) values[i] = value(comm.rank(), i);
  comm.sum(values);
  for (std::size_t i = 0; i < n; ++i) {
    std::int64_t expected = 0;
    for (int r = 0; r < comm.size(); ++r) expected += value(r, i);
    ensure(values[i] == expected, "sum: entry {} is {}, not {}", i, values[i], expected);
  }
}

/// Sums of words wrap around: all bits set is -1 in the ring.
template <class Word>
void check_word_sum(Communicator& comm, std::size_t n) {
  std::vector<Word> values(n);
  const auto value = [](int rank, std::size_t i) {
    return i % 3 == 0 ? ~Word{0} : static_cast<Word>(0x9e3779b97f4a7c15ULL * (i + 1) * (rank + 1));
  };
  for (std::size_t i = 0; i < n; ++i) values[i] = value(comm.rank(), i);
  comm.sum(std::span(values));
  for (std::size_t i = 0; i < n; ++i) {
    Word expected = static_cast<Word>(0) - static_cast<Word>(comm.size());
    if (i % 3 != 0)
      expected = static_cast<Word>(0x9e3779b97f4a7c15ULL * (i + 1) * (comm.size() * (comm.size() + 1) / 2));
    ensure(values[i] == expected, "sum of {}-bit words: entry {} is {}, not {}", 8 * sizeof(Word), i, values[i],
           expected);
  }
}

template <class T>
void check_sum_inexact(Communicator& comm) {
  std::vector<T> values(257);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = (comm.rank() + 1) * i;
  comm.sum_inexact(values);
  const int factors = comm.size() * (comm.size() + 1) / 2;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const T expected = factors * i;  // small integers are exact
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

/// Rank r contributes r * step bytes, so rank 0 contributes none.
inline void check_gather_all(Communicator& comm, std::size_t step) {
  const auto size = [&](int r) { return r * step; };
  const auto all = comm.gather_all(labelled(comm.rank(), 50, size(comm.rank())));
  ensure(std::ssize(all) == comm.size(), "gather_all returned {} messages", all.size());
  for (int r = 0; r < comm.size(); ++r) {
    ensure(all[r] == labelled(r, 50, size(r)), "gather_all: bytes of rank {}", r);
  }
}

inline void check_exchange(Communicator& comm, std::size_t step) {
  // Uneven; about a third of the messages are empty.
  const auto size = [&](int from, int to) { return (from + 2 * to) % 3 * step; };
  std::vector<Bytes> to_each;
  for (int r = 0; r < comm.size(); ++r) to_each.push_back(labelled(comm.rank(), r, size(comm.rank(), r)));
  const auto from_each = comm.exchange(to_each);
  ensure(std::ssize(from_each) == comm.size(), "exchange returned {} messages", from_each.size());
  for (int r = 0; r < comm.size(); ++r) {
    ensure(from_each[r] == labelled(r, comm.rank(), size(r, comm.rank())), "exchange: bytes from rank {}", r);
  }
}

/// A copy on the host of a device array.
template <class T>
std::vector<T> on_host(const DeviceArray<T>& there) {
  std::vector<T> values(there.size());
  there.read(values);
  return values;
}

/// Sums on the device equal those on the host, bit for bit.
template <class T>
void check_device_sum(Communicator& comm, DeviceComm& between, std::size_t n) {
  std::vector<T> values(n);
  for (std::size_t i = 0; i < n; ++i) {
    const int small = i % 1000;
    values[i] = (small - 5) * (comm.rank() + 1);
  }
  DeviceArray<T> there(OnDevice{}, std::span<const T>(values));
  if constexpr (std::is_integral_v<T>) {
    between.sum(OnDevice{}, there.data(), n);
    comm.sum(values);
  } else {
    between.sum_inexact(OnDevice{}, there.data(), n);  // small integers: exact in any order
    comm.sum_inexact(values);
  }
  between.wait(OnDevice{});
  ensure(on_host(there) == values, "a sum of {} values on the device differs from the host's", n);
}

inline void check_device_broadcast(Communicator& comm, DeviceComm& between, std::size_t n) {
  for (int root = 0; root < comm.size(); ++root) {
    const Bytes mine = labelled(comm.rank(), 3, n);
    DeviceArray<std::byte> there(OnDevice{}, std::span<const std::byte>(mine));
    between.broadcast(OnDevice{}, there.data(), n, root);
    between.wait(OnDevice{});
    ensure(on_host(there) == labelled(root, 3, n), "broadcast of {} bytes on the device from rank {}", n, root);
  }
}

inline void check_device_exchange(Communicator& comm, DeviceComm& between, std::size_t step) {
  const auto size = [&](int from, int to) { return (from + 2 * to) % 3 * step; };
  std::vector<std::size_t> to_each, from_each;
  Bytes out, expected;
  for (int r = 0; r < comm.size(); ++r) {
    const Bytes to = labelled(comm.rank(), r, size(comm.rank(), r)),
                from = labelled(r, comm.rank(), size(r, comm.rank()));
    out.insert(out.end(), to.begin(), to.end());
    expected.insert(expected.end(), from.begin(), from.end());
    to_each.push_back(to.size());
    from_each.push_back(from.size());
  }
  const DeviceArray<std::byte> there(OnDevice{}, std::span<const std::byte>(out));
  DeviceArray<std::byte> arrived(OnDevice{}, expected.size());
  between.exchange(OnDevice{}, there.data(), to_each, arrived.data(), from_each);
  between.wait(OnDevice{});
  ensure(on_host(arrived) == expected, "exchange on the device: bytes that arrived at rank {}", comm.rank());
}

inline void check_device_collectives(Communicator& comm) {
  if (!has_device()) return;  // a build with nvcc, on a machine without a GPU
  DeviceComm& between = comm.device();
  ensure(!between.name().empty(), "collectives on the device have no name");
  for (const std::size_t n : {0, 1, 31, 257, 100'003}) check_device_sum<std::int64_t>(comm, between, n);
  check_device_sum<float>(comm, between, 257);
  check_device_sum<double>(comm, between, 257);
  for (const std::size_t n : {0, 1, 5000, 100'003}) check_device_broadcast(comm, between, n);
  for (const std::size_t step : {0, 1, 40'001}) check_device_exchange(comm, between, step);
}

inline void check_collectives(Communicator& comm) {
  comm.barrier();
  for (const std::size_t n : {0, 1, 31, 257, 100'003}) check_sum(comm, n);
  for (const std::size_t n : {0, 31, 1000}) check_word_sum<std::uint32_t>(comm, n);
  for (const std::size_t n : {0, 31, 1000}) check_word_sum<std::uint64_t>(comm, n);
  check_sum_inexact<float>(comm);
  check_sum_inexact<double>(comm);
  for (const std::size_t n : {0, 1, 5000, 100'003}) check_broadcast(comm, n);
  for (const std::size_t step : {0, 1, 40'001}) check_gather_all(comm, step);
  for (const std::size_t step : {0, 1, 40'001}) check_exchange(comm, step);
  check_device_collectives(comm);
  comm.barrier();
}

inline void check_split(Communicator& comm) {
  for (const int colors : {1, 2, 3}) {
    const auto part = comm.split(comm.rank() % colors);
    const int expected_size = (comm.size() - 1 - comm.rank() % colors) / colors + 1;
    ensure(part->size() == expected_size, "split: {} ranks, not {}", part->size(), expected_size);
    ensure(part->rank() == comm.rank() / colors, "split: rank {} became {}", comm.rank(), part->rank());
    check_collectives(*part);
    // Two splits of a part in a row: messages of one must not reach the other.
    const auto one = part->split(part->rank()), again = part->split(0);
    ensure(one->size() == 1 && again->size() == part->size(), "split of a split");
    check_sum(*again, 100);
  }
}

inline Bytes as_message_bytes(const std::string& text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

/// The file that is mapped at an address of this process: its device and inode.
inline std::string file_mapped_at(const void* address) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::istringstream words(line);
    std::uintptr_t first = 0, last = 0;
    char dash = 0;
    std::string access, offset, device, inode;
    words >> std::hex >> first >> dash >> last >> access >> offset >> device >> inode;
    const auto place = reinterpret_cast<std::uintptr_t>(address);
    if (first <= place && place < last) return device + " " + inode;
  }
  return "nothing";
}

/// The ranks of a node, if all ranks are on one machine that is cut into nodes of `ranks_per_node`; and bytes that a
/// node holds once: one rank of each makes them, the others map the same file.
inline void check_node(Communicator& comm, int ranks_per_node) {
  std::vector<std::int64_t> node_of(comm.size());
  node_of[comm.rank()] = comm.local_rank() / ranks_per_node;
  comm.sum(node_of);
  const std::int64_t mine = node_of[comm.rank()];
  Communicator& node = comm.node();
  ensure(&node == &comm.node(), "the ranks of a node are grouped twice");
  ensure(node.size() == std::ranges::count(node_of, mine), "rank {}: a node of {} ranks", comm.rank(), node.size());
  ensure(node.rank() == std::count(node_of.begin(), node_of.begin() + comm.rank(), mine),
         "rank {} is rank {} of its node", comm.rank(), node.rank());
  check_sum(node, 100);
  ensure(node.node().size() == node.size(), "the node of a node has {} ranks, not {}", node.node().size(), node.size());

  for (const std::size_t n : {0, 1, 5001}) {
    std::vector<std::int64_t> makers = {0};
    const NodeBytes bytes = hold_on_node(comm, [&](const WriteBytes& write) {
      ++makers[0];
      const Bytes content = labelled(static_cast<int>(mine), 7, n);
      const auto all = std::span(content);
      write(all.first(n / 3));  // in two pieces
      write(all.subspan(n / 3));
    });
    comm.sum(makers);
    ensure(makers[0] == std::ssize(std::set(node_of.begin(), node_of.end())), "{} ranks made the bytes", makers[0]);
    const Bytes expected = labelled(static_cast<int>(mine), 7, n);
    ensure(std::ranges::equal(bytes.all(), expected), "rank {}: the bytes of its node are others", comm.rank());
    if (n == 0) continue;
    const auto files = comm.gather_all(as_message_bytes(file_mapped_at(bytes.begin.get())));
    for (int r = 0; r < comm.size(); ++r) {
      ensure((files[r] == files[comm.rank()]) == (node_of[r] == mine), "ranks {} and {} map '{}' and '{}'", r,
             comm.rank(), std::string(reinterpret_cast<const char*>(files[r].data()), files[r].size()),
             file_mapped_at(bytes.begin.get()));
    }
    comm.barrier();
  }
}

/// `ranks_per_node`: of the nodes that the ranks' machine is cut into, if they share one.
inline void check_communicator(Communicator& comm, int ranks_per_node = 1 << 20) {
  ensure(comm.rank() >= 0 && comm.rank() < comm.size(), "rank {} of {}", comm.rank(), comm.size());
  ensure(comm.local_rank() >= 0, "rank {} on its machine", comm.local_rank());
  check_collectives(comm);
  check_split(comm);
  check_node(comm, ranks_per_node);
  check_node(*comm.split(comm.rank() % 2), ranks_per_node);
}

}  // namespace shoal
