#include "sim/pipeline/letters.hpp"

#include <ATen/ops/empty.h>

#include <concepts>
#include <cstring>

#include "sim/files/packing.hpp"
#include "sim/pipeline/users.hpp"

namespace shoal::pipeline {
namespace {

template <class T, class U>
concept Is = std::same_as<std::remove_const_t<T>, U>;

// Number of values of an enumeration, which begin at 0.
template <class E>
constexpr int values_of = 0;
template <>
constexpr int values_of<TurnType> = 3;
template <>
constexpr int values_of<Answer> = 3;
template <>
constexpr int values_of<Pause> = 3;
template <>
constexpr int values_of<NextState> = 6;
template <>
constexpr int values_of<talk::Rule> = talk::rules;
template <>
constexpr int values_of<TraceEntry::Kind> = 10;

// `fields` names the fields of a body once, for writing and for reading. Fields, not whole structs: the bytes between
// fields are undefined, and equal bodies must have equal bytes.
template <class Io, Is<Timer> T>
void fields(Io& io, T& t) {
  io(t.user, t.number, t.at);
}
template <class Io, Is<TurnKey> T>
void fields(Io& io, T& key) {
  io(key.user, key.session, key.turn);
}
template <class Io, Is<Evidence> T>
void fields(Io& io, T& e) {
  io(e.reward, e.tool, e.directive, e.shows);
}
template <class Io, Is<FollowUp> T>
void fields(Io& io, T& state) {
  io(state.of, state.evidence, state.said);
}
template <class Io, Is<Request> T>
void fields(Io& io, T& r) {
  io(r.user, r.session, r.type, r.turn, r.prompt, r.temperature, r.sent, r.cut);
}
template <class Io, Is<Answered> T>
void fields(Io& io, T& a) {
  io(a.user, a.answer);
}
template <class Io, Is<ReadReply> T>
void fields(Io& io, T& reply) {
  io(reply.user, reply.tokens);
}
template <class Io, Is<JudgedReply> T>
void fields(Io& io, T& s) {
  io(s.prompt, s.reply.tokens, s.reply.log_probs, s.temperature, s.signals.reward, s.signals.advantage, s.signals.hints,
     s.signals.judged, s.hinted, s.draw, s.version);
}
template <class Io, Is<Turn> T>
void fields(Io& io, T& turn) {
  io(turn.number, turn.key, turn.type, turn.sample, turn.versions);
}
template <class Io, Is<ToJudge> T>
void fields(Io& io, T& t) {
  io(t.turn, t.state);
}
template <class Io, Is<NewWeights> T>
void fields(Io& io, T& w) {
  io(w.version, w.weights);
}
template <class Io, Is<TrainerLevel> T>
void fields(Io& io, T& level) {
  io(level.version, level.accepted);
}
template <class Io, Is<UsersStatus> T>
void fields(Io& io, T& status) {
  io(status.content, status.over);
}
template <class Io, Is<TraceEntry> T>
void fields(Io& io, T& e) {
  io(e.time, e.kind, e.turn, e.version, e.versions, e.latency);
}
template <class Io, Is<Ledger> T>
void fields(Io& io, T& l) {
  io(l.produced, l.consumed, l.dropped, l.resident);
}
template <class Io, Is<UsersReport> T>
void fields(Io& io, T& r) {
  io(r.content_at, r.gave_up);
}
template <class Io, Is<ServingCounters> T>
void fields(Io& io, T& c) {
  io(c.requests, c.malformed, c.refused, c.pauses, c.interrupted, c.longest_queue, c.stalled, c.busy, c.served,
     c.latency);
}
template <class Io, Is<CollectionCounters> T>
void fields(Io& io, T& c) {
  io(c.main, c.side, c.joined, c.expired, c.duplicated, c.late, c.unknown, c.last);
}
template <class Io, Is<JudgingCounters> T>
void fields(Io& io, T& c) {
  io(c.positive, c.negative, c.neutral, c.failed, c.timed_out, c.hints, c.repeated, c.longest_queue, c.busy);
}
template <class Io, Is<TrainingCounters> T>
void fields(Io& io, T& c) {
  io(c.staleness, c.rejected, c.skipped, c.alarms, c.all_negative, c.longest_queue, c.busy);
}
template <class Io, Is<TrainingReport> T>
void fields(Io& io, T& r) {
  io(r.counters, r.last);
}

// Written twice: first the size is counted, then the bytes are copied, so that a body is one allocation.
class Writer {
 public:
  explicit Writer(std::byte* to) : to_(to) {}  // null: counts only

  template <class... T>
  void operator()(const T&... values) {
    (write(values), ...);
  }
  std::size_t size() const { return size_; }

 private:
  template <class T>
  void write(const T& value) {
    if constexpr (std::same_as<T, bool>) {
      write<std::int8_t>(value);
    } else if constexpr (std::is_enum_v<T> || std::is_arithmetic_v<T>) {
      raw(&value, 1);
    } else {
      fields(*this, value);
    }
  }
  template <class T>
  void write(const std::optional<T>& value) {
    write(value.has_value());
    if (value) write(*value);
  }
  template <class T>
  void write(const std::vector<T>& values) {
    write<std::uint64_t>(values.size());
    if constexpr (std::is_arithmetic_v<T>) {
      raw(values.data(), values.size());
    } else {
      for (const T& value : values) write(value);
    }
  }
  template <std::size_t n>
  void write(const std::array<std::int64_t, n>& values) {
    raw(values.data(), n);
  }
  void write(const at::Tensor& tensor) {
    if (!tensor.defined()) return write<std::uint64_t>(0);
    const at::Tensor values = tensor.contiguous();
    write<std::uint64_t>(values.numel());
    raw(values.const_data_ptr<float>(), values.numel());
  }
  template <class T>
  void raw(const T* values, std::size_t count) {
    static_assert(std::is_trivially_copyable_v<T>);
    if (to_ && count > 0) std::memcpy(to_ + size_, values, count * sizeof(T));
    size_ += count * sizeof(T);
  }

  std::byte* to_;
  std::size_t size_ = 0;
};

class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : in_(bytes, "a letter") {}

  template <class... T>
  void operator()(T&... values) {
    (read(values), ...);
  }
  void finish() const { in_.finish(); }

 private:
  template <class T>
  void read(T& value) {
    if constexpr (std::same_as<T, bool>) {
      value = at_most(in_.number<std::int8_t>(), 1) == 1;
    } else if constexpr (std::same_as<T, Ticks>) {
      value = Ticks{in_.number<std::int64_t>()};
    } else if constexpr (std::is_enum_v<T>) {
      value = static_cast<T>(at_most(in_.number<std::underlying_type_t<T>>(), values_of<T> - 1));
    } else if constexpr (std::is_arithmetic_v<T>) {
      value = in_.number<T>();
    } else {
      fields(*this, value);
      check(value);
    }
  }
  template <class T>
  void read(std::optional<T>& value) {
    bool has = false;
    read(has);
    if (has) read(value.emplace());
  }
  template <class T>
  void read(std::vector<T>& values) {
    if constexpr (std::is_arithmetic_v<T>) {
      values = in_.array<T>();
      if constexpr (std::same_as<T, Token>) {
        for (const Token token : values) at_most(token, talk::vocabulary - 1);
      }
    } else {
      // Elements are read one by one, so a false count ends with the bytes and takes no memory.
      for (auto count = in_.number<std::uint64_t>(); count > 0; --count) read(values.emplace_back());
    }
  }
  template <std::size_t n>
  void read(std::array<std::int64_t, n>& values) {
    for (std::int64_t& value : values) read(value);
  }
  // Copied, not shared: matrix products may depend on the alignment of their operands.
  void read(at::Tensor& tensor) {
    const std::vector<float> values = in_.array<float>();
    if (values.empty()) return;
    tensor = at::empty({std::ssize(values)});
    std::memcpy(tensor.mutable_data_ptr<float>(), values.data(), values.size() * sizeof(float));
  }
  // Turn numbers become sizes and coordinates of random draws.
  template <class T>
  static void check(const T& value) {
    if constexpr (requires { value.turn + 1; }) at_most(value.turn, most_turns - 1);
  }
  static void check(const Turn& turn) {
    const JudgedReply& sample = turn.sample;
    const bool fits = turn.versions.size() == sample.reply.tokens.size() &&
                      sample.reply.log_probs.size() <= sample.reply.tokens.size() &&
                      sample.signals.hints == std::ssize(sample.hinted);
    if (!fits) damaged();
  }
  template <class T>
  static T at_most(T value, int most) {
    if (value < 0 || value > most) damaged();
    return value;
  }
  [[noreturn]] static void damaged() { user_error("a letter is damaged. Use one version of the program everywhere."); }

  Unpacker in_;
};

}  // namespace

template <class Body>
std::shared_ptr<const Bytes> pack(const Body& body) {
  Writer count(nullptr);
  count(body);
  auto bytes = std::make_shared<Bytes>(count.size());
  Writer(bytes->data())(body);
  return bytes;
}

template <class Body>
Body unpack(const Letter& letter) {
  Reader from(letter.body ? std::span<const std::byte>(*letter.body) : std::span<const std::byte>());
  Body body{};
  from(body);
  from.finish();
  return body;
}

// clang-format off
template std::shared_ptr<const Bytes> pack(const std::int64_t&);        template std::int64_t unpack(const Letter&);
template std::shared_ptr<const Bytes> pack(const Pause&);               template Pause unpack(const Letter&);
template std::shared_ptr<const Bytes> pack(const Timer&);               template Timer unpack(const Letter&);
template std::shared_ptr<const Bytes> pack(const TurnKey&);             template TurnKey unpack(const Letter&);
template std::shared_ptr<const Bytes> pack(const FollowUp&);            template FollowUp unpack(const Letter&);
template std::shared_ptr<const Bytes> pack(const Request&);             template Request unpack(const Letter&);
template std::shared_ptr<const Bytes> pack(const Answered&);            template Answered unpack(const Letter&);
template std::shared_ptr<const Bytes> pack(const ReadReply&);           template ReadReply unpack(const Letter&);
template std::shared_ptr<const Bytes> pack(const Turn&);                template Turn unpack(const Letter&);
template std::shared_ptr<const Bytes> pack(const ToJudge&);             template ToJudge unpack(const Letter&);
template std::shared_ptr<const Bytes> pack(const NewWeights&);          template NewWeights unpack(const Letter&);
template std::shared_ptr<const Bytes> pack(const TrainerLevel&);        template TrainerLevel unpack(const Letter&);
template std::shared_ptr<const Bytes> pack(const UsersStatus&);         template UsersStatus unpack(const Letter&);
template std::shared_ptr<const Bytes> pack(const TraceEntry&);          template TraceEntry unpack(const Letter&);
template std::shared_ptr<const Bytes> pack(const Ledger&);              template Ledger unpack(const Letter&);
template std::shared_ptr<const Bytes> pack(const UsersReport&);         template UsersReport unpack(const Letter&);
template std::shared_ptr<const Bytes> pack(const ServingCounters&);     template ServingCounters unpack(const Letter&);
template std::shared_ptr<const Bytes> pack(const CollectionCounters&);
template CollectionCounters unpack(const Letter&);
template std::shared_ptr<const Bytes> pack(const JudgingCounters&);     template JudgingCounters unpack(const Letter&);
template std::shared_ptr<const Bytes> pack(const TrainingReport&);      template TrainingReport unpack(const Letter&);
// clang-format on

void refuse(const Letter& letter) {
  user_error("component {} has no use for letter kind {} from {}. Use one version of the program everywhere.",
             value(letter.to), value(letter.kind), value(letter.from));
}

}  // namespace shoal::pipeline
