#include "sim/comm/socket_mailbox.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <deque>
#include <exception>
#include <map>
#include <optional>
#include <thread>
#include <utility>

#include "sim/comm/letter_queue.hpp"
#include "sim/comm/socket_frames.hpp"

namespace shoal {
namespace {

using std::chrono::milliseconds;

template <class T>
Bytes bytes_of(const T& value) {
  const auto bytes = std::as_bytes(std::span(&value, 1));
  return {bytes.begin(), bytes.end()};
}

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  int number() const { return number_; }

 private:
  int number_;
};

struct Outgoing {
  Bytes head;
  std::shared_ptr<const Bytes> body;  // shared with the sender: not copied
  std::size_t written = 0;            // bytes of both
};

// A process at the other end, and the part of its stream that is being read.
struct Peer {
  Peer(Descriptor its_socket, std::string its_name) : socket(std::move(its_socket)), name(std::move(its_name)) {}

  enum class Part { greeting, endpoints, frame, body };

  Descriptor socket;
  std::string name;
  std::vector<Endpoint> endpoints;
  std::int64_t credit = 0;   // letters that it still takes from here
  std::int64_t waiting = 0;  // letters of it that were not handed over yet
  bool refused = false;      // since a letter found no room
  std::deque<Outgoing> outgoing;
  bool takes_no_more = false;  // writing failed; reading tells why

  Part part = Part::greeting;
  std::size_t have = 0;  // bytes of the part
  SocketGreeting greeting;
  std::vector<std::int64_t> announced;
  SocketFrame frame;
  std::shared_ptr<Bytes> body;
};

// The reason why a peer is given up.
struct Refusal final : std::runtime_error {
  using std::runtime_error::runtime_error;
};

template <class... Args>
void demand(bool holds, fmt::format_string<Args...> format, Args&&... args) {
  if (!holds) throw Refusal(fmt::format(format, std::forward<Args>(args)...));
}

// Makes the file of a listening socket, for this user alone, and removes it in the end.
class Listener {
 public:
  explicit Listener(const std::string& path);
  ~Listener() { unlink(path_.c_str()); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  int number() const { return socket_.number(); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  Descriptor socket_;
};

class Sockets final : public SocketMailbox {
 public:
  Sockets(std::span<const Endpoint> endpoints, std::int64_t capacity)
      : endpoints_(endpoints.begin(), endpoints.end()), capacity_(capacity) {
    check_mailbox(endpoints, capacity);
    ensure(endpoints.size() <= most_socket_endpoints && capacity <= most_socket_capacity,
           "a mailbox for {} endpoints and {} letters", endpoints.size(), capacity);
  }
  ~Sockets() override {
    // A process that an exception ends says no goodbye: the others learn that it failed.
    if (std::uncaught_exceptions() > 0) return;
    try {
      for (auto& [id, peer] : peers_) write(peer, bytes_of(SocketFrame{.frame = FrameKind::goodbye}), nullptr);
      work_until(clock_.after(milliseconds(10'000)), [&] { return all_written(); });
    } catch (const std::exception& error) {  // the others see the socket close
      fmt::print(stderr, "shoal: letters of a mailbox may not have been sent ({})\n", error.what());
    }
  }
  Sockets(const Sockets&) = delete;
  Sockets& operator=(const Sockets&) = delete;

  void listen(const std::string& path) { listener_.emplace(path); }
  void add(Descriptor socket, std::string name) {
    const int flags = fcntl(socket.number(), F_GETFL);
    if (flags < 0 || fcntl(socket.number(), F_SETFL, flags | O_NONBLOCK) != 0) {
      system_error("fcntl failed ({})", std::strerror(errno));
    }
    const std::uint32_t count = endpoints_.size();
    Bytes greeting = bytes_of(SocketGreeting{.endpoints = count, .capacity = capacity_});
    const auto numbers = std::as_bytes(std::span(endpoints_));
    greeting.insert(greeting.end(), numbers.begin(), numbers.end());
    Peer& peer = peers_.try_emplace(next_id_++, std::move(socket), std::move(name)).first->second;
    write(peer, std::move(greeting), nullptr);
  }
  // Whether the greeting of the only peer arrives in time.
  bool wait_for_greeting(milliseconds patience) {
    return wait(patience, [&] { return !peer_of_.empty(); });
  }

  bool send(const Letter& letter) override {
    check_letter(letter, endpoints_);
    const Ticks time = now();
    Letter taken = letter;
    taken.due = std::max(letter.due, time);
    if (contains(endpoints_, letter.to)) {
      queue_.add(std::move(taken), LetterQueue::own);
      return true;
    }
    Peer* to = find(letter.to);
    if (to != nullptr && to->credit == 0) {
      work(time);  // room may have been reported
      to = find(letter.to);
    }
    if (to == nullptr) {
      throw_failure();
      throw NoSuchEndpoint(letter.to);
    }
    if (to->credit == 0) {
      to->refused = true;
      return false;
    }
    --to->credit;
    const SocketFrame frame{.frame = FrameKind::letter,
                            .kind = value(letter.kind),
                            .from = value(letter.from),
                            .to = value(letter.to),
                            .delay = value(taken.due - time),
                            .size = letter.body ? letter.body->size() : 0};
    write(*to, bytes_of(frame), letter.body);
    return true;
  }

  std::optional<Letter> next(milliseconds patience) override {
    const Ticks deadline = clock_.after(patience);
    for (Ticks until = now();; until = queue_.first_due(deadline)) {
      work(until);
      const Ticks time = now();
      if (queue_.ready(time)) {
        LetterQueue::Held first = queue_.take();
        give_credit(first.source);
        return std::move(first.letter);
      }
      throw_failure();
      if (std::exchange(may_retry_, false) || time >= deadline) return std::nullopt;
    }
  }

  Ticks now() const override { return clock_.now(); }

  bool wait_for(Endpoint endpoint, milliseconds patience) override {
    return wait(patience, [&] { return find(endpoint) != nullptr; });
  }
  bool flush(milliseconds patience) override {
    return wait(patience, [&] { return all_written(); });
  }

 private:
  // Returns whether `done` holds before the patience ends; throws what fails by then.
  template <class Done>
  bool wait(milliseconds patience, const Done& done) {
    const bool is_done = work_until(clock_.after(patience), [&] { return !failures_.empty() || done(); });
    throw_failure();
    return is_done;
  }
  template <class Done>
  bool work_until(Ticks deadline, const Done& done) {
    work(now());
    while (!done()) {
      if (now() >= deadline) return false;
      work(deadline);
    }
    return true;
  }

  Peer* find(Endpoint endpoint) {
    const auto found = peer_of_.find(endpoint);
    return found == peer_of_.end() ? nullptr : &peers_.at(found->second);
  }
  bool all_written() const {
    return std::ranges::all_of(peers_, [](const auto& entry) { return entry.second.outgoing.empty(); });
  }
  void throw_failure() {
    if (failures_.empty()) return;
    PeerFailed first = std::move(failures_.front());
    failures_.pop_front();
    throw first;
  }
  void give_credit(std::int64_t id) {
    const auto found = peers_.find(id);
    if (found == peers_.end()) return;  // own, or it has left
    --found->second.waiting;
    write(found->second, bytes_of(SocketFrame{.frame = FrameKind::credit}), nullptr);
  }

  // Waits until some socket is ready, but not beyond `until`, and then reads and writes what is possible.
  void work(Ticks until) {
    std::vector<pollfd> polled;
    std::vector<std::int64_t> ids;
    for (const auto& [id, peer] : peers_) {
      const short events = peer.outgoing.empty() ? POLLIN : POLLIN | POLLOUT;
      polled.push_back({peer.socket.number(), events, 0});
      ids.push_back(id);
    }
    if (listener_) polled.push_back({listener_->number(), POLLIN, 0});
    const std::int64_t wait = std::max<std::int64_t>(value(until - now()), 0);
    const timespec timeout{wait / 1'000'000, wait % 1'000'000 * 1000};
    const int ready = ppoll(polled.data(), polled.size(), &timeout, nullptr);
    if (ready < 0 && errno != EINTR) system_error("ppoll failed ({})", std::strerror(errno));
    if (ready <= 0) return;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (polled[i].revents == 0) continue;
      Peer& peer = peers_.at(ids[i]);
      if ((polled[i].revents & POLLOUT) != 0) write_on(peer);
      try {
        if ((polled[i].revents & ~POLLOUT) != 0 && !read(ids[i], peer)) drop(ids[i]);
      } catch (const Refusal& refusal) {
        failures_.emplace_back(fmt::format("{}{} {}", peer.name, list(peer.endpoints), refusal.what()), peer.endpoints);
        drop(ids[i]);
      }
    }
    if (listener_ && polled.back().revents != 0) accept_all();
  }

  void accept_all() {
    while (true) {
      Descriptor socket(accept4(listener_->number(), nullptr, nullptr, SOCK_CLOEXEC));
      if (socket.number() >= 0) {
        add(std::move(socket), fmt::format("a process that connected to '{}'", listener_->path()));
      } else if (errno == EAGAIN) {
        return;
      } else if (errno != EINTR && errno != ECONNABORTED) {
        system_error("cannot accept a connection to '{}' ({})", listener_->path(), std::strerror(errno));
      }
    }
  }

  void drop(std::int64_t id) {
    const auto found = peers_.find(id);
    for (const Endpoint endpoint : found->second.endpoints) peer_of_.erase(endpoint);
    may_retry_ = may_retry_ || found->second.refused;
    peers_.erase(found);
  }

  static std::string list(const std::vector<Endpoint>& endpoints) {
    if (endpoints.empty()) return "";
    std::string text = endpoints.size() == 1 ? " (endpoint " : " (endpoints ";
    for (const Endpoint endpoint : endpoints) text += fmt::format("{}, ", value(endpoint));
    text.replace(text.size() - 2, 2, ")");
    return text;
  }

  void write(Peer& peer, Bytes head, std::shared_ptr<const Bytes> body) {
    if (peer.takes_no_more) return;
    peer.outgoing.push_back({std::move(head), std::move(body)});
    if (peer.outgoing.size() == 1) write_on(peer);
  }
  void write_on(Peer& peer) {
    while (!peer.outgoing.empty()) {
      Outgoing& first = peer.outgoing.front();
      const std::size_t body_size = first.body ? first.body->size() : 0, whole = first.head.size() + body_size;
      const std::size_t of_head = std::min(first.written, first.head.size()), of_body = first.written - of_head;
      iovec pieces[2] = {{first.head.data() + of_head, first.head.size() - of_head}, {nullptr, 0}};
      // sendmsg reads only, although its type does not say so.
      if (body_size > 0) pieces[1] = {const_cast<std::byte*>(first.body->data()) + of_body, body_size - of_body};
      msghdr message{};
      message.msg_iov = pieces;
      message.msg_iovlen = 2;
      const ssize_t written = sendmsg(peer.socket.number(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0 && (errno == EAGAIN || errno == ENOBUFS)) return;
      if (written < 0) {  // it has gone: a goodbye or what it sent before may still have to be read
        peer.takes_no_more = true;
        peer.outgoing.clear();
        return;
      }
      first.written += written;
      if (first.written == whole) peer.outgoing.pop_front();
    }
  }

  // False after a goodbye; throws Refusal.
  bool read(std::int64_t id, Peer& peer) {
    while (true) {
      switch (peer.part) {
        case Peer::Part::greeting:
          if (!fill(peer, &peer.greeting, sizeof peer.greeting)) return true;
          check(peer.greeting);
          peer.announced.resize(peer.greeting.endpoints);
          peer.part = Peer::Part::endpoints;
          break;
        case Peer::Part::endpoints:
          if (!fill(peer, peer.announced.data(), peer.announced.size() * sizeof(std::int64_t))) return true;
          admit(id, peer);
          peer.part = Peer::Part::frame;
          break;
        case Peer::Part::frame:
          if (!fill(peer, &peer.frame, sizeof peer.frame)) return true;
          if (peer.frame.frame == FrameKind::goodbye) return false;
          begin(id, peer);
          break;
        case Peer::Part::body:
          if (!fill_body(peer)) return true;
          deliver(id, peer);
          break;
      }
    }
  }

  // Reads on until `size` bytes are there; false if the rest has not arrived yet.
  static bool fill(Peer& peer, void* to, std::size_t size) {
    while (peer.have < size) {
      const ssize_t got = recv(peer.socket.number(), static_cast<char*>(to) + peer.have, size - peer.have, 0);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && errno == EAGAIN) return false;
      demand(got >= 0 || errno == ECONNRESET, "cannot be read ({})", std::strerror(errno));
      if (got <= 0) {
        demand(peer.part != Peer::Part::greeting || peer.have > 0, "went away before its greeting");
        demand(peer.part != Peer::Part::frame || peer.have > 0, "went away without a goodbye");
        throw Refusal(peer.part < Peer::Part::frame ? "went away within its greeting" : "went away within a letter");
      }
      peer.have += got;
    }
    peer.have = 0;
    return true;
  }
  // Takes memory as the bytes arrive: a size alone does not.
  static bool fill_body(Peer& peer) {
    constexpr std::size_t step = std::size_t{1} << 20;
    while (true) {
      Bytes& body = *peer.body;
      if (!fill(peer, body.data(), body.size())) return false;
      if (body.size() == peer.frame.size) return true;
      peer.have = body.size();
      body.resize(std::min<std::size_t>(peer.frame.size, std::max(step, 2 * body.size())));
    }
  }

  static void check(const SocketGreeting& greeting) {
    demand(greeting.magic == socket_magic, "does not greet as a mailbox of Shoal");
    demand(greeting.version == socket_version, "uses version {} of the greeting instead of {}", greeting.version,
           socket_version);
    demand(greeting.endpoints >= 1 && greeting.endpoints <= most_socket_endpoints, "announces {} endpoints",
           greeting.endpoints);
    demand(greeting.capacity >= 1 && greeting.capacity <= most_socket_capacity, "announces room for {} letters",
           greeting.capacity);
  }
  void admit(std::int64_t id, Peer& peer) {
    for (const std::int64_t number : peer.announced) {
      const Endpoint endpoint{number};
      demand(!contains(endpoints_, endpoint) && !peer_of_.contains(endpoint) && !contains(peer.endpoints, endpoint),
             "announces endpoint {}, which is there already", number);
      peer.endpoints.push_back(endpoint);
    }
    for (const Endpoint endpoint : peer.endpoints) peer_of_[endpoint] = id;
    peer.credit = peer.greeting.capacity;
  }
  void begin(std::int64_t id, Peer& peer) {
    const SocketFrame& frame = peer.frame;
    if (frame.frame == FrameKind::credit) {
      demand(peer.credit < peer.greeting.capacity, "reports more room than it has");
      ++peer.credit;
      may_retry_ = may_retry_ || std::exchange(peer.refused, false);
      return;
    }
    demand(frame.frame == FrameKind::letter, "sends a frame of the unknown kind {}", static_cast<int>(frame.frame));
    demand(contains(peer.endpoints, Endpoint{frame.from}), "sends a letter of endpoint {}, which is not there",
           frame.from);
    demand(contains(endpoints_, Endpoint{frame.to}), "sends a letter to endpoint {}, which is not here", frame.to);
    demand(frame.size <= largest_letter, "sends a letter of {} bytes", frame.size);
    demand(peer.waiting < capacity_, "sends more letters than there is room for");
    ++peer.waiting;
    peer.body = frame.size > 0 ? std::make_shared<Bytes>() : nullptr;
    if (frame.size > 0) {
      peer.part = Peer::Part::body;
    } else {
      deliver(id, peer);
    }
  }
  void deliver(std::int64_t id, Peer& peer) {
    const SocketFrame& frame = peer.frame;
    queue_.add({Endpoint{frame.from}, Endpoint{frame.to}, LetterKind{frame.kind}, std::exchange(peer.body, nullptr),
                clock_.due_in(frame.delay)},
               id);
    peer.part = Peer::Part::frame;
  }

  std::vector<Endpoint> endpoints_;
  std::int64_t capacity_;
  std::optional<Listener> listener_;
  std::map<std::int64_t, Peer> peers_;  // by id, never used again
  std::int64_t next_id_ = 0;
  std::map<Endpoint, std::int64_t> peer_of_;
  LetterQueue queue_;
  std::deque<PeerFailed> failures_;  // not thrown yet
  bool may_retry_ = false;           // a peer that refused a letter has room, or has left
  LetterClock clock_;
};

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    user_error("the path of a socket '{}' has {} bytes, at most {} are allowed. Choose a shorter one.", path,
               path.size(), sizeof address.sun_path - 1);
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

Descriptor stream_socket(int more_flags) {
  Descriptor made(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | more_flags, 0));
  if (made.number() < 0) system_error("cannot make a socket ({})", std::strerror(errno));
  return made;
}

// 0 or the error number.
int try_to_connect(const Descriptor& socket, const sockaddr_un& address) {
  return connect(socket.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ? 0 : errno;
}

Listener::Listener(const std::string& path) : path_(path), socket_(stream_socket(SOCK_NONBLOCK)) {
  const sockaddr_un address = address_of(path);
  const auto to_bind = reinterpret_cast<const sockaddr*>(&address);
  fchmod(socket_.number(), S_IRUSR | S_IWUSR);  // the file that `bind` makes gets these rights
  int failed = bind(socket_.number(), to_bind, sizeof address);
  if (failed != 0 && errno == EADDRINUSE) {
    // One that a killed process left refuses to be connected; a file or another process is left alone.
    const int error = try_to_connect(stream_socket(SOCK_NONBLOCK), address);
    struct stat facts {};
    if (error == ECONNREFUSED && lstat(path.c_str(), &facts) == 0 && S_ISSOCK(facts.st_mode)) {
      unlink(path.c_str());
      failed = bind(socket_.number(), to_bind, sizeof address);
    } else {
      errno = EADDRINUSE;
    }
  }
  if (failed != 0) {
    user_error("cannot listen at '{}' ({}). Choose another path.", path, as_message(std::strerror(errno)));
  }
  if (::listen(socket_.number(), SOMAXCONN) != 0) {
    const int error = errno;
    unlink(path.c_str());
    system_error("cannot listen at '{}' ({})", path, std::strerror(error));
  }
}

}  // namespace

std::unique_ptr<SocketMailbox> listen_for_letters(const std::string& path, std::span<const Endpoint> endpoints,
                                                  std::int64_t capacity) {
  auto mailbox = std::make_unique<Sockets>(endpoints, capacity);
  mailbox->listen(path);
  return mailbox;
}

std::unique_ptr<SocketMailbox> connect_for_letters(const std::string& path, std::span<const Endpoint> endpoints,
                                                   std::int64_t capacity, milliseconds patience) {
  auto mailbox = std::make_unique<Sockets>(endpoints, capacity);
  const sockaddr_un address = address_of(path);
  const LetterClock clock;
  const Ticks deadline = clock.after(patience);
  while (true) {
    Descriptor socket = stream_socket(0);
    const int error = try_to_connect(socket, address);
    if (error == 0) {
      mailbox->add(std::move(socket), fmt::format("the process at '{}'", path));
      break;
    }
    const bool may_come = error == ENOENT || error == ECONNREFUSED || error == EINTR;
    if (!may_come || clock.now() >= deadline) {
      system_error("cannot connect to '{}' ({})", path, std::strerror(error));
    }
    std::this_thread::sleep_for(milliseconds(5));
  }
  const std::int64_t left = std::max<std::int64_t>(value(deadline - clock.now()) / 1000, 0);
  if (!mailbox->wait_for_greeting(milliseconds(left))) system_error("the process at '{}' does not greet", path);
  return mailbox;
}

std::unique_ptr<SocketMailbox> letters_over(int socket, std::span<const Endpoint> endpoints, std::int64_t capacity) {
  Descriptor owned(socket);
  auto mailbox = std::make_unique<Sockets>(endpoints, capacity);
  mailbox->add(std::move(owned), "the process at the other end of a socket");
  return mailbox;
}

}  // namespace shoal
