// A tool-calling calculator: a problem of two to four operations, each of which one of four tools does; a fifth tool
// only reads the problem again and never fails. The agent sees which operation is next, not whether an earlier call
// spoiled the result. Answering ends the episode: +1 if every operation was done right, otherwise the published
// penalty, which is smaller after more calls of tools (arXiv 2603.10165). The reward is sparse, and episodes differ in
// length.

#include "sim/agents/environment.hpp"
#include "sim/agents/group_advantage.hpp"

namespace shoal::environments {
namespace {

constexpr int tools = 4, read_again = 4, answer = 5;
constexpr int most_operations = 4;

struct Problem {
  std::array<int, most_operations> operations;  // the tool that does each of them
  int count;                                    // operations of the problem
  int done;                                     // operations that a tool was called for
  int spoiled;                                  // 1 once a wrong tool was called
  int calls;                                    // calls of tools, those that read the problem again included

  bool finished() const { return done == count; }
  // The tool that is needed next; `tools` once all operations are done.
  int wanted() const { return finished() ? tools : operations[done]; }
};

class Calculator final : public Environment {
 public:
  explicit Calculator(const Settings&) {}

  int observations() const override { return tools + 1; }
  int actions() const override { return tools + 2; }
  int horizon() const override { return 12; }

  EpisodeState start(RandomStream& random) const override {
    Problem problem{};
    problem.count = 2 + random.below(most_operations - 1);
    for (int i = 0; i < problem.count; ++i) problem.operations[i] = random.below(tools);
    EpisodeState state;
    state.set(problem);
    return state;
  }
  int observe(const EpisodeState& state) const override { return state.as<Problem>().wanted(); }

  StepResult step(EpisodeState& state, int action, bool last, RandomStream&) const override {
    Problem problem = state.as<Problem>();
    if (action == answer || last) {
      const bool right = action == answer && problem.finished() && problem.spoiled == 0;
      return {.progress = right ? 1.0 : -1.0,
              .done = true,
              .outcome = right ? 1.0 : wrong_answer_reward(problem.calls),
              .success = right};
    }
    ++problem.calls;
    StepResult result;
    if (action != read_again && !problem.finished()) {
      if (action != problem.wanted()) problem.spoiled = 1;
      ++problem.done;
      result.progress = problem.spoiled == 0 ? 1 : -1;
    }
    state.set(problem);
    return result;
  }
};

}  // namespace

std::unique_ptr<Environment> calculator(Settings& settings) { return std::make_unique<Calculator>(settings); }

}  // namespace shoal::environments
