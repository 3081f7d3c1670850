#pragma once
// The fixture of tests of device forms: it skips them if a build with nvcc finds no GPU. In a build without nvcc they
// run with the host as the device.

#include <gtest/gtest.h>

#include <vector>

#include "kernels/device.hpp"

class Device : public testing::Test {
 protected:
  void SetUp() override {
    if (!shoal::has_device()) GTEST_SKIP() << "there is no GPU";
  }

  template <class T>
  static std::vector<T> on_host(const shoal::DeviceArray<T>& values) {
    std::vector<T> copy(values.size());
    values.read(copy);
    return copy;
  }

  const shoal::OnDevice device;
};
