// MNIST: 60,000 training and 10,000 test images of handwritten digits, 28 x 28 grey, ink bright. Y. LeCun, C. Cortes,
// C. Burges; needs the four published IDX files, packed or not. LeCun et al., Proceedings of the IEEE 86 (11), 1998.
#include "datasets/sources/shared/idx_images.hpp"

namespace shoal::sources {

std::unique_ptr<Source> mnist(Settings& settings) { return idx_images(mnist_images, settings); }

}  // namespace shoal::sources
