#include "sim/agents/rule_replicate.hpp"

#include "sim/task/adam.hpp"

namespace shoal {
namespace {

using namespace rule_world;

constexpr int most_turns = 8, tool_turns = 2, in_a_row = 3;
constexpr double tool_success = 0.95;

// theta of user 0, 1, 2, the shared ones and those of turns with tools.
constexpr std::size_t shared_at = users * vocabulary, tool_at = shared_at + vocabulary, size = tool_at + vocabulary;
constexpr int tools = -1;  // in place of a user

struct Policy {
  std::array<double, size> theta{};

  Logits logits(int user, double shared) const {
    Logits z = base();
    const std::size_t own = user == tools ? tool_at : static_cast<std::size_t>(user) * vocabulary;
    for (std::size_t v = 0; v < vocabulary; ++v) {
      z[v] += theta[own + v];
      if (user != tools) z[v] += shared * theta[shared_at + v];
    }
    return z;
  }
};

// A judged reply on its way to the trainer.
struct Turn {
  int user = tools;
  Reply reply;
  Logits context{};  // added to the logits
  Logits hint{};     // added to the teacher's
  Signals signals;
  Logits rolled;  // log-probabilities of the policy that served
};

void add(Logits& z, const Logits& other) {
  for (std::size_t v = 0; v < z.size(); ++v) z[v] += other[v];
}

Reply draw_reply(const Logits& log_p, RandomStream& random) {
  std::array<double, vocabulary> bound;
  double sum = 0;
  for (std::size_t v = 0; v < vocabulary; ++v) bound[v] = sum += std::exp(log_p[v]);
  Reply reply;
  for (int i = 0; i < longest_reply; ++i) {
    const double at = static_cast<double>(random.bits()) * 0x1p-32 * sum;
    std::size_t token = 0;
    while (token + 1 < vocabulary && at >= bound[token]) ++token;
    ++reply.counts[token];
    if (token == end_token) break;
  }
  return reply;
}

class Replicate {
 public:
  Replicate(const RuleStudySettings& settings, const Objective& objective, const Judge& judge, std::uint64_t seed,
            std::int64_t replicate)
      : settings_(settings),
        objective_(objective),
        judge_(judge),
        world_(random_key(seed, Purpose::agent_world), replicate),
        judging_(random_key(seed, Purpose::agent_judge), replicate) {}

  RuleStudyOutcome run() {
    measure(0);
    outcome_.sessions.fill(static_cast<double>(settings_.sessions));
    outcome_.censored.fill(1);
    std::array<int, users> order{0, 1, 2};
    std::int64_t longest = 0;
    if (settings_.joint) {
      for (longest = 1; longest <= settings_.sessions && !done(); ++longest) {
        shuffle(std::span<int>(order), world_);
        for (const int user : order) session(user, longest);
      }
      --longest;
    } else {
      shuffle(std::span<int>(order), world_);
      for (const int user : order) {
        if (settings_.fresh) start_afresh();
        std::int64_t i = 1;
        for (; i <= settings_.sessions && outcome_.censored[static_cast<std::size_t>(user)] > 0; ++i) session(user, i);
        longest = std::max(longest, i - 1);
      }
    }
    outcome_.updates_per_session = static_cast<double>(updates_) / static_cast<double>(longest);
    for (double* count : {&outcome_.judged, &outcome_.voted, &outcome_.hinted, &outcome_.taken, &outcome_.dropped})
      *count /= static_cast<double>(sessions_);
    return outcome_;
  }

 private:
  bool done() const {
    if (settings_.updates > 0) return updates_ >= settings_.updates;
    return outcome_.censored[0] + outcome_.censored[1] + outcome_.censored[2] == 0;
  }

  void start_afresh() {
    serving_ = trained_ = Policy{};
    adam_ = SpanAdam(size);
    batch_.clear();
    places_ = 0;
  }

  void session(int user, std::int64_t index) {
    const Rule rule{user};
    ++sessions_;
    Turn turn{.user = user};
    const auto u = static_cast<std::size_t>(user);
    if (settings_.memory && named_[u]) turn.context = rule_vector(rule);
    bool satisfied = false, first = false;
    for (int i = 0; i < most_turns && !satisfied; ++i) {
      Logits z = serving_.logits(user, settings_.shared);
      add(z, turn.context);
      turn.rolled = log_softmax(z);
      turn.reply = draw_reply(turn.rolled, world_);
      satisfied = satisfies(rule, turn.reply);
      if (i == 0) first = satisfied;
      const bool directive = !satisfied && world_.uniform() < settings_.directive;
      if (directive) named_[u] = true;
      const NextState shows = satisfied ? NextState::moved_on : directive ? NextState::corrected : NextState::repeated;
      const Evidence evidence{.reward = satisfied ? 1.0 : -1.0, .directive = directive, .shows = shows};
      collect(turn, judge_.judge(evidence, judging_));
      turn.context = satisfied ? turn.context : rule_vector(rule);  // a correction is followed from now on
    }
    for (int i = 0; i < tool_turns; ++i) {
      Turn tool;
      tool.rolled = log_softmax(serving_.logits(tools, settings_.shared));
      tool.reply = draw_reply(tool.rolled, world_);
      const double reward = world_.uniform() < tool_success ? 1 : -1;
      const NextState shows = reward > 0 ? NextState::tool_ok : NextState::tool_error;
      collect(tool, judge_.judge({.reward = reward, .tool = true, .shows = shows}, judging_));
    }
    streak_[u] = first ? streak_[u] + 1 : 0;
    if (streak_[u] == in_a_row && outcome_.censored[u] > 0 && index <= settings_.sessions) {
      outcome_.sessions[u] = static_cast<double>(index);
      outcome_.censored[u] = 0;
    }
  }

  Logits hint_vector(int user, Hint hint) {
    Logits z{};
    if (hint == Hint::right) return rule_vector(Rule{user});
    if (hint == Hint::another_rule) return rule_vector(Rule{(user + 1 + static_cast<int>(world_.below(2))) % users});
    if (hint == Hint::irrelevant) z[content_token + world_.below(vocabulary - content_token)] = 3;
    if (hint == Hint::opposite) {
      z = rule_vector(Rule{user});
      for (double& x : z) x = -x;
    }
    return z;
  }

  void collect(Turn turn, const Judgement& judgement) {
    turn.signals = {.reward = judgement.reward, .hints = judgement.hint == Hint::none ? 0 : 1};
    ++outcome_.judged;
    if (turn.signals.reward != 0) ++outcome_.voted;
    if (turn.signals.hints > 0) ++outcome_.hinted;
    const bool taken = objective_.takes(turn.signals);
    ++(taken ? outcome_.taken : outcome_.dropped);
    if (taken) {
      turn.hint = hint_vector(turn.user, judgement.hint);
      const bool in_context = std::ranges::any_of(turn.context, [](double x) { return x != 0; });
      if (in_context && !settings_.stack_hints) turn.hint = {};
      batch_.push_back(turn);
    }
    if (taken || settings_.count_turns) ++places_;
    if (places_ < settings_.batch) return;
    serving_ = trained_;
    update();
    batch_.clear();
    places_ = 0;
  }

  void update() {
    std::array<double, size> gradient{};
    for (const Turn& turn : batch_) add_gradient(turn, gradient);
    for (double& g : gradient) g /= static_cast<double>(places_);
    adam_.apply(trained_.theta, gradient, settings_.rate);
    ++updates_;
    measure(static_cast<std::size_t>(updates_));
  }

  void add_gradient(const Turn& turn, std::array<double, size>& gradient) const {
    Logits z = trained_.logits(turn.user, settings_.shared);
    add(z, turn.context);
    const Logits current = log_softmax(z);
    if (!settings_.live_teacher) {
      z = base();
      add(z, turn.context);
    }
    add(z, turn.hint);
    const Logits teacher = log_softmax(z);

    std::array<Position, vocabulary> positions;
    std::array<const double*, vocabulary> teachers;
    std::size_t n = 0;
    for (std::size_t v = 0; v < vocabulary; ++v) {
      if (turn.reply.counts[v] == 0) continue;
      positions[n] = {.token = static_cast<int>(v),
                      .count = static_cast<double>(turn.reply.counts[v]),
                      .current = current.data(),
                      .old = settings_.rolled_old ? turn.rolled.data() : current.data(),
                      .rolled = turn.rolled[v]};
      teachers[n++] = teacher.data();
    }
    const std::span<const double* const> asked(teachers.data(), n);
    Sample sample{.signals = turn.signals, .vocabulary = vocabulary, .positions = std::span(positions.data(), n)};
    if (turn.signals.hints > 0) {
      sample.teachers = asked;
    } else if (settings_.kl_to_teacher) {
      sample.teacher_without_hint = asked;
    }
    std::array<double, vocabulary * vocabulary> slopes{};
    objective_.loss(sample, RowView<double>(slopes.data(), static_cast<std::int64_t>(n), vocabulary));
    // All positions have the same logits, so their derivatives add up; then through the softmax.
    Logits by_logit{};
    for (std::size_t i = 0; i < n * vocabulary; ++i) by_logit[i % vocabulary] += slopes[i];
    softmax_backward(current, by_logit);
    const std::size_t own = turn.user == tools ? tool_at : static_cast<std::size_t>(turn.user) * vocabulary;
    for (std::size_t v = 0; v < vocabulary; ++v) {
      gradient[own + v] += by_logit[v];
      if (turn.user != tools) gradient[shared_at + v] += settings_.shared * by_logit[v];
    }
  }

  // The policy after so many updates; what is known last goes on.
  void measure(std::size_t updates) {
    if (updates >= outcome_.rule_rate.size()) return;
    double rate = 0, kl = 0;
    for (int user = 0; user < users; ++user) {
      const Logits log_p = log_softmax(trained_.logits(user, settings_.shared));
      rate += compliance(Rule{user}, log_p);
      for (std::size_t v = 0; v < vocabulary; ++v) kl += std::exp(log_p[v]) * (log_p[v] - base()[v]);
    }
    for (std::size_t u = updates; u < outcome_.rule_rate.size(); ++u) {
      outcome_.rule_rate[u] = rate / users;
      outcome_.kl[u] = kl / users;
    }
  }

  const RuleStudySettings& settings_;
  const Objective& objective_;
  const Judge& judge_;
  RandomStream world_, judging_;
  Policy serving_, trained_;
  SpanAdam adam_{size};
  std::vector<Turn> batch_;
  std::int64_t places_ = 0;  // of the batch that are filled
  std::array<int, users> streak_{};
  std::array<bool, users> named_{};  // users who have said what they want
  std::int64_t updates_ = 0, sessions_ = 0;
  RuleStudyOutcome outcome_;
};

}  // namespace

RuleStudyOutcome rule_replicate(const RuleStudySettings& settings, const Objective& objective, const Judge& judge,
                                std::uint64_t seed, std::int64_t replicate) {
  return Replicate(settings, objective, judge, seed, replicate).run();
}

}  // namespace shoal
