#pragma once
// Messages between ranks. Implementations: one rank, MPI, and ranks as threads (for tests).

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "sim/comm/bytes.hpp"

namespace shoal {

class DeviceComm;

class Mailbox;
enum class Endpoint : std::int64_t;

/// A group of ranks. All functions but `rank`, `size`, `local_rank` and `abort` are collective: every rank of the group
/// calls them in the same order, from its main thread. A rank that fails makes every other rank's next collective throw
/// (threads) or ends the program (MPI, through `abort`).
class Communicator {
 public:
  Communicator();
  virtual ~Communicator();
  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// Number of this process among the program's processes on its machine, which determines its GPU; the same in every
  /// group, and not changed by SHOAL_RANKS_PER_NODE.
  virtual int local_rank() const = 0;

  virtual void barrier() = 0;
  /// In place; integers only, because their sum does not depend on the order.
  virtual void sum(std::span<std::int64_t> values) = 0;
  /// In place, modulo 2^32 and 2^64: words of a ring, which wrap around. A word travels as 4 or 8 bytes.
  virtual void sum(std::span<std::uint32_t> values) = 0;
  virtual void sum(std::span<std::uint64_t> values) = 0;
  /// In place; the bits depend on the number of ranks. For aggregators that declare that they are not reproducible.
  virtual void sum_inexact(std::span<float> values) = 0;
  virtual void sum_inexact(std::span<double> values) = 0;
  virtual void broadcast(Bytes& bytes, int root) = 0;
  /// The bytes of all ranks, by rank, on every rank.
  virtual std::vector<Bytes> gather_all(const Bytes& mine) = 0;
  /// Sends to_each[r] to rank r; returns what each rank sent here, by rank.
  virtual std::vector<Bytes> exchange(const std::vector<Bytes>& to_each) = 0;
  /// Ranks of equal color form a group, ordered by their rank here.
  virtual std::unique_ptr<Communicator> split(int color) = 0;
  /// The ranks of this group that share a node's memory, ordered by their rank here. The first call makes it and sends
  /// messages, later ones return the same object, which lives as long as this one.
  Communicator& node();
  /// A mailbox (sim/comm/mailbox.hpp) for these endpoints of this rank; those of all ranks of the group can write to
  /// each other, and differ. Its queue holds up to `capacity` letters, under MPI up to `capacity` from each rank.
  /// Destroying it is collective under MPI: a rank takes part in the transport until all have finished with theirs.
  virtual std::unique_ptr<Mailbox> mailbox(std::span<const Endpoint> endpoints, std::int64_t capacity) = 0;
  /// Not collective: ends all ranks of the program promptly. The caller prints the reason first.
  [[noreturn]] virtual void abort(int exit_code) = 0;

  /// The same collectives on device memory (sim/comm/device_comm.hpp): through the host's memory, unless `use` has
  /// replaced them, as connect_devices does where it can.
  DeviceComm& device();
  void use(std::unique_ptr<DeviceComm> device);

 private:
  virtual std::unique_ptr<Communicator> make_node() = 0;

  std::unique_ptr<DeviceComm> device_;
  std::unique_ptr<Communicator> node_;
};

/// A group of one: no messages at all.
std::unique_ptr<Communicator> single_rank();

/// MPI for the lifetime of the object (MPI_THREAD_FUNNELED). Make one at the beginning of main.
class MpiSession {
 public:
  MpiSession(int* argc, char*** argv);
  ~MpiSession();
  MpiSession(const MpiSession&) = delete;
  /// All ranks of MPI_COMM_WORLD. Collective. The environment variable SHOAL_RANKS_PER_NODE=N, for tests, cuts the
  /// ranks of each machine into nodes of N; UserError unless it is a number above 0 and the same on all ranks.
  std::unique_ptr<Communicator> world();
  /// Version text of the MPI library, for the run's provenance.
  static std::string library();
};

/// Runs `body` on `ranks` threads that form a group; returns when all are done. The first exception is rethrown; the
/// other ranks are released from their collectives. For tests.
void run_on_threads(int ranks, const std::function<void(Communicator&)>& body);
/// The same with nodes of `ranks_per_node` consecutive ranks; the last one may have fewer.
void run_on_threads(int ranks, int ranks_per_node, const std::function<void(Communicator&)>& body);

}  // namespace shoal
