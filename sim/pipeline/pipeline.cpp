#include "sim/pipeline/pipeline.hpp"

#include "sim/pipeline/components.hpp"
#include "sim/pipeline/virtual_mailbox.hpp"

namespace shoal::pipeline {

Result run(const Setup& setup, std::uint64_t seed, std::int64_t replicate, Keep keep) {
  // No time passes while tokens are sampled, so no letter would come between them.
  Components components(setup, {.seed = seed, .replicate = replicate, .keep = keep, .step = whole_reply});
  VirtualMailbox mailbox;
  mailbox.send(Components::start());
  while (!components.auditor().complete()) {
    const std::optional<Letter> letter = mailbox.next();
    ensure(letter.has_value(), "no letter is left in the pipeline, and its run has not ended");
    for (const Letter& answer : components.at(letter->to).handle(*letter, mailbox.now())) mailbox.send(answer);
  }
  return components.auditor().result();
}

}  // namespace shoal::pipeline
