#pragma once
// A trainer for each worker of a rank's thread pool.

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "sim/round/thread_pool.hpp"
#include "sim/task/task.hpp"

namespace shoal {

/// A pool whose threads are set up for LibTorch: each computes without further threads, and on the calling thread's GPU
/// if `device` is a GPU. Matrix products have other bits with two threads than with one, so LibTorch gets one.
std::unique_ptr<ThreadPool> make_thread_pool(int threads, at::Device device = at::kCPU);

/// The trainers of one task.
class Trainers {
 public:
  /// `pool` must outlive the trainers.
  Trainers(const Task& task, ThreadPool& pool);
  /// Makes a pool of its own.
  Trainers(const Task& task, int threads);

  int size() const { return pool_.size(); }
  ThreadPool& pool() { return pool_; }
  /// Calls work(worker, i, trainer) for i in [0, count) on the pool's workers, each with its own trainer and without
  /// recording gradients.
  void for_each(std::size_t count, const std::function<void(int, std::size_t, Trainer&)>& work);

 private:
  std::unique_ptr<ThreadPool> own_;
  ThreadPool& pool_;
  std::vector<std::unique_ptr<Trainer>> trainers_;
};

}  // namespace shoal
