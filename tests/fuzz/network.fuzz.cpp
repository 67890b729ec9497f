// A tensor file of any numbers that looks like a network, a network with divergence or a training: loads and
// works, or is a file_error.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/io/checkpoint.hpp>
#include <diamond/io/training_checkpoint.hpp>

#include "draws.hpp"

using namespace diamond;

namespace {

constexpr index_t parameters_of_training = 4;

template <class Real>
Real any_number(diamond_fuzz::draws& in) {
    switch (in.integer(0, 19)) {
    case 0:
        return static_cast<Real>(NAN);
    case 1:
        return static_cast<Real>(HUGE_VAL);
    case 2:
        return static_cast<Real>(3e38);
    case 3:
        return static_cast<Real>(1e-45);
    case 4:
        return static_cast<Real>(1e-300);
    case 5:
        return static_cast<Real>(1e300);
    default:
        return static_cast<Real>(in.number(-3, 3));
    }
}

template <class Batch>
void use(const eigen::context& context, const io::tensor_file& file) {
    using real = typename Batch::value_type;
    try {
        const auto network = io::network_from<Batch, linear_schedule>(context, file);
        const index_t d = network.dimension(), n = 5;
        Batch x(context, d, n), out(context, d, n);
        for (index_t i = 0; i < d * n; ++i)
            x.data()[i] = static_cast<real>(0.3 * static_cast<double>(i % 7) - 1);
        auto space = network.make_workspace(context, n);
        for (const int label : {-1, 0, 1}) {
            try {
                network({x.read(), x.read(), time_view(0.5), time_view(0.3), time_view(1.0)}, labels(label),
                        space, out.mutable_view());
            } catch (const std::invalid_argument&) { // a label that the network does not know
            }
        }
        io::tensor_file again; // written again it is read again
        io::detail::put_network(again, "diamond_network", network.architecture(), network.parameters());
        static_cast<void>(io::network_from<Batch, linear_schedule>(context, again));
    } catch (const io::file_error&) {
    }
    try {
        auto map = io::flow_map_from<Batch>(context, file);
        const index_t d = map.network().dimension(), n = 3;
        Batch x(context, d, n), out(context, d, n);
        for (index_t i = 0; i < d * n; ++i) x.data()[i] = static_cast<real>(0.1);
        std::vector<double> m(static_cast<std::size_t>(n));
        try {
            map(x.read(), interval{0.0, 1.0}, labels(-1), out.mutable_view(), row(context, n, m.data()));
        } catch (const std::invalid_argument&) {
        }
    } catch (const io::file_error&) {
    }
    try {
        const auto state = io::training_from<Batch>(context, file, "setting", parameters_of_training);
        if (state.step < 0) std::abort();
        static_cast<void>(state.losses().diagonal());
    } catch (const io::file_error&) {
    }
}

void put_training(io::tensor_file& file, diamond_fuzz::draws& in) {
    file.metadata = {{"format", "diamond_training"},
                     {"version", "1.0"},
                     {"setting", "setting"},
                     {"step", digits_of(in.integer<std::int64_t>())}};
    for (const char* name : {"theta", "average", "mean", "variance"}) {
        std::vector<float> values(parameters_of_training);
        for (auto& x : values) x = any_number<float>(in);
        file.tensors[name] = io::make_tensor({parameters_of_training}, values);
    }
    const auto shape = io::detail::losses_shape();
    std::vector<double> losses(static_cast<std::size_t>(shape[0] * shape[1] * shape[2]));
    for (auto& x : losses) x = in.remaining_bytes() > 0 ? any_number<double>(in) : 0.0;
    file.tensors["losses"] = io::make_tensor(shape, losses);
}

void put_network(io::tensor_file& file, diamond_fuzz::draws& in, bool joint) {
    const auto small = [&](index_t most) { return in.integer<index_t>(0, most); };
    const index_t d = small(5), width = small(6), blocks = small(3), classes = small(3);
    const char* kinds[] = {"silu", "gelu", "identity", "tanh", "relu", "leaky_relu", "softsign"};
    const auto positive = [&] { return digits_of(std::abs(any_number<double>(in))); };
    const auto nonlinearity = kinds[in.integer(0, 15) % 4 == 3 ? in.integer(0, 6) : in.integer(0, 5)];
    file.metadata = {{"format", joint ? "joint_network" : "diamond_network"},
                     {"version", "1.0"},
                     {"schedule", "linear"},
                     {"inner_schedule", "linear"},
                     {"parametrisation", "mean_velocity"},
                     {"time_direction", "noise_to_data"},
                     {"preconditioning", "gaussian_frame"},
                     {"architecture", "residual_mlp"},
                     {"width", digits_of(width)},
                     {"blocks", digits_of(blocks)},
                     {"nonlinearity", nonlinearity},
                     {"time_frequencies", digits_of(detail::time_frequencies)},
                     {"classes", digits_of(classes)},
                     {"divergence", in.boolean() ? "+div" : "-div"}};
    for (const char* key : {"divergence_divisor", "divergence_resolution", "base_deviation"})
        file.metadata[key] = positive();
    const int norm = in.integer(0, 3); // none in half of the files
    if (norm > 1) {
        file.metadata["normalisation"] = norm == 2 ? "rms" : "layer";
        file.metadata["normalisation_epsilon"] = in.boolean() ? "1e-05" : positive();
    }
    if (in.integer(0, 7) == 0) { // spoils one entry
        auto at = file.metadata.begin();
        std::advance(at, in.integer(0, static_cast<int>(file.metadata.size()) - 1));
        at->second = in.text(24);
    }
    const auto put = [&]<class Real>(const std::string& name, std::vector<index_t> shape, Real rest,
                                     bool above_zero = false) {
        if (in.integer(0, 31) == 0) return;
        if (in.integer(0, 31) == 0) shape.push_back(small(3));
        std::size_t count = 1;
        for (const auto extent : shape) count *= static_cast<std::size_t>(extent);
        std::vector<Real> values(count);
        for (auto& x : values) {
            x = in.remaining_bytes() > 0 ? any_number<Real>(in) : rest;
            if (above_zero && in.integer(0, 15) != 0) x = std::abs(x) + static_cast<Real>(1e-3);
        }
        file.tensors[name] = io::make_tensor(shape, values);
    };
    put("frame.mean", {d}, 0.5);
    put("frame.variance", {d}, 0.5, true);
    if (in.boolean()) {
        std::vector<double> unit(static_cast<std::size_t>(d * d));
        for (index_t i = 0; i < d; ++i) unit[static_cast<std::size_t>(i + d * i)] = 1;
        file.tensors["frame.basis"] = io::make_tensor({d, d}, unit);
        if (in.boolean()) put("frame.basis", {d, d}, 0.5);
    }
    using architecture = diamond_mlp<eigen::batch<float>, linear_schedule>;
    const index_t inputs = architecture::inputs(d, {.classes = classes});
    for (index_t l = 0; l <= blocks + 1; ++l) {
        const index_t from = l == 0 ? inputs : width, to = l <= blocks ? width : d + (joint ? 1 : 0);
        put("layers." + digits_of(l) + ".weight", {to, from}, 0.1f);
        put("layers." + digits_of(l) + ".bias", {to}, 0.1f);
        if (norm > 1 && l > 0) put("layers." + digits_of(l) + ".norm.weight", {from}, 1.0f);
        if (norm > 2 && l > 0) put("layers." + digits_of(l) + ".norm.bias", {from}, 0.0f);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const eigen::context context{.threads = 1};
    diamond_fuzz::draws in(data, size);
    const int kind = in.integer(0, 2);
    io::tensor_file file;
    if (kind == 2)
        put_training(file, in);
    else
        put_network(file, in, kind == 1);
    use<eigen::batch<float>>(context, file);
    use<eigen::batch<double>>(context, file);
    return 0;
}
