// The methods on the exact model, on the CPU.
#include "exact_family.hpp"

namespace digits {

subject exact_subject(int threads, const images& train, double bandwidth) {
    return detail::make_exact(std::shared_ptr<const context>(new context{.threads = threads}), train,
                              bandwidth);
}

} // namespace digits
