#pragma once
// Values between examples and a model: the form of the examples, a batch of them, and the model's outputs.

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace shoal {

/// Shape of one example, channels first; a plain vector of features is {n, 1, 1}.
struct Shape {
  std::int64_t channels = 1, height = 1, width = 1;
  std::int64_t size() const { return channels * height * width; }
  bool operator==(const Shape&) const = default;
};

/// The form of a data set's examples: all that a model must know to be built for them.
struct Form {
  enum class Features : std::int8_t { bytes, reals, tokens };  // stored as uint8 or float; sequences of tokens
  enum class Targets : std::int8_t { labels, reals, tokens };  // a class, a real number, or a token per position
  Features features = Features::reals;
  Targets targets = Targets::labels;
  Shape shape{};                // one example; {1, 1, 1} for tokens
  std::int64_t classes = 0;     // labels are 0 to classes - 1; 0 unless targets are labels
  std::int64_t vocabulary = 0;  // tokens are 0 to vocabulary - 1; 0 unless features or targets are tokens
  std::int64_t longest = 0;     // tokens of the longest sequence; 0 unless features are tokens
  float scale = 1, offset = 0;  // the model sees stored value * scale + offset; 1 and 0 for tokens
  bool operator==(const Form&) const = default;
};

/// A batch of b examples. Features are as the model sees them: scale and offset are applied, channels come last.
/// Sequences are padded to the longest of the batch, t tokens; the padding is token 0 with mask 0 and must change no
/// bit of a result.
struct Gathered {
  at::Tensor features;  // [b, height, width, channels] float, the same memory as [b, size]; or [b, t] int64 tokens
  at::Tensor targets;   // [b] int64 labels, [b] float, or [b, t] int64 tokens
  at::Tensor mask;      // [b, t] float; 0: a position that does not count (padding, a target out of the vocabulary).
                        // Undefined: all count
  at::Tensor weights;   // [b] float, weights of the examples in the loss; 0: the row takes no part. Undefined: all 1
};

/// The results of a model for the batches of K clients.
struct Outputs {
  at::Tensor scores;    // [K, b, classes], [K, b, 1] for real targets, or [K, b, t, vocabulary]
  at::Tensor features;  // [K, b, f], the input of the last layer; undefined where a model names none
};

}  // namespace shoal
