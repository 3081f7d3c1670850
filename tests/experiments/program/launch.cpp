// The launcher that a process believes in, and when that contradicts MPI or the user.

#include "experiments/program/launch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "experiments/program/run/starter.hpp"
#include "sim/error.hpp"

namespace shoal {
namespace {

using testing::HasSubstr;
using Variables = std::map<std::string, std::string>;

Launch launch_with(const Variables& variables) {
  return find_launch([&](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

// The error's text; empty if there is none.
std::string refusal(const Variables& variables, int asked, int world_size, int world_rank = 0) {
  try {
    const Launch launch = launch_with(variables);
    check_launch(launch);
    check_world(launch, asked, world_size, world_rank);
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

TEST(Launch, NeedsALauncher) {
  EXPECT_FALSE(launch_with({}).has_mpi);
  // An allocation is no step, and its number of tasks decides nothing.
  EXPECT_FALSE(launch_with({{"SLURM_NTASKS", "8"}, {"SLURM_JOB_ID", "3"}}).has_mpi);
  EXPECT_EQ(refusal({{"SLURM_NTASKS", "8"}, {"SLURM_JOB_ID", "3"}}, 0, 1), "");
  EXPECT_EQ(refusal({{"SLURM_NTASKS", "8"}, {"SLURM_STEP_NUM_TASKS", "8"}}, 0, 1), "");
  // A shell that srun started as one task.
  EXPECT_FALSE(launch_with({{"SLURM_STEP_ID", "0"}, {"SLURM_STEP_NUM_TASKS", "1"}}).has_mpi);
}

TEST(Launch, AgreesWithTheWorld) {
  EXPECT_EQ(refusal({{"OMPI_COMM_WORLD_SIZE", "2"}, {"OMPI_COMM_WORLD_RANK", "1"}, {"PMIX_RANK", "1"}}, 2, 2, 1), "");
  EXPECT_EQ(refusal({{"PMI_SIZE", "3"}, {"PMI_RANK", "0"}}, 0, 3), "");
  EXPECT_EQ(refusal({{"PMIX_RANK", "3"}, {"SLURM_STEP_ID", "0"}, {"SLURM_STEP_NUM_TASKS", "4"}}, 0, 4, 3), "");
  EXPECT_EQ(refusal({{"PMIX_RANK", "0"}}, 0, 1), "");
  EXPECT_EQ(refusal({{"PMIX_RANK", "0"}}, 1, 1), "");
  // mpirun inside a step of one task: mpirun's number counts.
  EXPECT_EQ(refusal({{"OMPI_COMM_WORLD_SIZE", "4"}, {"SLURM_STEP_ID", "0"}, {"SLURM_STEP_NUM_TASKS", "1"}}, 4, 4), "");
}

TEST(Launch, SmallerWorldThanAskedFor) {
  EXPECT_THAT(refusal({{"PMIX_RANK", "0"}}, 2, 1), HasSubstr("env -u PMIX_RANK shoal run FILE --ranks 2"));
  EXPECT_THAT(refusal({{"PMI_RANK", "0"}}, 3, 1), HasSubstr("env -u PMI_RANK"));
  EXPECT_THAT(refusal({{"OMPI_COMM_WORLD_SIZE", "2"}}, 3, 2), HasSubstr("mpirun -n 3 shoal run FILE"));
}

TEST(Launch, LargerWorldThanAskedFor) {
  EXPECT_THAT(refusal({{"OMPI_COMM_WORLD_SIZE", "3"}}, 2, 3), HasSubstr("the launcher started 3 ranks"));
  EXPECT_THAT(refusal({{"OMPI_COMM_WORLD_SIZE", "3"}}, 1, 3), HasSubstr("or leave out --ranks"));
  EXPECT_THAT(refusal({{"PMI_SIZE", "8"}, {"PMI_RANK", "5"}}, 4, 8, 5), HasSubstr("--ranks 4"));
}

TEST(Launch, WorldThatTheVariablesContradict) {
  EXPECT_THAT(refusal({{"OMPI_COMM_WORLD_SIZE", "4"}}, 0, 1), HasSubstr("OMPI_COMM_WORLD_SIZE says that 4 ranks"));
  EXPECT_THAT(refusal({{"OMPI_COMM_WORLD_SIZE", "1"}}, 0, 4), HasSubstr("MPI finds 4"));
  EXPECT_THAT(refusal({{"PMI_SIZE", "4"}}, 4, 1), HasSubstr("srun --mpi=pmix"));
  EXPECT_THAT(refusal({{"PMIX_RANK", "0"}, {"SLURM_STEP_ID", "2"}, {"SLURM_STEP_NUM_TASKS", "4"}}, 0, 1),
              HasSubstr("says that 4 ranks were started, and MPI finds 1"));
  EXPECT_THAT(refusal({{"PMIX_RANK", "3"}}, 0, 1), HasSubstr("rank 3, and MPI finds rank 0 of 1"));
  EXPECT_THAT(refusal({{"PMI_RANK", "1"}}, 0, 4, 0), HasSubstr("env -u PMI_RANK"));
}

TEST(Launch, SrunWithoutPmi) {
  for (const char* tasks : {"2", "4", "100"}) {
    const Variables variables{{"SLURM_STEP_ID", "0"}, {"SLURM_STEP_NUM_TASKS", tasks}, {"SLURM_PROCID", "1"}};
    for (const int asked : {0, 1, 2}) {
      EXPECT_THAT(refusal(variables, asked, 1), HasSubstr(std::string("srun started ") + tasks + " tasks without PMI"));
    }
    EXPECT_EQ(launch_with(variables).rank, 1);
  }
}

TEST(Launch, CommandLineThatAShellReads) {
  EXPECT_EQ(command_line({"run", "a.toml", "--set", "rounds=3"}, "--resume"),
            "shoal run a.toml --set rounds=3 --resume");
  EXPECT_EQ(command_line({"run", "a b.toml"}, ""), "shoal run 'a b.toml'");
  EXPECT_EQ(command_line({"run", "it's", "grid.seed=[1]", ""}, ""), "shoal run 'it'\\''s' 'grid.seed=[1]' ''");
}

TEST(Launch, FarMoreRanksThanCores) {
  EXPECT_EQ(most_ranks(1), 64);
  EXPECT_EQ(most_ranks(2), 64);
  EXPECT_EQ(most_ranks(128), 2048);
}

}  // namespace
}  // namespace shoal
