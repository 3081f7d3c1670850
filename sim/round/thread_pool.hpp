#pragma once
// The threads of one rank; each piece of work goes to the next free thread. Needs no LibTorch.

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace shoal {

/// Worker threads that live for the whole run of a cell. Results never depend on which worker did a piece of work.
class ThreadPool {
 public:
  /// `at_start` is called once on every worker thread before its first piece of work, and on the calling thread, which
  /// is worker 0. UserError if the threads cannot be started.
  explicit ThreadPool(int threads, std::function<void()> at_start = [] {});
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;

  int size() const { return 1 + std::ssize(threads_); }
  /// Calls work(worker, i) for i in [0, count), spread over the workers; returns when all calls have returned. The
  /// first exception is rethrown. With one worker everything runs on the calling thread.
  void for_each(std::size_t count, const std::function<void(int, std::size_t)>& work);

 private:
  void end();
  void serve(int worker);
  void run(int worker);

  std::function<void()> at_start_;
  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable changed_;
  const std::function<void(int, std::size_t)>* work_ = nullptr;
  std::size_t count_ = 0, next_ = 0;
  int busy_ = 0;
  std::uint64_t generation_ = 0;  // number of calls of for_each so far
  bool ending_ = false;
  std::exception_ptr failure_;
};

}  // namespace shoal
