#include "datasets/readers/gzip.hpp"

#include <zlib.h>

#include <algorithm>

#include "sim/error.hpp"
#include "sim/files/inputs.hpp"
#include "sim/files/read_file.hpp"

namespace shoal::readers {
namespace {

constexpr std::uint8_t magic[] = {0x1f, 0x8b};

// The last four bytes claim the unpacked size, little-endian, modulo 2^32: a hint. Deflate packs 1032 to 1 at most.
std::int64_t claimed_size(std::span<const std::uint8_t> packed, std::int64_t limit) {
  if (packed.size() < 4) return 0;
  std::uint32_t claimed = 0;
  for (std::size_t i = 1; i <= 4; ++i) claimed = claimed << 8 | packed[packed.size() - i];
  return std::min({std::int64_t{claimed}, limit, 1032 * std::ssize(packed)});
}

// Unpacks one file, piece by piece, because zlib counts in 32 bits.
class Inflater {
 public:
  Inflater(std::span<const std::uint8_t> packed, const std::string& name)
      : packed_(packed), name_(name), buffer_(piece) {
    // 16 + window bits: gzip members only.
    if (inflateInit2(&stream_, 16 + MAX_WBITS) != Z_OK)
      system_error("zlib cannot start: {}", stream_.msg ? stream_.msg : "");
  }
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  bool done() const { return done_; }

  // The next piece of the contents, valid until the next call. UserError where the file is damaged.
  std::span<const std::uint8_t> next() {
    const std::size_t given = std::min(piece, packed_.size() - read_);
    stream_.next_in = const_cast<Bytef*>(packed_.data() + read_);
    stream_.avail_in = given;
    stream_.next_out = buffer_.data();
    stream_.avail_out = piece;
    const int answer = inflate(&stream_, Z_NO_FLUSH);
    read_ += given - stream_.avail_in;
    const std::size_t made = piece - stream_.avail_out;
    if (answer == Z_STREAM_END) {
      end_member();
    } else {
      check(answer, made);
    }
    return {buffer_.data(), made};
  }

 private:
  static constexpr std::size_t piece = 1 << 16;

  // Another member may follow; anything else is refused by the inflater.
  void end_member() {
    done_ = read_ == packed_.size();
    if (done_) return;
    if (packed_[read_] != magic[0]) {
      user_error("file '{}' has {} bytes after the end of its gzip data (expected none). Download it again.", name_,
                 packed_.size() - read_);
    }
    inflateReset(&stream_);
  }

  void check(int answer, std::size_t made) const {
    if (answer == Z_MEM_ERROR) throw std::bad_alloc();
    if (answer != Z_OK && answer != Z_BUF_ERROR) {
      user_error("file '{}' is damaged gzip data near byte {} of {} ({}). Download it again.", name_, read_,
                 packed_.size(), stream_.msg ? stream_.msg : "it does not inflate");
    }
    if (read_ == packed_.size() && made == 0) {
      user_error(
          "file '{}' is cut short: its gzip data ends after {} bytes, before the end that gzip marks. Download it "
          "again.",
          name_, packed_.size());
    }
  }

  std::span<const std::uint8_t> packed_;
  const std::string& name_;
  std::size_t read_ = 0;
  Bytes buffer_;
  bool done_ = false;
  z_stream stream_{};
};

}  // namespace

bool is_gzip(std::span<const std::uint8_t> content) {
  return content.size() >= 2 && content[0] == magic[0] && content[1] == magic[1];
}

Bytes gunzip(std::span<const std::uint8_t> packed, const std::string& name, std::int64_t limit) {
  Inflater inflater(packed, name);
  Bytes out;
  out.reserve(claimed_size(packed, limit));
  while (!inflater.done()) {
    const std::span<const std::uint8_t> made = inflater.next();
    if (std::ssize(made) > limit - std::ssize(out)) {
      user_error(
          "file '{}' unpacks to more than {} bytes (the most that is expected of it). Check that it is the right file.",
          name, limit);
    }
    out.insert(out.end(), made.begin(), made.end());
  }
  return out;
}

Bytes read_unpacked(const std::string& path, std::int64_t limit) {
  ensure(limit >= 0, "size limit {} for '{}'", limit, path);
  // Packed data can be a little larger than what it unpacks to.
  const std::string text = read_file(path, limit + 4096);
  const std::span content(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
  if (is_gzip(content)) {
    Bytes unpacked = gunzip(content, path, limit);
    note_input(path, std::as_bytes(std::span(unpacked)));  // not how it was packed
    return unpacked;
  }
  if (std::ssize(content) > limit) refuse_size(path, std::ssize(content), limit);
  return {content.begin(), content.end()};
}

}  // namespace shoal::readers
