// The checks of every communicator over MPI, run under mpirun with 1, 2 and 4 ranks. With the argument "fail" the last
// rank throws, and the whole program must end with exit code 3.

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>

#include "tests/ranks/communicator_checks.hpp"

namespace {

// On one machine: the whole of it is a node, unless the environment cuts it into smaller ones.
void check_nodes(shoal::MpiSession& session) {
  constexpr const char* variable = "SHOAL_RANKS_PER_NODE";
  for (const int ranks : {1, 2, 3}) {
    setenv(variable, std::to_string(ranks).c_str(), 1);
    const auto world = session.world();
    shoal::check_node(*world, ranks);
    shoal::check_node(*world->split(world->rank() % 2), ranks);
  }
  const int rank = session.world()->rank(), size = session.world()->size();
  const auto refuse = [&](const char* text, std::string_view fact) {
    setenv(variable, text, 1);
    try {
      session.world();
    } catch (const shoal::UserError& error) {
      shoal::ensure(std::string_view(error.what()).find(fact) != std::string_view::npos, "'{}'", error.what());
      return;
    }
    shoal::ensure(false, "{}={} is accepted", variable, text);
  };
  for (const char* text : {"", "0", "-2", "two", "2.5", "2 ", "99999999999"}) {
    refuse(text, "variable SHOAL_RANKS_PER_NODE is '" + std::string(text) + "'. Set it to a number");
  }
  if (size > 1) {
    refuse(rank == 0 ? "2" : "3", "differs between ranks");
    refuse(rank == 0 ? "2" : "0", rank == 0 ? "is '2' here and no number of ranks elsewhere" : "is '0'. Set");
  }
  unsetenv(variable);
}

}  // namespace

int main(int argc, char** argv) {
  unsetenv("SHOAL_RANKS_PER_NODE");
  shoal::MpiSession session(&argc, &argv);
  const auto world = session.world();
  try {
    shoal::ensure(!shoal::MpiSession::library().empty(), "the MPI library has no name");
    const auto alone = shoal::single_rank();
    shoal::check_communicator(*alone);
    shoal::check_communicator(*world);
    if (const int gpus = shoal::gpu_count(); gpus > 0) {
      shoal::use_device(world->local_rank() % gpus);
      shoal::connect_devices(*world);  // NCCL where every rank has a GPU of its own
      shoal::check_device_collectives(*world);
    }
    check_nodes(session);
    const auto second = session.world();
    shoal::check_sum(*second, 10);
    if (argc > 1 && std::strcmp(argv[1], "fail") == 0) {
      if (world->rank() == world->size() - 1) throw shoal::SystemError("failing on purpose");
      world->barrier();  // never completes
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "rank %d: %s\n", world->rank(), error.what());
    world->abort(3);
  }
  if (world->rank() == 0) std::printf("%d ranks agree (%s)\n", world->size(), shoal::MpiSession::library().c_str());
  return 0;
}
