// The methods on the learned model, on the CPU.
#include "learned_family.hpp"

namespace digits {

subject learned_subject(int threads, const learned_settings& settings) {
    return detail::make_learned(std::shared_ptr<const context>(new context{.threads = threads}), settings);
}

} // namespace digits
