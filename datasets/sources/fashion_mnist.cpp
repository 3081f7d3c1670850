// Fashion-MNIST: 60,000 training and 10,000 test images of clothing in ten classes, 28 x 28 grey. Zalando SE, MIT
// license; needs the four published IDX files, packed or not. Xiao, Rasul, Vollgraf 2017 (arXiv 1708.07747).
#include "datasets/sources/shared/idx_images.hpp"

namespace shoal::sources {
namespace {

constexpr PublishedImages published = {
    .title = "Fashion-MNIST",
    .folder = "fashion-mnist",
    .page = "https://github.com/zalandoresearch/fashion-mnist (data/fashion)",
    .train_images = {"train-images-idx3-ubyte", "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
                     "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"},
    .train_labels = {"train-labels-idx1-ubyte", "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
                     "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"},
    .test_images = {"t10k-images-idx3-ubyte", "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
                    "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"},
    .test_labels = {"t10k-labels-idx1-ubyte", "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
                    "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"},
    .mean = 0.2860,
    .deviation = 0.3530,
};

}  // namespace

std::unique_ptr<Source> fashion_mnist(Settings& settings) { return idx_images(published, settings); }

}  // namespace shoal::sources
