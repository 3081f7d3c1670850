#include <gtest/gtest.h>
#include <sys/mman.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "tests/ranks/communicator_checks.hpp"

namespace {

using namespace shoal;

template <class Act>
std::string error_of(const Act& act) {
  try {
    act();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "(no error)";
}

TEST(SingleRank, DoesWhatEveryCommunicatorDoes) { check_communicator(*single_rank()); }

TEST(Threads, DoWhatEveryCommunicatorDoes) {
  for (const int ranks : {1, 2, 3, 5, 8}) {
    std::atomic<int> bodies = 0;
    run_on_threads(ranks, [&](Communicator& comm) {
      EXPECT_EQ(comm.size(), ranks);
      check_communicator(comm);
      ++bodies;
    });
    EXPECT_EQ(bodies, ranks);
  }
}

TEST(Threads, ShareNodes) {
  for (const int ranks : {1, 2, 5, 8}) {
    for (const int per_node : {1, 2, 3, 8}) {
      run_on_threads(ranks, per_node, [&](Communicator& comm) {
        check_node(comm, per_node);
        check_node(*comm.split(comm.rank() / 3), per_node);
      });
    }
  }
}

TEST(Threads, FailureOfTheMakerReleasesItsNode) {
  EXPECT_EQ(error_of([] {
              run_on_threads(4, 2, [](Communicator& comm) {
                hold_on_node(comm, [&](const WriteBytes&) {
                  if (comm.rank() == 2) throw UserError("the cause");
                });
                comm.barrier();
              });
            }),
            "the cause");
}

TEST(NodeBytes, OutliveTheGroupAndCannotBeChanged) {
  NodeBytes bytes;
  run_on_threads(3, [&](Communicator& comm) {
    const Bytes content = labelled(1, 2, 5000);
    const NodeBytes mine = hold_on_node(comm, [&](const WriteBytes& write) { write(content); });
    if (comm.rank() == 1) bytes = mine;
  });
  EXPECT_TRUE(std::ranges::equal(bytes.all(), labelled(1, 2, 5000)));
  EXPECT_NE(mprotect(const_cast<std::byte*>(bytes.begin.get()), bytes.size, PROT_READ | PROT_WRITE), 0);
}

TEST(Threads, RepeatsInexactSums) {
  const auto total = [] {
    float result = 0;
    run_on_threads(5, [&](Communicator& comm) {
      std::vector<float> value = {0.1f + 1e7f * (comm.rank() % 2)};
      comm.sum_inexact(value);
      if (comm.rank() == 0) result = value[0];
    });
    return result;
  };
  const float first = total();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(total(), first);
}

TEST(Threads, FailingRankReleasesTheOthers) {
  for (const int ranks : {1, 2, 3, 5, 8}) {
    const auto begin = std::chrono::steady_clock::now();
    std::atomic<int> released = 0;
    const std::string error = error_of([&] {
      run_on_threads(ranks, [&](Communicator& comm) {
        comm.barrier();
        if (comm.rank() == ranks - 1) {
          std::this_thread::sleep_for(std::chrono::milliseconds(20));  // the others wait by now
          throw UserError("the cause");
        }
        try {
          comm.barrier();
        } catch (const BrokenInvariant&) {
          ++released;
          std::vector<std::int64_t> one = {1};
          comm.sum(one);  // throws as well: the group stays broken
        }
        ADD_FAILURE() << "a collective of a broken group returned";
      });
    });
    EXPECT_EQ(error, "the cause");
    EXPECT_EQ(released, ranks - 1);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1));
  }
}

TEST(Threads, FailureInASubgroupReleasesAllRanks) {
  EXPECT_EQ(error_of([] {
              run_on_threads(5, [](Communicator& comm) {
                const auto part = comm.split(comm.rank() % 2);
                if (comm.rank() == 3) throw UserError("the cause");
                // Rank 1 waits in the failing part; ranks 0, 2 and 4 wait in the other one, then in the whole group.
                for (int i = 0; i < 3; ++i) part->barrier();
                comm.barrier();
              });
            }),
            "the cause");
}

TEST(Threads, FirstErrorWins) {
  EXPECT_EQ(error_of([] {
              run_on_threads(3, [](Communicator& comm) {
                std::this_thread::sleep_for(std::chrono::milliseconds(100 * (2 - comm.rank())));
                throw UserError("rank " + std::to_string(comm.rank()));
              });
            }),
            "rank 2");
}

TEST(Threads, SwallowedReleaseStillReportsTheCause) {
  EXPECT_EQ(error_of([] {
              run_on_threads(2, [](Communicator& comm) {
                if (comm.rank() == 0) throw UserError("the cause");
                try {
                  comm.barrier();
                } catch (const std::exception&) {
                }
              });
            }),
            "the cause");
}

TEST(Threads, AbortEndsTheGroup) {
  EXPECT_EQ(error_of([] {
              run_on_threads(3, [](Communicator& comm) {
                if (comm.rank() == 1) comm.abort(2);
                comm.barrier();
              });
            }),
            "rank 1 aborted (2)");
}

TEST(Threads, ThrowsOnMismatchedCollectives) {
  const auto error = [](const std::function<void(Communicator&)>& body) {
    return error_of([&] { run_on_threads(3, body); });
  };
  EXPECT_EQ(error([](Communicator& comm) {
              std::vector<std::int64_t> values(comm.rank() == 2 ? 5 : 1000, 1);
              comm.sum(values);
            }),
            "rank 0 calls sum with 1000 while rank 2 calls it with 5");
  EXPECT_EQ(error([](Communicator& comm) {
              std::vector<std::uint32_t> narrow(4);
              std::vector<std::uint64_t> wide(4);
              if (comm.rank() == 0) return comm.sum(std::span(narrow));
              comm.sum(std::span(wide));
            }),
            "rank 0 calls sum of 32-bit words while rank 1 calls sum of 64-bit words");
  EXPECT_EQ(error([](Communicator& comm) {
              std::vector<double> values(comm.rank() == 1 ? 5 : 4, 1);
              comm.sum_inexact(values);
            }),
            "rank 0 calls sum_inexact of doubles with 4 while rank 1 calls it with 5");
  EXPECT_EQ(error([](Communicator& comm) {
              Bytes bytes(3);
              comm.broadcast(bytes, comm.rank() == 1 ? 1 : 0);
            }),
            "rank 0 calls broadcast with 0 while rank 1 calls it with 1");
  EXPECT_EQ(error([](Communicator& comm) {
              if (comm.rank() == 0) return comm.barrier();
              comm.gather_all({});
            }),
            "rank 0 calls barrier while rank 1 calls gather_all");
  EXPECT_EQ(error([](Communicator& comm) { comm.exchange({Bytes{}}); }), "exchange of 1 messages in a group of 3");
}

TEST(Threads, ReportsARankThatReturnsEarly) {
  EXPECT_EQ(error_of([] {
              run_on_threads(3, [](Communicator& comm) {
                if (comm.rank() != 1) comm.barrier();
              });
            }),
            "rank 1 has returned while others wait for it in a collective");
}

TEST(Threads, RefusesAGroupWithoutRanks) {
  EXPECT_EQ(error_of([] { run_on_threads(0, [](Communicator&) {}); }), "a group of 0 ranks");
  EXPECT_EQ(error_of([] { run_on_threads(2, 0, [](Communicator&) {}); }), "nodes of 0 ranks");
}

}  // namespace
