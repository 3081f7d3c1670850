#pragma once
// Small files for the tests of readers, and the form that their errors must have.

#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "sim/error.hpp"

namespace shoal::testing {

using Bytes = std::vector<std::uint8_t>;

/// A folder of its own for one test, removed at the end.
class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "shoal-test-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make a folder for the test's files");
    path_ = pattern;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string path() const { return path_; }
  std::string write(const std::string& name, const Bytes& content) const {
    const std::string path = (std::filesystem::path(path_) / name).string();
    std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(content.data()), content.size());
    return path;
  }

 private:
  std::string path_;
};

inline Bytes bytes(const std::string& text) { return {text.begin(), text.end()}; }

/// One gzip member.
inline Bytes gzip(const Bytes& content) {
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 9, Z_DEFAULT_STRATEGY);
  Bytes packed(deflateBound(&stream, content.size()) + 32);
  stream.next_in = const_cast<Bytef*>(content.data());
  stream.avail_in = content.size();
  stream.next_out = packed.data();
  stream.avail_out = packed.size();
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

/// The first `n` bytes.
inline Bytes prefix(const Bytes& content, std::size_t n) { return {content.begin(), content.begin() + n}; }

/// An IDX file: `type` and the extents as the header states them, then `data`.
inline Bytes idx(std::uint8_t type, const std::vector<std::uint32_t>& extents, const Bytes& data) {
  Bytes content = {0, 0, type, static_cast<std::uint8_t>(extents.size())};
  for (const std::uint32_t extent : extents) {
    for (int shift = 24; shift >= 0; shift -= 8) content.push_back(extent >> shift);
  }
  content.insert(content.end(), data.begin(), data.end());
  return content;
}

/// The message of the UserError that `call` must throw: one line, beginning in lower case or with a quote. Anything
/// else fails the test.
template <class Call>
std::string user_error_of(Call&& call) {
  try {
    call();
  } catch (const UserError& error) {
    const std::string text = error.what();
    EXPECT_EQ(text.find('\n'), std::string::npos) << text;
    EXPECT_FALSE(text.empty() || (text[0] >= 'A' && text[0] <= 'Z')) << text;
    return text;
  } catch (const std::exception& error) {
    ADD_FAILURE() << "another kind of error: " << error.what();
    return {};
  }
  ADD_FAILURE() << "no error";
  return {};
}

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace shoal::testing
