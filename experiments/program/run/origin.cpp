#include "experiments/program/run/origin.hpp"

#include <fmt/chrono.h>
#include <sys/utsname.h>

#include <ctime>
#include <filesystem>
#include <fstream>
#include <thread>

namespace shoal {
namespace {

// A word as a shell takes it.
std::string as_typed(const std::string& word) {
  if (!word.empty() && word.find_first_of(" \t\n'\"\\$`*?[]{}()<>|&;~#!") == std::string::npos) return word;
  std::string inside;
  for (const char c : word) {
    if (c == '\'') {
      inside += "'\\''";
    } else {
      inside += c;
    }
  }
  return fmt::format("'{}'", inside);
}

std::string command_line() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::string text, word;
  while (std::getline(file, word, '\0')) {
    text = text.empty() ? std::filesystem::path(word).filename().string() : fmt::format("{} {}", text, as_typed(word));
  }
  return text;
}

std::string machine() {
  utsname system{};
  uname(&system);
  return fmt::format("{}, {} {}, {} cores", system.nodename, system.sysname, system.release,
                     std::thread::hardware_concurrency());
}

}  // namespace

std::map<std::string, std::string> origin() {
  return {{"date", fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", fmt::gmtime(std::time(nullptr)))},
          {"command", command_line()},
          {"machine", machine()}};
}

}  // namespace shoal
