#pragma once
// The live driver: components on threads and in processes, with mailboxes between them.

#include <span>
#include <stop_token>
#include <vector>

#include "sim/pipeline/components.hpp"
#include "sim/pipeline/live/record.hpp"

namespace shoal::pipeline {

struct Attendance {
  Record record;
  std::int64_t refused = 0;  // letters that a full queue refused; they were kept and sent again
};

/// Has the components whose endpoints are `here` handle the letters of `mailbox`, which is theirs, until the run has
/// ended or a stop is requested. Every endpoint is attended by one thread of one process, and the mailboxes reach each
/// other before the first call. The run begins by itself and takes the time that the settings say, on the mailboxes'
/// clocks instead of the virtual one.
///
/// Full queues lose nothing: a refused letter is kept and sent again, before later letters to the same receiver. The
/// component continues meanwhile, so that no two wait for each other; every user waits for a reply, which bounds the
/// letters that can be kept.
Attendance attend(Components& components, std::span<const Endpoint> here, Mailbox& mailbox, std::stop_token stop = {});

struct LiveRun {
  Result result;
  std::vector<Record> records;  // one of each thread
  std::int64_t refused = 0;     // see Attendance
};

/// A live run in this process: each component on a thread of its own, with queues of `capacity` letters. The first
/// error of a thread ends all.
LiveRun run_on_threads(const Setup& setup, const RunKey& run, std::int64_t capacity);

/// Has the components handle the same letters in the recorded order, at the recorded times. They write the same letters
/// again, bit for bit, or UserError says which one differs. The records of all endpoints are needed, in any order.
Result replay(const Setup& setup, const RunKey& run, std::span<const Record> records);

}  // namespace shoal::pipeline
