#include "sim/pipeline/live/attend.hpp"

#include <deque>
#include <map>

namespace shoal::pipeline {
namespace {

// Letters that were written and not yet taken, by sender and receiver.
class Channels {
 public:
  void add(Letter letter) { channels_[{letter.from, letter.to}].push_back(std::move(letter)); }

  // The letter that was taken; none if it has not been written yet.
  std::optional<Letter> find(const Taken& wanted) {
    std::deque<Letter>& channel = channels_[{wanted.from, wanted.to}];
    const auto matches = [&](const Letter& letter) { return taken(letter, wanted.now) == wanted; };
    // Letters of one component to another keep their order; those to itself are taken when they are due.
    const auto last = wanted.from == wanted.to || channel.empty() ? channel.end() : channel.begin() + 1;
    const auto at = std::find_if(channel.begin(), last, matches);
    if (at == last) {
      if (wanted.from != wanted.to && !channel.empty()) {
        user_error(
            "component {} took letter kind {} from {}, and now that letter is another one. Use the program and "
            "the settings that recorded it.",
            value(wanted.to), value(wanted.kind), value(wanted.from));
      }
      return {};
    }
    Letter letter = std::move(*at);
    channel.erase(at);
    return letter;
  }

 private:
  std::map<std::pair<Endpoint, Endpoint>, std::deque<Letter>> channels_;
};

}  // namespace

// Any order in which each component takes its letters in its own recorded order gives the same letters, because a
// component is a function of those letters alone.
Result replay(const Setup& setup, const RunKey& run, std::span<const Record> records) {
  Components components(setup, run);
  Channels channels;
  channels.add(Components::start());
  std::vector<std::size_t> next(records.size());
  bool progress = true;
  while (progress) {
    progress = false;
    for (std::size_t i = 0; i < records.size(); ++i) {
      while (next[i] < records[i].size()) {
        const Taken& wanted = records[i][next[i]];
        const std::optional<Letter> letter = channels.find(wanted);
        if (!letter) break;
        for (Letter& answer : components.at(letter->to).handle(*letter, wanted.now)) channels.add(std::move(answer));
        ++next[i];
        progress = true;
      }
    }
  }
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (next[i] == records[i].size()) continue;
    const Taken& missing = records[i][next[i]];
    user_error(
        "component {} took letter kind {} from {}, and no one writes it now. Use the program and the settings "
        "that recorded it, and the records of all components.",
        value(missing.to), value(missing.kind), value(missing.from));
  }
  if (!components.auditor().complete()) user_error("the records end before the run does. Use those of all components.");
  return components.auditor().result();
}

}  // namespace shoal::pipeline
