#include "sim/round/crew.hpp"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <system_error>

#include "kernels/device.hpp"

namespace shoal {

Crew::Crew(const Task& task, int threads) {
  for (int w = 0; w < threads; ++w) trainers_.push_back(task.trainer());
  // Matrix products change bits between one and two threads, so LibTorch gets one, in every thread that calls it.
  at::set_num_threads(1);
  if (task.layout().device.is_cuda()) gpu_ = current_device();
  try {
    for (int w = 1; w < threads; ++w) threads_.emplace_back([this, w] { serve(w); });
  } catch (const std::system_error& error) {
    end();
    user_error("cannot start {} threads ({}). Lower --threads?", threads, error.what());
  }
}

Crew::~Crew() { end(); }

void Crew::end() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Crew::for_each(std::size_t count, const std::function<void(int, std::size_t, Trainer&)>& work) {
  {
    const std::lock_guard lock(mutex_);
    work_ = &work;
    count_ = count;
    next_ = 0;
    busy_ = static_cast<int>(threads_.size());
    failure_ = nullptr;
    ++shift_;
  }
  changed_.notify_all();
  labour(0);
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return busy_ == 0; });
  if (failure_) std::rethrow_exception(failure_);
}

void Crew::labour(int worker) {
  const at::NoGradGuard no_gradients;
  while (true) {
    std::size_t i = 0;
    {
      const std::lock_guard lock(mutex_);
      if (next_ >= count_ || failure_) return;
      i = next_++;
    }
    try {
      (*work_)(worker, i, *trainers_[static_cast<std::size_t>(worker)]);
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
    }
  }
}

void Crew::serve(int worker) {
  at::set_num_threads(1);
  if (gpu_) use_device(*gpu_);  // every thread has a current GPU of its own
  std::uint64_t done = 0;
  while (true) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return ending_ || shift_ != done; });
      if (ending_) return;
      done = shift_;
    }
    labour(worker);
    {
      const std::lock_guard lock(mutex_);
      --busy_;
    }
    changed_.notify_all();
  }
}

}  // namespace shoal
