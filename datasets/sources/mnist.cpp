// MNIST: 60,000 training and 10,000 test images of handwritten digits, 28 x 28 grey, ink bright. Y. LeCun, C. Cortes,
// C. Burges; needs the four published IDX files, packed or not. LeCun et al., Proceedings of the IEEE 86 (11), 1998.
#include "datasets/idx_images.hpp"

namespace shoal::sources {
namespace {

constexpr PublishedImages published = {
    .title = "MNIST",
    .folder = "mnist",
    .page = "http://yann.lecun.com/exdb/mnist/",
    .train_images = {"train-images-idx3-ubyte", "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"},
    .train_labels = {"train-labels-idx1-ubyte", "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"},
    .test_images = {"t10k-images-idx3-ubyte", "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"},
    .test_labels = {"t10k-labels-idx1-ubyte", "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"},
    .mean = 0.1307,
    .deviation = 0.3081,
};

}  // namespace

std::unique_ptr<Source> mnist(Settings& settings) { return idx_images(published, settings); }

}  // namespace shoal::sources
