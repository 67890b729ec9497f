/// This header names the parts of the study, each of which measures the models in one way.
#pragma once

#include <functional>
#include <string>
#include <utility>

namespace mnist {

class study;
class results;

/// A part measures models in quick sizes or in full, and adds what it finds.
struct part {
    std::string name;
    std::function<void(const study&, bool full, results&)> measure;
};
/// Makes a part of a function and of its options, whose defaults are the quick sizes.
template <class Options>
part part_of(std::string name, void (*measure)(const study&, const Options&, results&)) {
    return {std::move(name), [measure](const study& s, bool full, results& found) {
                measure(s, full ? Options::full() : Options{}, found);
            }};
}

part sample_part();
part likelihood_part();
part posterior_part();
part align_part();
part inpaint_part();
part self_guidance_part();

} // namespace mnist
