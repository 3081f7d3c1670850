// The checks of every group's mailboxes over MPI, run under mpirun with 1, 2 and 4 ranks.

#include <cstdio>
#include <exception>

#include "tests/ranks/mailbox_checks.hpp"

int main(int argc, char** argv) {
  shoal::MpiSession session(&argc, &argv);
  const auto world = session.world();
  try {
    shoal::check_mailboxes(*world);
    shoal::check_mailboxes(*world->split(world->rank() / 2));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "rank %d: %s\n", world->rank(), error.what());
    world->abort(3);
  }
  return 0;
}
