#include "sim/comm/communicator.hpp"

// The C++ bindings that were removed from MPI are not used, and their headers raise warnings.
#define OMPI_SKIP_MPICXX 1
#define MPICH_SKIP_MPICXX 1
#include <mpi.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "sim/error.hpp"

namespace shoal {
namespace {

// Counts are ints in MPI, so larger messages go in pieces of at most this many bytes.
constexpr std::size_t piece = std::size_t{1} << 30;

void check(int code, const char* call) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = "unknown error";
  int length = 0;
  MPI_Error_string(code, text, &length);
  system_error("{} failed ({})", call, text);
}

// Calls `send(first, count)` for each piece of `size` values of `width` bytes each.
template <class Send>
void in_pieces(std::size_t size, std::size_t width, const Send& send) {
  const std::size_t most = std::max<std::size_t>(piece / width, 1);
  for (std::size_t first = 0; first < size; first += most) {
    send(first, std::min(most, size - first));
  }
}

class MpiRanks final : public Communicator {
 public:
  // Owns `group`. Errors are returned as codes instead of ending the program inside MPI.
  MpiRanks(MPI_Comm group, int local_rank) : group_(group), local_rank_(local_rank) {
    check(MPI_Comm_set_errhandler(group_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
    check(MPI_Comm_rank(group_, &rank_), "MPI_Comm_rank");
    check(MPI_Comm_size(group_, &size_), "MPI_Comm_size");
  }
  ~MpiRanks() override {
    int finalized = 0;
    MPI_Finalized(&finalized);
    // Freeing is collective, so a rank that an exception leaves must not wait in it for the others.
    if (!finalized && std::uncaught_exceptions() == 0) MPI_Comm_free(&group_);
  }
  MpiRanks(const MpiRanks&) = delete;
  MpiRanks& operator=(const MpiRanks&) = delete;

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  int local_rank() const override { return local_rank_; }

  void barrier() override { check(MPI_Barrier(group_), "MPI_Barrier"); }
  void sum(std::span<std::int64_t> values) override { sum_in_place(values, MPI_INT64_T); }
  void sum_inexact(std::span<float> values) override { sum_in_place(values, MPI_FLOAT); }
  void sum_inexact(std::span<double> values) override { sum_in_place(values, MPI_DOUBLE); }

  void broadcast(Bytes& bytes, int root) override {
    ensure(root >= 0 && root < size_, "broadcast from rank {} of a group of {}", root, size_);
    std::int64_t size = bytes.size();
    check(MPI_Bcast(&size, 1, MPI_INT64_T, root, group_), "MPI_Bcast");
    bytes.resize(size);
    broadcast_bytes(bytes, root);
  }

  std::vector<Bytes> gather_all(const Bytes& mine) override {
    const std::vector<std::int64_t> sizes = gather_sizes(mine.size());
    std::vector<Bytes> all(sizes.size());
    std::vector<int> counts(sizes.size()), starts(sizes.size());
    std::size_t total = 0;
    for (std::size_t r = 0; r < sizes.size(); ++r) total += sizes[r];
    if (total > piece) {  // every rank decides alike
      for (int r = 0; r < size_; ++r) {
        if (r == rank_) all[r] = mine;
        all[r].resize(sizes[r]);
        broadcast_bytes(all[r], r);
      }
      return all;
    }
    int end = 0;
    for (std::size_t r = 0; r < sizes.size(); ++r) {
      starts[r] = end;
      counts[r] = sizes[r];
      end += counts[r];
    }
    Bytes joined(total);
    check(MPI_Allgatherv(mine.data(), mine.size(), MPI_BYTE, joined.data(), counts.data(), starts.data(), MPI_BYTE,
                         group_),
          "MPI_Allgatherv");
    for (std::size_t r = 0; r < all.size(); ++r) {
      all[r].assign(joined.begin() + starts[r], joined.begin() + starts[r] + counts[r]);
    }
    return all;
  }

  // Point to point after one exchange of sizes: no packing, no bound on sizes, no messages without content.
  std::vector<Bytes> exchange(const std::vector<Bytes>& to_each) override {
    const std::size_t ranks = size_;
    ensure(to_each.size() == ranks, "exchange of {} messages in a group of {}", to_each.size(), size_);
    std::vector<std::int64_t> sizes_out(ranks), sizes_in(ranks);
    for (std::size_t r = 0; r < ranks; ++r) sizes_out[r] = to_each[r].size();
    check(MPI_Alltoall(sizes_out.data(), 1, MPI_INT64_T, sizes_in.data(), 1, MPI_INT64_T, group_), "MPI_Alltoall");

    constexpr int tag = 1;
    std::vector<MPI_Request> requests;
    std::vector<Bytes> from_each(ranks);
    for (int r = 0; r < size_; ++r) {
      Bytes& in = from_each[r];
      if (r == rank_) {
        in = to_each[r];
        continue;
      }
      in.resize(sizes_in[r]);
      in_pieces(in.size(), 1, [&](std::size_t first, int count) {
        check(MPI_Irecv(in.data() + first, count, MPI_BYTE, r, tag, group_, &requests.emplace_back()), "MPI_Irecv");
      });
    }
    for (int step = 1; step < size_; ++step) {
      const int r = (rank_ + step) % size_;  // the ranks do not all begin with the same one
      const Bytes& out = to_each[r];
      in_pieces(out.size(), 1, [&](std::size_t first, int count) {
        check(MPI_Isend(out.data() + first, count, MPI_BYTE, r, tag, group_, &requests.emplace_back()), "MPI_Isend");
      });
    }
    check(MPI_Waitall(requests.size(), requests.data(), MPI_STATUSES_IGNORE), "MPI_Waitall");
    return from_each;
  }

  std::unique_ptr<Communicator> split(int color) override {
    ensure(color >= 0, "split with the negative color {}", color);
    MPI_Comm part = MPI_COMM_NULL;
    check(MPI_Comm_split(group_, color, rank_, &part), "MPI_Comm_split");
    return std::make_unique<MpiRanks>(part, local_rank_);
  }

  [[noreturn]] void abort(int exit_code) override {
    std::fflush(nullptr);
    MPI_Abort(MPI_COMM_WORLD, exit_code);
    std::_Exit(exit_code);
  }

 private:
  template <class T>
  void sum_in_place(std::span<T> values, MPI_Datatype type) {
    in_pieces(values.size(), sizeof(T), [&](std::size_t first, int count) {
      check(MPI_Allreduce(MPI_IN_PLACE, values.data() + first, count, type, MPI_SUM, group_), "MPI_Allreduce");
    });
  }
  void broadcast_bytes(Bytes& bytes, int root) {
    in_pieces(bytes.size(), 1, [&](std::size_t first, int count) {
      check(MPI_Bcast(bytes.data() + first, count, MPI_BYTE, root, group_), "MPI_Bcast");
    });
  }
  std::vector<std::int64_t> gather_sizes(std::size_t mine) {
    const std::int64_t size = mine;
    std::vector<std::int64_t> sizes(size_);
    check(MPI_Allgather(&size, 1, MPI_INT64_T, sizes.data(), 1, MPI_INT64_T, group_), "MPI_Allgather");
    return sizes;
  }

  MPI_Comm group_;
  int rank_ = 0, size_ = 1, local_rank_;
};

// Ranks that can share memory are on one machine.
int rank_on_machine(MPI_Comm world) {
  MPI_Comm machine = MPI_COMM_NULL;
  int rank = 0;
  check(MPI_Comm_split_type(world, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &machine), "MPI_Comm_split_type");
  check(MPI_Comm_rank(machine, &rank), "MPI_Comm_rank");
  check(MPI_Comm_free(&machine), "MPI_Comm_free");
  return rank;
}

}  // namespace

MpiSession::MpiSession(int* argc, char*** argv) {
  int provided = MPI_THREAD_SINGLE;
  check(MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread");
  if (provided < MPI_THREAD_FUNNELED) {
    const int needed = MPI_THREAD_FUNNELED;
    system_error("MPI does not support threads beside the main one (its thread level is {}, {} is needed)", provided,
                 needed);
  }
  check(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
}

MpiSession::~MpiSession() {
  // MPI_Finalize waits for all ranks. A rank that an exception ends must not wait: the launcher then ends the others.
  int finalized = 0;
  MPI_Finalized(&finalized);
  if (!finalized && std::uncaught_exceptions() == 0) MPI_Finalize();
}

std::unique_ptr<Communicator> MpiSession::world() {
  MPI_Comm copy = MPI_COMM_NULL;
  check(MPI_Comm_dup(MPI_COMM_WORLD, &copy), "MPI_Comm_dup");
  return std::make_unique<MpiRanks>(copy, rank_on_machine(copy));
}

std::string MpiSession::library() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING] = "";
  int length = 0;
  check(MPI_Get_library_version(text, &length), "MPI_Get_library_version");
  const std::string all(text);  // some libraries write several lines
  return all.substr(0, all.find('\n'));
}

}  // namespace shoal
