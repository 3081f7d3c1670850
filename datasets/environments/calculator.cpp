// A tool-calling calculator: a problem of two to four operations, each of which one of four tools does; a fifth tool
// only reads the problem again and never fails. The agent sees which operation is next, not whether an earlier call
// spoiled the result. Answering ends the episode: +1 if every operation was done right, otherwise the published
// penalty, which punishes those less who called more tools (arXiv 2603.10165). Sparse, of unequal length.

#include "sim/agents/environment.hpp"
#include "sim/agents/group_advantage.hpp"

namespace shoal::environments {
namespace {

constexpr int tools = 4, read_again = 4, answer = 5;
constexpr int most_operations = 4;

// Places in EpisodeState::at; the operations are in front of them. `spoiled` holds 1 once a wrong tool was called.
constexpr std::size_t planned = most_operations, done = 5, spoiled = 6, calls = 7;

class Calculator final : public Environment {
 public:
  explicit Calculator(const Settings&) {}

  int observations() const override { return tools + 1; }
  int actions() const override { return tools + 2; }
  int horizon() const override { return 12; }

  EpisodeState start(RandomStream& random) const override {
    EpisodeState state;
    state.at[planned] = 2 + random.below(most_operations - 1);
    for (int i = 0; i < state.at[planned]; ++i) state.at[i] = random.below(tools);
    return state;
  }
  int observe(const EpisodeState& state) const override { return next(state); }

  StepResult step(EpisodeState& state, int action, bool last, RandomStream&) const override {
    const int wanted = next(state);
    const bool finished = wanted == tools;
    if (action == answer || last) {
      const bool right = action == answer && finished && state.at[spoiled] == 0;
      return {right ? 1.0 : -1.0, true, right ? 1.0 : wrong_answer_reward(state.at[calls]), right};
    }
    ++state.at[calls];
    if (action == read_again || finished) return {};
    if (action != wanted) state.at[spoiled] = 1;
    ++state.at[done];
    return {.progress = action == wanted && state.at[spoiled] == 0 ? 1.0 : -1.0};
  }

 private:
  // The tool that is wanted next; `tools` once all are done.
  static int next(const EpisodeState& state) {
    return state.at[done] < state.at[planned] ? state.at[state.at[done]] : tools;
  }
};

}  // namespace

std::unique_ptr<Environment> calculator(Settings& settings) { return std::make_unique<Calculator>(settings); }

}  // namespace shoal::environments
