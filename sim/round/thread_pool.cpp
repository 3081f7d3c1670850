#include "sim/round/thread_pool.hpp"

#include <system_error>
#include <utility>

#include "sim/error.hpp"

namespace shoal {

ThreadPool::ThreadPool(int threads, std::function<void()> at_start) : at_start_(std::move(at_start)) {
  at_start_();
  try {
    for (int w = 1; w < threads; ++w) threads_.emplace_back([this, w] { serve(w); });
  } catch (const std::system_error& error) {
    end();
    user_error("cannot start {} threads ({}). Lower --threads.", threads, error.what());
  }
}

ThreadPool::~ThreadPool() { end(); }

void ThreadPool::end() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadPool::for_each(std::size_t count, const std::function<void(int, std::size_t)>& work) {
  {
    const std::lock_guard lock(mutex_);
    work_ = &work;
    count_ = count;
    next_ = 0;
    busy_ = std::ssize(threads_);
    failure_ = nullptr;
    ++generation_;
  }
  changed_.notify_all();
  run(0);
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return busy_ == 0; });
  if (failure_) std::rethrow_exception(failure_);
}

// Does pieces of work until none is left or one has failed.
void ThreadPool::run(int worker) {
  while (true) {
    std::size_t i = 0;
    {
      const std::lock_guard lock(mutex_);
      if (next_ >= count_ || failure_) return;
      i = next_++;
    }
    try {
      (*work_)(worker, i);
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
    }
  }
}

void ThreadPool::serve(int worker) {
  at_start_();
  std::uint64_t done = 0;
  while (true) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return ending_ || generation_ != done; });
      if (ending_) return;
      done = generation_;
    }
    run(worker);
    {
      const std::lock_guard lock(mutex_);
      --busy_;
    }
    changed_.notify_all();
  }
}

}  // namespace shoal
