// A terminal: each stage of a job needs one command out of eight; any other command fails with an exit code and a
// message, and one time in four undoes the previous stage. The outcome is 2 x (share of stages done) - 1 after at most
// ten commands, or one per stage if there are more stages. The reward is dense.

#include "sim/agents/environment.hpp"

namespace shoal::environments {
namespace {

struct Job {
  int stage;   // stages done
  int failed;  // 1 if the last command failed
};

class Terminal final : public Environment {
 public:
  explicit Terminal(const Settings& s)
      : stages_(s.integer("stages", 6, "stages of the job", between(1, 50))),
        undo_(s.number("undo", 0.25, "probability that a wrong command undoes a stage", between(0, 1))) {}

  int observations() const override { return 2 * stages_; }
  int actions() const override { return 8; }
  int horizon() const override { return std::max(10, stages_); }
  EpisodeState start(RandomStream&) const override { return {}; }
  int observe(const EpisodeState& state) const override {
    const Job job = state.as<Job>();
    return 2 * job.stage + job.failed;
  }

  StepResult step(EpisodeState& state, int action, bool last, RandomStream& random) const override {
    Job job = state.as<Job>();
    StepResult result;
    job.failed = action == (3 * job.stage + 1) % actions() ? 0 : 1;
    if (job.failed == 0) {
      ++job.stage;
      result.progress = 1;
    } else if (job.stage > 0 && random.uniform() < undo_) {
      --job.stage;
    }
    state.set(job);
    result.success = job.stage == stages_;
    result.done = result.success || last;
    result.outcome = 2.0 * job.stage / stages_ - 1;
    return result;
  }

 private:
  int stages_;
  double undo_;
};

}  // namespace

std::unique_ptr<Environment> terminal(Settings& settings) { return std::make_unique<Terminal>(settings); }

}  // namespace shoal::environments
