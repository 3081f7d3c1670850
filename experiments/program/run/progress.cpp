#include "experiments/program/run/progress.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <string_view>

namespace shoal {
namespace {

constexpr double shortest_pause = 0.1;  // seconds between two updates of the line

// The first `width` bytes or a little less: no character of several bytes is cut in two.
std::string shortened(const std::string& text, std::size_t width) {
  if (text.size() <= width) return text;
  while (width > 0 && (text[width] & 0xC0) == 0x80) --width;
  return text.substr(0, width);
}

// Progress never ends a run: what cannot be written, to a full disk or for a reader who has gone, is left out.
template <class... Args>
void put(std::FILE* out, fmt::format_string<Args...> format, Args&&... args) {
  std::fputs(fmt::format(format, std::forward<Args>(args)...).c_str(), out);
}

}  // namespace

std::string duration_text(double seconds) {
  if (!(seconds >= 0) || seconds > 1e11) return "unknown";
  if (seconds < 9.95) return fmt::format("{:.{}f} s", seconds, seconds < 0.995 ? 2 : 1);
  const std::int64_t whole = std::llround(seconds);
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  if (whole < 86400) return fmt::format("{} h {:02} min", whole / 3600, whole % 3600 / 60);
  return fmt::format("{} d {:02} h", whole / 86400, whole % 86400 / 3600);
}

std::string bytes_text(std::int64_t bytes) {
  if (bytes < 1000) return fmt::format("{} B", bytes);
  constexpr std::array units = {"kB", "MB", "GB", "TB", "PB", "EB"};
  double scaled = bytes / 1000.0;
  std::size_t unit = 0;
  for (; scaled >= 999.95 && unit + 1 < units.size(); ++unit) scaled /= 1000;
  return fmt::format("{:.1f} {}", scaled, units[unit]);
}

bool wants_colour(bool is_terminal) {
  const char* no_colour = std::getenv("NO_COLOR");
  return is_terminal && (no_colour == nullptr || *no_colour == '\0');
}

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::size_t terminal_width(std::FILE* out) {
  winsize size{};
  if (::ioctl(::fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  const char* columns = std::getenv("COLUMNS");
  const long stated = columns == nullptr ? 0 : std::strtol(columns, nullptr, 10);
  return stated > 0 ? stated : 80;
}

Progress::Progress(std::string label, std::int64_t total_rounds, bool is_terminal, std::FILE* out, GridProgress& grid,
                   double (*clock)())
    : label_(std::move(label)),
      total_(total_rounds),
      is_terminal_(is_terminal),
      colour_(wants_colour(is_terminal)),
      out_(out),
      grid_(grid),
      clock_(clock),
      start_(clock()),
      last_shown_(-std::numeric_limits<double>::infinity()) {
  if (grid_.start < 0) grid_.start = start_;
}

void Progress::round(const RoundRow& row, const Measures& measures) {
  ++rounds_here_;
  row_ = row;
  measures_ = measures;
  const bool evaluated = !std::isnan(row.accuracy) || !std::isnan(row.loss);
  if (evaluated) {
    accuracy_ = row.accuracy;
    loss_ = row.loss;
  }
  if (is_terminal_) {
    if (clock_() - last_shown_ >= shortest_pause) show();
  } else if ((evaluated || !measures.empty()) && clock_() - grid_.last_line >= grid_.log_every) {
    grid_.last_line = clock_();
    put(out_, "{}: {}\n", label_, numbers());
    std::fflush(out_);
  }
}

void Progress::abandoned(std::int64_t round, const std::string& reason) {
  if (reason == reason_) return;
  reason_ = reason;
  put(out_, "{}{}: round {} was abandoned: {}\n", is_terminal_ ? "\r\x1b[K" : "", label_, round, reason);
  std::fflush(out_);
}

void Progress::finish(const std::string& status) {
  if (is_terminal_) {
    show();
    put(out_, "\n");
  }
  std::string last;
  if (!std::isnan(accuracy_)) last += fmt::format(", accuracy {:.4f}", accuracy_);
  if (!std::isnan(loss_)) last += fmt::format(", loss {:.4f}", loss_);
  put(out_, "{}: {} after {} rounds, {}{}\n", label_, status, row_.round, duration_text(clock_() - start_), last);
  std::fflush(out_);
  ++grid_.done;
  grid_.worked += share_here();
}

// "round 20/100  accuracy 0.9012  loss 0.3456  8.3 rounds/s  9.6 s left"
std::string Progress::numbers() const {
  std::string text = fmt::format("round {}/{}", row_.round, total_);
  if (!std::isnan(accuracy_)) text += fmt::format("  accuracy {:.4f}", accuracy_);
  if (!std::isnan(loss_)) text += fmt::format("  loss {:.4f}", loss_);
  if (std::isnan(accuracy_) && std::isnan(loss_)) {
    for (const auto& [name, value] : measures_) text += fmt::format("  {} {:.4f}", name, value);
  }
  const double elapsed = clock_() - start_;
  if (rounds_here_ == 0 || elapsed <= 0) return text + grid_numbers();
  const double rate = rounds_here_ / elapsed;
  text += fmt::format("  {:.{}f} rounds/s", rate, rate < 1 ? 3 : 1);
  const std::int64_t left = std::max<std::int64_t>(0, total_ - row_.round);
  if (left > 0) text += fmt::format("  {} left", duration_text(left / rate));
  return text + grid_numbers();
}

double Progress::share_here() const { return total_ > 0 ? 1.0 * rounds_here_ / total_ : 1; }

std::string Progress::grid_numbers() const {
  if (grid_.cells < 2) return "";
  const double here = total_ > 0 ? 1.0 * row_.round / total_ : 0;
  const double worked = grid_.worked + share_here(), left = grid_.cells - grid_.done - here;
  std::string text = fmt::format("  all cells {:.0f} %", 100 * (grid_.done + here) / grid_.cells);
  const double elapsed = clock_() - grid_.start;
  if (worked > 0 && elapsed > 0 && left > 0) text += fmt::format(", {} left", duration_text(elapsed / worked * left));
  return text;
}

void Progress::show() {
  last_shown_ = clock_();
  const std::size_t width = terminal_width(out_) - 1;  // the last column would wrap in some terminals
  const std::string numbers = shortened(this->numbers(), width);
  // The label is shortened first: a line that wraps cannot be updated.
  const std::string label = numbers.size() + 2 >= width ? "" : shortened(label_, width - numbers.size() - 2);
  const std::string_view gap = label.empty() ? "" : "  ";
  if (colour_) {
    put(out_, "\r\x1b[K{}{}\x1b[36m{}\x1b[0m", numbers, gap, label);
  } else {
    put(out_, "\r\x1b[K{}{}{}", numbers, gap, label);
  }
  std::fflush(out_);
}

}  // namespace shoal
