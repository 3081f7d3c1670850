#pragma once
// The table of pairs: which kinds of parts go together, and which parts do otherwise than their kinds.

#include <array>
#include <string_view>

namespace shoal::test {

enum class Fit { works, refused, meaningless };

/// Kinds of parts that go together with others alike.
enum class Side {
  server,   // a round with a server
  peers,    // nodes without a server
  clients,  // their number and devices
  data,     // supervised learning from examples
  agents,   // learning from use
  study,    // small worlds repeated many times
};

struct KindOfPart {
  std::string_view kind;
  Side side;
};

/// Every kind but the task, which the others are parts of.
constexpr auto kinds = std::to_array<KindOfPart>({
    {"strategy", Side::server},
    {"stage", Side::server},
    {"codec", Side::server},
    {"aggregator", Side::server},
    {"rule", Side::server},
    {"attack", Side::server},
    {"planner", Side::server},
    {"topology", Side::peers},
    {"peer strategy", Side::peers},
    {"form of availability", Side::clients},
    {"form of devices", Side::clients},
    {"model", Side::data},
    {"data source", Side::data},
    {"partition", Side::data},
    {"transform", Side::data},
    {"objective", Side::agents},
    {"judge", Side::agents},
    {"policy", Side::agents},
    {"environment", Side::study},
});

struct PairOfSides {
  Side one, other;
  Fit fit;
  std::string_view why;  // a part of the refusal, or the reason why no experiment has both
  bool cheap = true;     // tried by the test of pairs; others need data or agents and are tried by the conformance test
};

constexpr auto sides = std::to_array<PairOfSides>({
    {Side::server, Side::server, Fit::works, ""},
    {Side::server, Side::peers, Fit::refused, "topology"},
    {Side::server, Side::clients, Fit::works, ""},
    {Side::server, Side::data, Fit::works, "", false},
    {Side::server, Side::agents, Fit::works, "", false},
    {Side::server, Side::study, Fit::meaningless, "a study has no rounds"},
    {Side::peers, Side::peers, Fit::works, ""},
    {Side::peers, Side::clients, Fit::works, ""},
    {Side::peers, Side::data, Fit::works, "", false},
    {Side::peers, Side::agents, Fit::works, "", false},
    {Side::peers, Side::study, Fit::meaningless, "a study has no rounds"},
    {Side::clients, Side::clients, Fit::works, ""},
    {Side::clients, Side::data, Fit::works, "", false},
    {Side::clients, Side::agents, Fit::works, "", false},
    {Side::clients, Side::study, Fit::meaningless, "a study has no clients"},
    {Side::data, Side::data, Fit::works, "", false},
    {Side::data, Side::agents, Fit::meaningless, "agents learn from use, not from examples"},
    {Side::data, Side::study, Fit::meaningless, "a study has no examples"},
    {Side::agents, Side::agents, Fit::works, "", false},
    {Side::agents, Side::study, Fit::works, "", false},
    {Side::study, Side::study, Fit::meaningless, "a study has one environment"},
});

/// A pair that is refused although its kinds go together. A new part says it in its own file, `// Refused with`
/// (sim/parts.cmake); these are of parts that were there before. Each is the name of a part, with its kind where others
/// have that name, "kind: ..." for all parts of a kind, or "all".
struct PairOfParts {
  std::string_view one, other;
  std::string_view refusal;  // a part of the message
};

constexpr auto refused_pairs = std::to_array<PairOfParts>({
    {"aggregator median", "kind: rule", "does not give them"},
    {"aggregator median", "alie", "does not give them"},
    {"exact_sum", "kind: rule", "does not give them"},
    {"exact_sum", "alie", "does not give them"},
    {"float_sum", "kind: rule", "does not give them"},
    {"float_sum", "alie", "does not give them"},
    {"strategy fed_async", "aggregator median", "gives no mean"},
    {"fed_nova", "aggregator median", "gives no mean"},
    {"adaptive_clip", "aggregator median", "gives no mean"},
    {"gaussian", "kind: rule", "which rules do not give"},
    {"gaussian", "aggregator median", "which [aggregator] does not give"},
    {"aggregator median", "count_sketch", "can only decode their sum"},
    {"kept_rows", "count_sketch", "can only decode their sum"},
    {"kind: rule", "count_sketch", "can only decode their sum"},
    {"alie", "count_sketch", "can only decode their sum"},
    {"quantize", "top_k", "chooses among plain values"},
    {"top_k", "top_k", "chooses among plain values"},
    {"gaussian", "count_sketch", "after a stage has bounded their norms"},
    {"gaussian", "quantize", "after a stage has bounded their norms"},
    {"gaussian", "top_k", "after a stage has bounded their norms"},
    {"gaussian", "afl", "by what they report"},
    {"gaussian", "strategy fed_async", "not to the channel 'share'"},
    {"gaussian", "fed_nova", "not to the channel 'effective_steps'"},
    {"gaussian", "adaptive_clip", "not to the channel 'stage/1/adaptive_clip/within_bound'"},
    {"gaussian", "deadline", "does not say how many clients it expects"},
    {"gaussian", "planner fed_async", "does not say how many clients it expects"},
    {"gaussian", "fed_buff", "does not say how many clients it expects"},
    {"gaussian", "oort", "does not say how many clients it expects"},
    {"gaussian", "over_selection", "does not say how many clients it expects"},
    {"gaussian", "periodic", "does not say how many clients it expects"},
    {"gaussian", "power_of_choice", "does not say how many clients it expects"},
    {"gaussian", "refl", "does not say how many clients it expects"},
    {"gaussian", "stragglers", "does not say how many clients it expects"},
    {"gaussian", "tifl", "does not say how many clients it expects"},
    {"fed_amp", "gaussian", "uses more of them than that"},
    {"fed_amp", "count_sketch", "can only decode their sum"},
    {"fed_amp", "exact_sum", "does not give them"},
    {"fed_amp", "float_sum", "does not give them"},
    {"fed_amp", "aggregator median", "does not give them"},
    {"fed_amp", "kind: rule", "updates of single clients"},
    {"fed_law", "count_sketch", "can only decode their sum"},
    {"fed_law", "kind: rule", "updates of single clients"},
    {"fed_proto", "gaussian", "not to the channel 'prototypes'"},
    {"fed_proto", "aggregator median", "gives no mean"},
    {"ifca", "adaptive_clip", "sends tensors to the clients of each group"},
    {"ifca", "aggregator median", "does not keep their updates apart"},
    {"mime", "gaussian", "uses more of them than that"},
    {"mime", "aggregator median", "a first exchange"},
    {"mime", "cyclic", "does not wait for all of them"},
    {"mime", "deadline", "does not wait for all of them"},
    {"mime", "planner fed_async", "does not wait for all of them"},
    {"mime", "fed_buff", "does not wait for all of them"},
    {"mime", "oort", "does not wait for all of them"},
    {"mime", "over_selection", "does not wait for all of them"},
    {"mime", "periodic", "does not wait for all of them"},
    {"mime", "power_of_choice", "does not wait for all of them"},
    {"mime", "refl", "does not wait for all of them"},
    {"mime", "stragglers", "does not wait for all of them"},
    {"mime", "tifl", "does not wait for all of them"},
    {"gaussian", "reputation", "by what they report"},
    {"top_k_download", "hetero_fl", "adds the mean update"},
    {"fed_law", "aggregator median", "does not give them"},
    {"fed_law", "exact_sum", "does not give them"},
    {"fed_law", "float_sum", "does not give them"},
    {"fed_law", "gaussian", "adds noise to a sum"},
    // The changes of these strategies' models are not the mean update.
    {"top_k_download", "afl", "adds the mean update"},
    {"top_k_download", "ditto", "adds the mean update"},
    {"top_k_download", "fed_adagrad", "adds the mean update"},
    {"top_k_download", "fed_adam", "adds the mean update"},
    {"top_k_download", "strategy fed_async", "adds the mean update"},
    {"top_k_download", "fed_avgm", "adds the mean update"},
    {"top_k_download", "fed_amp", "adds the mean update"},
    {"top_k_download", "fed_law", "adds the mean update"},
    {"top_k_download", "fed_proto", "adds the mean update"},
    {"top_k_download", "ifca", "adds the mean update"},
    {"top_k_download", "mime", "adds the mean update"},
    {"top_k_download", "fed_lc", "adds the mean update"},
    {"top_k_download", "fed_nova", "adds the mean update"},
    {"top_k_download", "fed_ntd", "adds the mean update"},
    {"top_k_download", "fed_per", "adds the mean update"},
    {"top_k_download", "fed_sam", "adds the mean update"},
    {"top_k_download", "fed_sgd", "adds the mean update"},
    {"top_k_download", "fed_yogi", "adds the mean update"},
    {"top_k_download", "local_only", "adds the mean update"},
    {"top_k_download", "mixed_fl", "adds the mean update"},
    {"top_k_download", "per_fed_avg", "adds the mean update"},
    {"top_k_download", "scaffold", "adds the mean update"},
    // These need a file, and have tests of their own.
    {"trace", "all", "without a file"},
    {"table", "all", "without a file"},
});

}  // namespace shoal::test
