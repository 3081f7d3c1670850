// The checks of every communicator over MPI, run under mpirun with 1, 2 and 4 ranks. With the argument "fail" the last
// rank throws, and the whole program must end with exit code 3.

#include <cstdio>
#include <cstring>
#include <exception>

#include "tests/ranks/communicator_checks.hpp"

int main(int argc, char** argv) {
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
