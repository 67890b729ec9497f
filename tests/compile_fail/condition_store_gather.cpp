// expect: a condition_store needs gather(context, condition, const std::int32_t* ancestors, columns)
#include <diamond/backend/eigen.hpp>
#include <diamond/core/condition.hpp>

struct prompt {};
template <class Context>
class diamond::condition_store<prompt, Context> {
public:
    prompt repeat(const Context&, const prompt& from, diamond::index_t, diamond::index_t) { return from; }
};
static_assert(diamond::diagnose_condition<prompt, diamond::eigen::context>());
