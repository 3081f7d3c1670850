#pragma once
// Messages between ranks. Implementations: one rank, MPI, and ranks as threads (for tests).

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace shoal {

class DeviceComm;

using Bytes = std::vector<std::byte>;

/// A group of ranks. All functions but `rank`, `size`, `local_rank` and `abort` are collective: every rank of the group
/// calls them in the same order, from its main thread. A rank that fails makes every other rank's next collective throw
/// (threads) or ends the program (MPI, through `abort`).
class Communicator {
 public:
  Communicator();
  virtual ~Communicator();
  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// Number of this process among the program's processes on its machine, which determines its GPU.
  virtual int local_rank() const = 0;

  virtual void barrier() = 0;
  /// In place; integers only, because their sum does not depend on the order.
  virtual void sum(std::span<std::int64_t> values) = 0;
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
  /// Not collective: ends all ranks of the program promptly. The caller prints the reason first.
  [[noreturn]] virtual void abort(int exit_code) = 0;

  /// The same collectives on device memory (sim/comm/device_comm.hpp): through the host's memory, unless `use` has
  /// replaced them, as connect_devices does where it can.
  DeviceComm& device();
  void use(std::unique_ptr<DeviceComm> device);

 private:
  std::unique_ptr<DeviceComm> device_;
};

/// A group of one: no messages at all.
std::unique_ptr<Communicator> single_rank();

/// MPI for the lifetime of the object (MPI_THREAD_FUNNELED). Make one at the beginning of main.
class MpiSession {
 public:
  MpiSession(int* argc, char*** argv);
  ~MpiSession();
  MpiSession(const MpiSession&) = delete;
  /// All ranks of MPI_COMM_WORLD.
  std::unique_ptr<Communicator> world();
  /// Version text of the MPI library, for the run's provenance.
  static std::string library();
};

/// Runs `body` on `ranks` threads that form a group; returns when all are done. The first exception is rethrown; the
/// other ranks are released from their collectives. For tests.
void run_on_threads(int ranks, const std::function<void(Communicator&)>& body);

}  // namespace shoal
