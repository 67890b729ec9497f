/// This header runs sequential Monte Carlo so that a run which is killed loses a few steps and no more.
#pragma once

#include <filesystem>
#include <string>
#include <utility>

#include <diamond/align/smc.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>
#include <diamond/io/snapshot.hpp>

namespace diamond::io {

/// Says where a run of sequential Monte Carlo saves itself, and how often.
struct saved_run {
    std::filesystem::path file; ///< holds the last snapshot, and is replaced atomically
    std::string setting;        ///< identifies the run, its model and its reward, as save_snapshot has it
    index_t every = 1;          ///< is the number of steps from one snapshot to the next, 1 or more
};

/// Runs the sampler, saves a snapshot after every `where.every` steps and after the last, and goes on from
/// the file where there is one: a run that was killed, by any signal and at any time, and is called again
/// with the same arguments gives the bits of one that was not. The observer gets the sampler's state after
/// each step. The file stays when the run is done, so that a caller who is killed before he has kept the
/// result gets it again; delete it, or give another name, for another run. `seconds` of the result are those
/// of this process. Cost: that of the steps that were not saved, and per snapshot a copy of the particles to
/// the host.
/// @throws std::invalid_argument unless `every` is 1 or more; where the file is of another setting of the
/// sampler or another seed, with both values; whatever the sampler throws. @throws file_error where the file
/// has another `setting`, is no snapshot or is spoilt, or cannot be written.
template <class Sampler, class Observer = no_observer>
[[nodiscard]] typename Sampler::result_type run_saved(Sampler& sampler, const saved_run& where,
                                                      const typename Sampler::context_type& context,
                                                      philox rng,
                                                      const typename Sampler::condition_type& condition = {},
                                                      Observer observer = {}) {
    require(where.every >= 1, [&] {
        return "a run that is saved every " + digits_of(where.every) + " steps: 1 or more are needed";
    });
    using real = typename Sampler::batch_type::value_type;
    auto state = std::filesystem::exists(where.file)
                   ? sampler.resume(context, rng, load_snapshot<real>(where.file, where.setting), condition)
                   : sampler.start(context, rng, condition);
    while (!state.done()) {
        sampler.step(state);
        if (state.done() || state.step() % where.every == 0)
            save_snapshot(where.file, state.snapshot(), where.setting);
        observer(std::as_const(state));
    }
    return sampler.finish(std::move(state));
}

} // namespace diamond::io
