#include "sim/round/trainers.hpp"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <optional>

#include "kernels/device.hpp"

namespace shoal {

std::unique_ptr<ThreadPool> make_thread_pool(int threads, at::Device device) {
  std::optional<int> gpu;
  if (device.is_cuda()) gpu = current_device();
  return std::make_unique<ThreadPool>(threads, [gpu] {
    at::set_num_threads(1);
    if (gpu) use_device(*gpu);  // every thread has a current GPU of its own
  });
}

Trainers::Trainers(const Task& task, ThreadPool& pool) : pool_(pool) {
  for (int w = 0; w < pool.size(); ++w) trainers_.push_back(task.trainer());
}

Trainers::Trainers(const Task& task, int threads)
    : own_(make_thread_pool(threads, task.layout().device)), pool_(*own_) {
  for (int w = 0; w < pool_.size(); ++w) trainers_.push_back(task.trainer());
}

void Trainers::for_each(std::size_t count, const std::function<void(int, std::size_t, Trainer&)>& work) {
  pool_.for_each(count, [&](int worker, std::size_t i) {
    const at::NoGradGuard no_gradients;
    work(worker, i, *trainers_[worker]);
  });
}

}  // namespace shoal
