#include "sim/pipeline/live/attend.hpp"

#include <ATen/Parallel.h>

#include <exception>
#include <mutex>
#include <thread>

#include "sim/comm/post_office.hpp"

namespace shoal::pipeline {

LiveRun run_on_threads(const Setup& setup, const RunKey& run, std::int64_t capacity) {
  Components components(setup, run);
  const PostOffice office;
  LiveRun live;
  live.records.resize(endpoints::all.size());
  // All mailboxes exist before the first letter is sent, and until the last thread has ended.
  std::vector<std::unique_ptr<Mailbox>> mailboxes;
  for (const Endpoint& endpoint : endpoints::all) mailboxes.push_back(office.open({&endpoint, 1}, capacity));

  std::stop_source stop;
  std::mutex mutex;
  std::exception_ptr error;
  const auto serve = [&](std::size_t i) {
    at::set_num_threads(1);
    try {
      Attendance done = attend(components, {&endpoints::all[i], 1}, *mailboxes[i], stop.get_token());
      const std::lock_guard lock(mutex);
      live.records[i] = std::move(done.record);
      live.refused += done.refused;
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!error) error = std::current_exception();
      stop.request_stop();
    }
  };
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < endpoints::all.size(); ++i) threads.emplace_back(serve, i);
  }
  if (error) std::rethrow_exception(error);
  live.result = components.auditor().result();
  return live;
}

}  // namespace shoal::pipeline
