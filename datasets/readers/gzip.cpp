#include "datasets/readers/gzip.hpp"

#include <zlib.h>

#include <algorithm>

#include "sim/error.hpp"
#include "sim/read_file.hpp"

namespace shoal::readers {
namespace {

bool is_gzip(std::span<const std::uint8_t> content) {
  return content.size() >= 2 && content[0] == 0x1f && content[1] == 0x8b;
}

/// zlib's inflater for one file; ends with the scope.
class Inflater {
 public:
  Inflater() {
    // 16 + window bits: gzip members only.
    if (inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK)
      system_error("zlib cannot start: {}", stream.msg ? stream.msg : "");
  }
  ~Inflater() { inflateEnd(&stream); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  z_stream stream{};
};

}  // namespace

Bytes gunzip(std::span<const std::uint8_t> packed, const std::string& name, std::int64_t limit) {
  constexpr std::size_t piece = 1 << 16;
  Inflater inflater;
  z_stream& stream = inflater.stream;
  Bytes out, buffer(piece);
  if (packed.size() >= 4) {
    // The last four bytes claim how much there is, little-endian, modulo 2^32: a hint. Deflate packs 1032 to 1 at most.
    std::uint32_t claimed = 0;
    for (std::size_t i = 1; i <= 4; ++i) claimed = claimed << 8 | packed[packed.size() - i];
    out.reserve(static_cast<std::size_t>(std::min({std::int64_t{claimed}, limit, 1032 * std::ssize(packed)})));
  }
  std::size_t read = 0;
  while (true) {
    // Pieces, because zlib counts in 32 bits.
    const std::size_t given = std::min(piece, packed.size() - read);
    stream.next_in = const_cast<Bytef*>(packed.data() + read);
    stream.avail_in = static_cast<uInt>(given);
    stream.next_out = buffer.data();
    stream.avail_out = static_cast<uInt>(piece);
    const int answer = inflate(&stream, Z_NO_FLUSH);
    read += given - stream.avail_in;
    const std::size_t made = piece - stream.avail_out;
    if (made > static_cast<std::size_t>(limit) - out.size()) {
      user_error("file '{}' unpacks to more than {} bytes (the most that is expected of it). Is it the right file?",
                 name, limit);
    }
    out.insert(out.end(), buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(made));
    if (answer == Z_STREAM_END) {
      if (read == packed.size()) return out;
      // Another member may follow; anything else is refused by the inflater.
      if (packed[read] != 0x1f) {
        user_error("file '{}' has {} bytes after the end of its gzip data (expected none). Download it again?", name,
                   packed.size() - read);
      }
      inflateReset(&stream);
      continue;
    }
    if (answer == Z_MEM_ERROR) throw std::bad_alloc();
    if (answer != Z_OK && answer != Z_BUF_ERROR) {
      user_error("file '{}' is damaged gzip data near byte {} of {} ({}). Download it again?", name, read,
                 packed.size(), stream.msg ? stream.msg : "it does not inflate");
    }
    if (read == packed.size() && made == 0) {
      user_error(
          "file '{}' is cut short: its gzip data ends after {} bytes, before the end that gzip marks. Download it "
          "again?",
          name, packed.size());
    }
  }
}

Bytes read_unpacked(const std::string& path, std::int64_t limit) {
  ensure(limit >= 0, "size limit {} for '{}'", limit, path);
  // Packed data can be a little larger than what it unpacks to.
  const std::string text = read_file(path, limit + 4096);
  const std::span content(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
  if (is_gzip(content)) return gunzip(content, path, limit);
  if (std::ssize(content) > limit) refuse_size(path, std::ssize(content), limit);
  return {content.begin(), content.end()};
}

}  // namespace shoal::readers
