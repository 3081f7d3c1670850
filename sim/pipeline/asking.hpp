#pragma once
// Asking: the users as a component. They ask, repeat refused requests, read replies, and send what followed.

#include <map>
#include <vector>

#include "sim/pipeline/letters.hpp"
#include "sim/pipeline/setup.hpp"

namespace shoal::pipeline {

class Asking final : public Component {
 public:
  Asking(const Setup& setup, const RunKey& run);

  std::vector<Letter> handle(const Letter& letter, Ticks now) override;

 private:
  void begin(Outbox& out);
  void ask(std::int64_t user, Outbox& out);
  void ask_malformed(Request request, Outbox& out);
  void answered(const Answered& answer, Outbox& out);
  void accepted(std::int64_t user, Outbox& out);
  void refused(std::int64_t user, Outbox& out);
  void deliver(const FollowUp& state, const Faults& faults, Outbox& out);
  void read(const ReadReply& reply, Outbox& out);
  void proceed(std::int64_t user, const NextStep& next, Outbox& out);
  void report_status(Outbox& out);
  void stop(Outbox& out);
  TurnKey key(std::int64_t user) const;
  void note(TraceEntry::Kind kind, std::int64_t user, Outbox& out) const;
  std::int64_t checked(std::int64_t user) const;

  const ServingSettings& serving_;
  const ClientSettings& settings_;
  Keep keep_;
  Users users_;
  std::vector<std::int64_t> attempts_;           // refused attempts of each user's current request
  std::map<std::int64_t, FollowUp> deliveries_;  // states that arrive later, by number
  std::int64_t next_delivery_ = 0;
  std::int64_t gave_up_ = 0;
  UsersStatus told_;  // the status that the auditor knows
  bool stopped_ = false;
};

}  // namespace shoal::pipeline
