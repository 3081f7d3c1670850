#pragma once
// Output of the ranks on its way to the user.

#include <poll.h>

#include <string>
#include <vector>

namespace shoal {

/// Passes on what arrives at one descriptor to another, in pieces that a pipe takes whole: a reader who does not read
/// delays the ranks, but not the process that waits here. A reader who has gone does not end the run.
class Relay {
 public:
  enum Content { everything, without_libevent };  // the latter holds lines back until they are whole

  /// Owns `from`.
  Relay(int from, int to, Content content);
  ~Relay();
  Relay(const Relay&) = delete;

  /// Adds what has to be waited for before `pass_on` can do more.
  void wait_on(std::vector<pollfd>& waiting) const;
  void pass_on();
  /// From now on, what arrives is thrown away.
  void discard();

  /// Whether more may have to be passed on.
  bool is_open() const { return from_ >= 0 || !pending_.empty(); }
  /// Whether output was lost for another reason than that its reader has gone; `error` is the errno.
  bool has_failed() const { return error_ != 0; }
  int error() const { return error_; }

 private:
  void take();
  void sift(bool at_end);

  int from_, to_;
  Content content_;
  std::string held_, pending_;  // a line that is not whole; what may be written
  bool is_discarding_ = false;
  int error_ = 0;
};

}  // namespace shoal
