#pragma once
// The threads of one rank. Each has a trainer of its own; blocks go to whoever is free.

#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "sim/task/task.hpp"

namespace shoal {

/// Worker threads that live for a cell's whole run. The arithmetic of one piece of work is single-threaded, and results
/// never depend on which worker did it.
class Crew {
 public:
  Crew(const Task& task, int threads);
  ~Crew();
  Crew(const Crew&) = delete;

  int size() const { return static_cast<int>(trainers_.size()); }
  /// Calls work(worker, i, trainer) for i in [0, count), spread over the workers; returns when all are done. The first
  /// exception is rethrown. With one worker everything runs on the calling thread.
  void for_each(std::size_t count, const std::function<void(int, std::size_t, Trainer&)>& work);

 private:
  void end();
  void serve(int worker);
  void labour(int worker);

  std::optional<int> gpu_;  // of the thread that made the crew, if the task is on one
  std::vector<std::unique_ptr<Trainer>> trainers_;
  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable changed_;
  const std::function<void(int, std::size_t, Trainer&)>* work_ = nullptr;
  std::size_t count_ = 0, next_ = 0;
  int busy_ = 0;
  std::uint64_t shift_ = 0;  // counts calls of for_each
  bool ending_ = false;
  std::exception_ptr failure_;
};

}  // namespace shoal
