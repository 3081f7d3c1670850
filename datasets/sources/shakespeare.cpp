// Plays of Shakespeare as characters: the text of each role, in sequences whose targets are the next characters.
// "Tiny Shakespeare", 40,000 lines in one text file; A. Karpathy, github.com/karpathy/char-rnn; in the public domain. A
// role is a natural client, as in McMahan et al., AISTATS 2017 (arXiv 1602.05629), and LEAF (Caldas et al. 2018, arXiv
// 1812.01097), for partition "natural"; the first four fifths of its text are for training, the rest for testing.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "datasets/readers/play.hpp"
#include "datasets/sources/shared/contents.hpp"
#include "datasets/sources/shared/published.hpp"
#include "sim/task/token_store.hpp"

namespace shoal::sources {
namespace {

constexpr std::string_view file_name = "tinyshakespeare_input.txt";
constexpr std::string_view sha256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed";
constexpr std::int64_t most_bytes = 64 << 20;

std::string found(std::string path) {
  const char* root = std::getenv("SHOAL_DATA");
  if (path.empty() && root != nullptr && *root != '\0') {
    path = (std::filesystem::path(root) / "shakespeare" / file_name).string();
  }
  std::error_code failure;
  if (!path.empty() && std::filesystem::exists(path, failure)) return path;
  const std::string place = path.empty() ? "no file is given: neither 'file' nor the environment's SHOAL_DATA"
                                         : fmt::format("file '{}' does not exist", path);
  user_error(
      "{} (expected {}, sha-256 {}). Get data/tinyshakespeare/input.txt from github.com/karpathy/char-rnn, and "
      "save it under that name in $SHOAL_DATA/shakespeare, or name it in 'file'.",
      place, file_name, sha256);
}

// The text of each role, in the order of the file.
std::map<std::string, std::string> roles_of(const std::string& path) {
  std::map<std::string, std::string> roles;
  const readers::Bytes content = readers::read_unpacked(path, most_bytes);
  check_published(path, sha256, std::as_bytes(std::span(content)));
  for (const readers::Speech& speech : readers::parse_play(content, path)) roles[speech.speaker] += speech.text;
  return roles;
}

// The number of each character among those that occur, in the order of ASCII; -1 for the others.
class Alphabet {
 public:
  explicit Alphabet(const std::map<std::string, std::string>& texts) {
    number_.fill(-1);
    for (const auto& [role, text] : texts) {
      for (const unsigned char c : text) number_[c] = 0;
    }
    for (std::int32_t& number : number_) {
      if (number == 0) number = size_++;
    }
  }
  std::int32_t operator[](char c) const { return number_[static_cast<unsigned char>(c)]; }
  std::int32_t size() const { return size_; }

 private:
  std::array<std::int32_t, 256> number_;
  std::int32_t size_ = 0;
};

class Shakespeare final : public Source {
 public:
  explicit Shakespeare(Settings& s)
      : file_(s.text("file", "", fmt::format("path of the text; empty: $SHOAL_DATA/shakespeare/{}", file_name))),
        length_(s.integer("length", 80, "characters of a sequence; a role's last one may be shorter", between(1, 1e6))),
        minimum_(s.integer("minimum", 2, "roles that say fewer characters are left out", between(2, 1e9))) {}

  Dataset load() const override {
    const std::string path = found(file_);
    std::map<std::string, std::string> roles = roles_of(path);
    std::erase_if(roles, [&](const auto& role) { return std::ssize(role.second) < minimum_; });
    if (roles.empty()) {
      user_error(
          "file '{}' has no role that says {} characters or more. Lower 'minimum', or check that it is the right "
          "file.",
          path, minimum_);
    }
    const Alphabet alphabet(roles);
    Sequences train = empty(alphabet), test = empty(alphabet);
    std::int32_t number = 0;
    for (const auto& [role, text] : roles) {
      const std::size_t cut = text.size() - text.size() / 5;
      add(std::string_view(text).substr(0, cut), number, alphabet, train);
      add(std::string_view(text).substr(cut), number++, alphabet, test);
    }
    Dataset data{.train = std::make_shared<const TokenStore>(std::move(train)),
                 .test = std::make_shared<const TokenStore>(std::move(test)),
                 .digest = {}};
    data.digest = contents_digest(*data.train, *data.test);
    return data;
  }

 private:
  static Sequences empty(const Alphabet& alphabet) {
    Sequences out;
    out.form = {.features = Form::Features::tokens, .targets = Form::Targets::tokens, .vocabulary = alphabet.size()};
    out.begin = {0};
    return out;
  }

  // All characters but the last have a target: the next one. The target of a sequence's last character is the first of
  // the next sequence.
  void add(std::string_view text, std::int32_t role, const Alphabet& alphabet, Sequences& to) const {
    for (std::size_t first = 0; first + 1 < text.size(); first += length_) {
      const std::size_t last = std::min(first + length_, text.size() - 1);
      for (std::size_t i = first; i < last; ++i) {
        to.tokens.push_back(alphabet[text[i]]);
        to.next.push_back(alphabet[text[i + 1]]);
      }
      to.begin.push_back(std::ssize(to.tokens));
      to.groups.push_back(role);
    }
  }

  std::string file_;
  std::int64_t length_, minimum_;
};

}  // namespace

std::unique_ptr<Source> shakespeare(Settings& settings) { return std::make_unique<Shakespeare>(settings); }

}  // namespace shoal::sources
