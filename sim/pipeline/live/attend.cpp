#include "sim/pipeline/live/attend.hpp"

#include <deque>
#include <set>

namespace shoal::pipeline {
namespace {

// Sends letters, and keeps those that are refused.
class Sender {
 public:
  explicit Sender(Mailbox& mailbox) : mailbox_(mailbox) {}

  void send(const Letter& letter) {
    if (waiting_.contains(letter.to) || !try_to_send(letter)) {
      kept_.push_back(letter);
      waiting_.insert(letter.to);
    }
  }
  void send_kept() {
    waiting_.clear();
    std::erase_if(kept_, [&](const Letter& letter) {
      if (!waiting_.contains(letter.to) && try_to_send(letter)) return true;
      waiting_.insert(letter.to);
      return false;
    });
  }
  // From now on the letters of a component matter to no one.
  void stopped(Endpoint component) { stopped_.insert(component); }
  bool keeps(Subject subject) const {
    return std::ranges::any_of(kept_, [&](const Letter& letter) { return letter.kind == kind(subject); });
  }
  std::int64_t refused() const { return refused_; }

 private:
  bool try_to_send(const Letter& letter) {
    try {
      if (mailbox_.send(letter)) return true;
    } catch (const NoSuchEndpoint&) {
      if (!stopped_.contains(letter.from)) throw;
      return true;
    }
    ++refused_;
    return false;
  }

  Mailbox& mailbox_;
  std::deque<Letter> kept_;
  std::set<Endpoint> waiting_;  // receivers of kept letters
  std::set<Endpoint> stopped_;
  std::int64_t refused_ = 0;
};

}  // namespace

Attendance attend(Components& components, std::span<const Endpoint> here, Mailbox& mailbox, std::stop_token stop) {
  constexpr std::chrono::milliseconds patience{100};  // so often a thread looks whether another has failed
  Attendance attendance;
  Sender sender(mailbox);
  const bool audits = std::ranges::find(here, endpoints::auditor) != here.end();
  if (audits) sender.send(Components::start());
  bool told = false;  // all others that the run has ended
  std::size_t ended = 0;
  Ticks now{};
  while ((ended < here.size() || sender.keeps(Subject::ended)) && !stop.stop_requested()) {
    sender.send_kept();
    const std::optional<Letter> letter = mailbox.next(patience);
    if (!letter) continue;
    if (subject(*letter) == Subject::ended) {
      ++ended;
      continue;
    }
    now = std::max(now, mailbox.now());
    attendance.record.push_back(taken(*letter, now));
    const std::vector<Letter> answers = components.at(letter->to).handle(*letter, now);
    for (const Letter& answer : answers) sender.send(answer);
    if (subject(*letter) == Subject::stop) sender.stopped(letter->to);
    if (!audits || told || !components.auditor().complete()) continue;
    told = true;
    for (const Endpoint to : endpoints::all) sender.send({endpoints::auditor, to, kind(Subject::ended), nullptr, {}});
  }
  attendance.refused = sender.refused();
  return attendance;
}

}  // namespace shoal::pipeline
