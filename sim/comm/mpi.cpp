#include "sim/comm/communicator.hpp"

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <limits>
#include <string_view>

#include "sim/comm/mpi_calls.hpp"
#include "sim/error.hpp"

namespace shoal {

void check_mpi(int code, const char* call) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = "unknown error";
  int length = 0;
  MPI_Error_string(code, text, &length);
  system_error("{} failed ({})", call, text);
}

namespace {

class MpiRanks final : public Communicator {
 public:
  // Owns `group`. Errors are returned as codes instead of ending the program inside MPI.
  MpiRanks(MPI_Comm group, int local_rank, int ranks_per_node)
      : group_(group), local_rank_(local_rank), ranks_per_node_(ranks_per_node) {
    check_mpi(MPI_Comm_set_errhandler(group_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
    check_mpi(MPI_Comm_rank(group_, &rank_), "MPI_Comm_rank");
    check_mpi(MPI_Comm_size(group_, &size_), "MPI_Comm_size");
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

  void barrier() override { check_mpi(MPI_Barrier(group_), "MPI_Barrier"); }
  void sum(std::span<std::int64_t> values) override { sum_in_place(values, MPI_INT64_T); }
  void sum(std::span<std::uint32_t> values) override { sum_in_place(values, MPI_UINT32_T); }
  void sum(std::span<std::uint64_t> values) override { sum_in_place(values, MPI_UINT64_T); }
  void sum_inexact(std::span<float> values) override { sum_in_place(values, MPI_FLOAT); }
  void sum_inexact(std::span<double> values) override { sum_in_place(values, MPI_DOUBLE); }

  void broadcast(Bytes& bytes, int root) override {
    ensure(root >= 0 && root < size_, "broadcast from rank {} of a group of {}", root, size_);
    std::int64_t size = bytes.size();
    check_mpi(MPI_Bcast(&size, 1, MPI_INT64_T, root, group_), "MPI_Bcast");
    bytes.resize(size);
    broadcast_bytes(bytes, root);
  }

  std::vector<Bytes> gather_all(const Bytes& mine) override {
    const std::vector<std::int64_t> sizes = gather_sizes(mine.size());
    std::vector<Bytes> all(sizes.size());
    std::vector<int> counts(sizes.size()), starts(sizes.size());
    std::size_t total = 0;
    for (std::size_t r = 0; r < sizes.size(); ++r) total += sizes[r];
    if (total > mpi_piece) {  // every rank decides alike
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
    check_mpi(MPI_Allgatherv(mine.data(), mine.size(), MPI_BYTE, joined.data(), counts.data(), starts.data(), MPI_BYTE,
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
    check_mpi(MPI_Alltoall(sizes_out.data(), 1, MPI_INT64_T, sizes_in.data(), 1, MPI_INT64_T, group_), "MPI_Alltoall");

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
      in_mpi_pieces(in.size(), 1, [&](std::size_t first, int count) {
        check_mpi(MPI_Irecv(in.data() + first, count, MPI_BYTE, r, tag, group_, &requests.emplace_back()), "MPI_Irecv");
      });
    }
    for (int step = 1; step < size_; ++step) {
      const int r = (rank_ + step) % size_;  // the ranks do not all begin with the same one
      const Bytes& out = to_each[r];
      in_mpi_pieces(out.size(), 1, [&](std::size_t first, int count) {
        check_mpi(MPI_Isend(out.data() + first, count, MPI_BYTE, r, tag, group_, &requests.emplace_back()),
                  "MPI_Isend");
      });
    }
    check_mpi(MPI_Waitall(requests.size(), requests.data(), MPI_STATUSES_IGNORE), "MPI_Waitall");
    return from_each;
  }

  std::unique_ptr<Communicator> split(int color) override {
    ensure(color >= 0, "split with the negative color {}", color);
    MPI_Comm part = MPI_COMM_NULL;
    check_mpi(MPI_Comm_split(group_, color, rank_, &part), "MPI_Comm_split");
    return std::make_unique<MpiRanks>(part, local_rank_, ranks_per_node_);
  }

  std::unique_ptr<Mailbox> mailbox(std::span<const Endpoint> endpoints, std::int64_t capacity) override {
    return mpi_mailbox(group_, endpoints, capacity);
  }

  [[noreturn]] void abort(int exit_code) override {
    std::fflush(nullptr);
    MPI_Abort(MPI_COMM_WORLD, exit_code);
    std::_Exit(exit_code);
  }

 private:
  // The numbers on the machine are those of the whole program, so a node has the same ranks in every group.
  std::unique_ptr<Communicator> make_node() override {
    MPI_Comm machine = MPI_COMM_NULL, node = MPI_COMM_NULL;
    check_mpi(MPI_Comm_split_type(group_, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &machine), "MPI_Comm_split_type");
    check_mpi(MPI_Comm_split(machine, local_rank_ / ranks_per_node_, rank_, &node), "MPI_Comm_split");
    check_mpi(MPI_Comm_free(&machine), "MPI_Comm_free");
    return std::make_unique<MpiRanks>(node, local_rank_, ranks_per_node_);
  }

  template <class T>
  void sum_in_place(std::span<T> values, MPI_Datatype type) {
    in_mpi_pieces(values.size(), sizeof(T), [&](std::size_t first, int count) {
      check_mpi(MPI_Allreduce(MPI_IN_PLACE, values.data() + first, count, type, MPI_SUM, group_), "MPI_Allreduce");
    });
  }
  void broadcast_bytes(Bytes& bytes, int root) {
    in_mpi_pieces(bytes.size(), 1, [&](std::size_t first, int count) {
      check_mpi(MPI_Bcast(bytes.data() + first, count, MPI_BYTE, root, group_), "MPI_Bcast");
    });
  }
  std::vector<std::int64_t> gather_sizes(std::size_t mine) {
    const std::int64_t size = mine;
    std::vector<std::int64_t> sizes(size_);
    check_mpi(MPI_Allgather(&size, 1, MPI_INT64_T, sizes.data(), 1, MPI_INT64_T, group_), "MPI_Allgather");
    return sizes;
  }

  MPI_Comm group_;
  int rank_ = 0, size_ = 1, local_rank_, ranks_per_node_;
};

// Ranks that can share memory are on one machine.
int rank_on_machine(MPI_Comm world) {
  MPI_Comm machine = MPI_COMM_NULL;
  int rank = 0;
  check_mpi(MPI_Comm_split_type(world, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &machine), "MPI_Comm_split_type");
  check_mpi(MPI_Comm_rank(machine, &rank), "MPI_Comm_rank");
  check_mpi(MPI_Comm_free(&machine), "MPI_Comm_free");
  return rank;
}

constexpr const char* node_variable = "SHOAL_RANKS_PER_NODE";
constexpr int whole_machine = std::numeric_limits<int>::max();

// The number of ranks in a node that this rank's environment demands; 0 if it is no such number.
int demanded_ranks_per_node() {
  const char* text = std::getenv(node_variable);
  if (text == nullptr) return whole_machine;
  const std::string_view all(text);
  int ranks = 0;
  const auto [end, error] = std::from_chars(all.begin(), all.end(), ranks);
  return error == std::errc() && end == all.end() && ranks >= 1 ? ranks : 0;
}

// All ranks of `world` throw or none: the first number that is refused is seen by all of them.
int ranks_per_node(MPI_Comm world) {
  const int mine = demanded_ranks_per_node();
  int bounds[2] = {mine, -mine};  // the least, and the largest with its sign changed
  check_mpi(MPI_Allreduce(MPI_IN_PLACE, bounds, 2, MPI_INT, MPI_MIN, world), "MPI_Allreduce");
  if (bounds[0] < 1) {
    const char* text = std::getenv(node_variable);
    user_error("the environment variable {} is '{}'{}. Set it to a number of ranks from 1 up, or remove it.",
               node_variable, text == nullptr ? "" : text, mine < 1 ? "" : " here and no number of ranks elsewhere");
  }
  if (bounds[0] != -bounds[1]) {
    user_error("the environment variable {} differs between ranks. Set it to the same number for all.", node_variable);
  }
  return mine;
}

}  // namespace

MpiSession::MpiSession(int* argc, char*** argv) {
  int provided = MPI_THREAD_SINGLE;
  check_mpi(MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread");
  if (provided < MPI_THREAD_FUNNELED) {
    const int needed = MPI_THREAD_FUNNELED;
    system_error("MPI does not support threads beside the main one (its thread level is {}, {} is needed)", provided,
                 needed);
  }
  check_mpi(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
}

MpiSession::~MpiSession() {
  // MPI_Finalize waits for all ranks. A rank that an exception ends must not wait: the launcher then ends the others.
  int finalized = 0;
  MPI_Finalized(&finalized);
  if (!finalized && std::uncaught_exceptions() == 0) MPI_Finalize();
}

std::unique_ptr<Communicator> MpiSession::world() {
  MPI_Comm copy = MPI_COMM_NULL;
  check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, &copy), "MPI_Comm_dup");
  return std::make_unique<MpiRanks>(copy, rank_on_machine(copy), ranks_per_node(copy));
}

std::string MpiSession::library() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING] = "";
  int length = 0;
  check_mpi(MPI_Get_library_version(text, &length), "MPI_Get_library_version");
  const std::string all(text);  // some libraries write several lines
  return all.substr(0, all.find('\n'));
}

}  // namespace shoal
