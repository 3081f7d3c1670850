// Letters among threads: the checks of every mailbox, and endpoints that come and go.
#include "sim/comm/post_office.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/ranks/mailbox_checks.hpp"

namespace {

using namespace shoal;
using std::chrono::milliseconds;

constexpr Endpoint a{1}, b{2}, c{3};

std::unique_ptr<Mailbox> open(const PostOffice& office, Endpoint endpoint, std::int64_t capacity = 4) {
  return office.open(std::span(&endpoint, 1), capacity);
}

Letter letter(Endpoint from, Endpoint to, std::int32_t kind = 0, Ticks due = Ticks{0}) {
  return {from, to, LetterKind{kind}, nullptr, due};
}

TEST(Mailboxes, OfThreadsDoWhatTheyMust) {
  for (const int ranks : {1, 2, 3, 5}) run_on_threads(ranks, check_mailboxes);
}

TEST(Mailboxes, OfASingleRankDoWhatTheyMust) { check_mailboxes(*single_rank()); }

TEST(Mailboxes, FailingRankReleasesTheOthers) {
  for (int repeat = 0; repeat < 20; ++repeat) {
    const auto begin = std::chrono::steady_clock::now();
    std::string error = "(none)";
    try {
      run_on_threads(3, [](Communicator& comm) {
        const Endpoint mine[] = {endpoint_of(comm.rank())};
        const auto mailbox = comm.mailbox(mine, 2);
        if (comm.rank() == 1) throw UserError("the cause");
        while (true) {  // one waits, one sends to the rank that fails
          if (comm.rank() == 2) mailbox->send(letter(mine[0], endpoint_of(1)));
          mailbox->next(milliseconds(comm.rank() == 2 ? 0 : 10'000));
        }
      });
    } catch (const std::exception& first) {
      error = first.what();
    }
    EXPECT_EQ(error, "the cause");
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
  }
}

TEST(PostOffice, HandsABodyOverWithoutACopy) {
  const PostOffice office;
  const auto sender = open(office, a), first = open(office, b), second = open(office, c);
  const auto weights = std::make_shared<const Bytes>(1000);
  for (const Endpoint to : {b, c}) EXPECT_TRUE(sender->send({a, to, LetterKind{7}, weights, Ticks{0}}));
  for (Mailbox* receiver : {first.get(), second.get()}) {
    const auto got = receiver->next(milliseconds(0));
    ASSERT_TRUE(got);
    EXPECT_EQ(got->body, weights);  // the same memory
    EXPECT_EQ(got->from, a);
    EXPECT_EQ(got->kind, LetterKind{7});
  }
}

TEST(PostOffice, WakesAReceiverThatWaits) {
  const PostOffice office;
  const auto sender = open(office, a), receiver = open(office, b);
  std::thread late([&] {
    std::this_thread::sleep_for(milliseconds(30));
    sender->send(letter(a, b, 9));
  });
  const auto got = receiver->next(ten_seconds);
  late.join();
  ASSERT_TRUE(got);
  EXPECT_EQ(got->kind, LetterKind{9});
  EXPECT_LT(receiver->now(), Ticks{5'000'000});
}

TEST(PostOffice, NewLetterOvertakesATimer) {
  const PostOffice office;
  const auto sender = open(office, a), receiver = open(office, b);
  EXPECT_TRUE(sender->send(letter(a, b, 1, sender->now() + Ticks{500'000})));
  EXPECT_TRUE(sender->send(letter(a, b, 2)));
  EXPECT_EQ(receiver->next(ten_seconds)->kind, LetterKind{2});
  const auto timer = receiver->next(ten_seconds);
  EXPECT_EQ(timer->kind, LetterKind{1});
  EXPECT_GE(receiver->now(), timer->due);
}

TEST(PostOffice, RefusesLettersToThoseWhoHaveLeft) {
  const PostOffice office;
  const auto sender = open(office, a);
  EXPECT_THROW(sender->send(letter(a, b)), NoSuchEndpoint);
  auto receiver = open(office, b);
  EXPECT_TRUE(sender->send(letter(a, b, 1)));
  receiver.reset();
  EXPECT_THROW(sender->send(letter(a, b)), NoSuchEndpoint);
  receiver = open(office, b);  // another one in its place begins without letters
  EXPECT_FALSE(receiver->next(milliseconds(0)));
  EXPECT_TRUE(sender->send(letter(a, b, 2)));
  EXPECT_EQ(receiver->next(milliseconds(0))->kind, LetterKind{2});
}

TEST(PostOffice, TellsWaitingSendersWhenAReceiverLeaves) {
  const PostOffice office;
  const auto sender = open(office, a);
  auto receiver = open(office, b, 1);
  EXPECT_TRUE(sender->send(letter(a, b)));
  EXPECT_FALSE(sender->send(letter(a, b)));
  std::thread leaves([&] {
    std::this_thread::sleep_for(milliseconds(20));
    receiver.reset();
  });
  EXPECT_FALSE(sender->next(ten_seconds));
  leaves.join();
  EXPECT_LT(sender->now(), Ticks{5'000'000});
  EXPECT_THROW(sender->send(letter(a, b)), NoSuchEndpoint);
}

TEST(PostOffice, OutlivesItsFirstCopy) {
  auto office = std::make_unique<PostOffice>();
  const auto sender = open(*office, a), receiver = open(*office, b);
  office.reset();
  EXPECT_TRUE(sender->send(letter(a, b, 4)));
  EXPECT_EQ(receiver->next(milliseconds(0))->kind, LetterKind{4});
}

TEST(PostOffice, RefusesWhatIsNotAMailbox) {
  const PostOffice office;
  const auto mailbox = open(office, a);
  EXPECT_THROW(open(office, a), BrokenInvariant);
  EXPECT_THROW(open(office, b, 0), BrokenInvariant);
  EXPECT_THROW(office.open({}, 4), BrokenInvariant);
  EXPECT_THROW(mailbox->send(letter(b, a)), BrokenInvariant);  // not its endpoint
  EXPECT_THROW(mailbox->next(milliseconds(-1)), BrokenInvariant);
  const std::vector<Endpoint> both = {c, a};
  EXPECT_THROW(office.open(both, 4), BrokenInvariant);
  EXPECT_NO_THROW(open(office, c));  // the refused one has left nothing
  EXPECT_FALSE(mailbox->next(milliseconds(0)));
}

// Senders come, write until a receiver with a small queue has taken all, and leave; every letter arrives once.
TEST(PostOffice, LosesNothingWhileEndpointsComeAndGo) {
  constexpr int senders = 6, letters = 40;
  const PostOffice office;
  const auto receiver = open(office, a, 2);
  std::vector<std::thread> threads;
  for (int s = 0; s < senders; ++s) {
    threads.emplace_back([&, s] {
      const Endpoint self{100 + s};
      for (int i = 0; i < letters;) {
        const auto mailbox = open(office, self);
        for (const int end = std::min(i + 7, letters); i < end;) {
          if (mailbox->send(letter(self, a, i))) {
            ++i;
          } else {
            mailbox->next(ten_seconds);
          }
        }
      }
    });
  }
  std::vector<int> next(senders, 0);
  for (int i = 0; i < senders * letters; ++i) {
    const auto got = receiver->next(ten_seconds);
    ASSERT_TRUE(got);
    EXPECT_EQ(value(got->kind), next[value(got->from) - 100]++);
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(receiver->next(milliseconds(0)));
}

}  // namespace
