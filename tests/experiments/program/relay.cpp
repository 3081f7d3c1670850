// Output on its way from the ranks to the user.

#include "experiments/program/run/relay.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <string>

namespace shoal {
namespace {

struct Ends {
  Ends() {
    std::array<int, 2> both{};
    EXPECT_EQ(pipe(both.data()), 0);
    read = both[0];
    write = both[1];
  }
  int read = -1, write = -1;
};

void write_all(int to, const std::string& text) { ASSERT_EQ(write(to, text.data(), text.size()), std::ssize(text)); }

// The output if `text` goes in.
std::string relayed(const std::string& text, Relay::Content content) {
  Ends in, out;
  Relay relay(in.read, out.write, content);
  write_all(in.write, text);
  close(in.write);
  while (relay.is_open()) relay.pass_on();
  EXPECT_FALSE(relay.has_failed());
  close(out.write);
  std::string found;
  std::array<char, 256> bytes;
  for (ssize_t got; (got = read(out.read, bytes.data(), bytes.size())) > 0;) found.append(bytes.data(), got);
  close(out.read);
  return found;
}

TEST(Relay, PassesOnEveryByte) {
  for (const std::string& text : {std::string("a\nb"), std::string("\r\x1b[K half a line"), std::string(20'000, 'x'),
                                  std::string("[warn] of a user's own\n")}) {
    EXPECT_EQ(relayed(text, Relay::everything), text);
  }
}

TEST(Relay, LeavesOutWarningsOfLibevent) {
  const std::string warning = "[warn] Epoll MOD(1) on fd 27 failed. Old events were 6; read change was 0\n";
  EXPECT_EQ(relayed(warning, Relay::without_libevent), "");
  EXPECT_EQ(relayed("shoal: rank 1\n" + warning + "more\n", Relay::without_libevent), "shoal: rank 1\nmore\n");
  EXPECT_EQ(relayed("no end", Relay::without_libevent), "no end");
}

TEST(Relay, OutlivesItsReader) {
  std::signal(SIGPIPE, SIG_IGN);
  Ends in, out;
  Relay relay(in.read, out.write, Relay::everything);
  close(out.read);
  for (int i = 0; i < 100; ++i) {
    write_all(in.write, std::string(2000, 'y'));  // more than the pipe holds, were it not emptied
    relay.pass_on();
  }
  EXPECT_FALSE(relay.has_failed());
  close(out.write);
  close(in.write);
}

TEST(Relay, NoticesAFullDisk) {
  const int full = open("/dev/full", O_WRONLY);
  ASSERT_GE(full, 0);
  Ends in;
  Relay relay(in.read, full, Relay::everything);
  write_all(in.write, "lost\n");
  close(in.write);
  while (relay.is_open()) relay.pass_on();
  EXPECT_EQ(relay.error(), ENOSPC);
  close(full);
}

TEST(Relay, DoesNotWaitForASlowReader) {
  Ends in, out;
  Relay relay(in.read, out.write, Relay::everything);
  // More than one pipe of 16 pages holds: were the relay to wait for a reader, this test would not end.
  for (int i = 0; i < 24; ++i) {
    write_all(in.write, std::string(4096, 'z'));
    relay.pass_on();
  }
  EXPECT_TRUE(relay.is_open());
  close(in.write);
  close(out.read);
  close(out.write);
}

}  // namespace
}  // namespace shoal
