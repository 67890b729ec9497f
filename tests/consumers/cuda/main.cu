// A program on a GPU, with its own reward: log Z of a tilted Gaussian. Without a device it says so, and that
// is right, too.
#include <cmath>
#include <cstdio>

#include <diamond/backend/cuda.cuh>
#include <diamond/diamond.hpp>

struct tilt {
    template <class Column>
    DIAMOND_HD double operator()(const Column& z) const {
        return 1.2 * z[0];
    }
};

int main() {
    try {
        using batch = diamond::cuda::batch<double>;
        const diamond::cuda::context context{.device = 0};
        const diamond::exact_posterior sampler{
            diamond::gaussian_mixture<batch, diamond::linear_schedule>{context, {}, {1.0}, {0.7}, {0.25}}};
        diamond::smc program{diamond::ddpm_posterior_kernel{sampler},
                             diamond::posterior_value{sampler, tilt{}, {.samples = 4}},
                             {.particles = 4096, .steps = 4}};
        const auto result = program(context, diamond::philox{7});
        const double wanted = 1.2 * 0.7 + 0.5 * 1.44 * 0.25;
        std::printf("log Z %.4f, wanted %.4f +- %.4f on %s\n", result.log_z, wanted,
                    4.5 * result.log_z_standard_error, context.device_name());
        return std::abs(result.log_z - wanted) > 4.5 * result.log_z_standard_error;
    } catch (const diamond::cuda::error& error) {
        std::printf("%s\n", error.what());
        return error.code() != cudaErrorNoDevice && error.code() != cudaErrorInsufficientDriver &&
               error.code() != cudaErrorStubLibrary;
    }
}
