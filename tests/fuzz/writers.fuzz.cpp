// Odd numbers, sizes and texts become a picture or JSON, or an exception of ours: never a crash, a hang or
// much memory.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <unistd.h>

#include <diamond/io/json.hpp>
#include <diamond/io/safetensors.hpp>
#include <diamond/plot/image_grid.hpp>
#include <diamond/plot/line_plot.hpp>
#include <diamond/plot/panels.hpp>
#include <diamond/plot/png.hpp>

#include "draws.hpp"

namespace io = diamond::io;
namespace plot = diamond::plot;
/// What fontconfig keeps for the whole run it keeps as distances, where the leak sanitizer looks for
/// pointers.
extern "C" const char* __lsan_default_suppressions() { return "leak:libfontconfig"; }

namespace {
double any(diamond_fuzz::draws& in) {
    switch (in.integer(0, 15)) {
    case 0:
        return NAN;
    case 1:
        return HUGE_VAL;
    case 2:
        return -HUGE_VAL;
    case 3:
        return 1e308;
    case 4:
        return -1e308;
    case 5:
        return 5e-324;
    case 6:
        return 1e-310;
    case 7:
        return 0.0;
    case 8:
        return -0.0;
    case 9:
        return in.number();
    case 10:
        return 1e15 + in.integer(0, 100);
    default:
        return in.number(-10, 10);
    }
}
std::string text(diamond_fuzz::draws& in) { return in.text(40); }
plot::axis axis(diamond_fuzz::draws& in) {
    plot::axis a{text(in), in.boolean() ? plot::axis_scale::linear : plot::axis_scale::logarithmic,
                 std::nullopt};
    if (in.integer(0, 3) == 0) a.range = plot::value_range{any(in), any(in)};
    return a;
}
std::vector<double> numbers(diamond_fuzz::draws& in, std::size_t n) {
    std::vector<double> v(n);
    for (auto& x : v) x = any(in);
    return v;
}
double side(diamond_fuzz::draws& in) { return in.integer(0, 31) == 0 ? any(in) : in.number(1, 120); }
/// Compressing a large picture, with every comparison counted, takes longer than a target may.
template <class Picture>
void write_small(const std::filesystem::path& file, const Picture& picture) {
    const auto drawn = draw(picture);
    if (drawn.width() * drawn.height() < 1 << 17) plot::write_png(file, drawn);
}
} // namespace
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    diamond_fuzz::draws in(data, size);
    static const std::filesystem::path file = std::filesystem::temp_directory_path() /
                                              ("diamond-fuzz-writers-" + diamond::digits_of(getpid()));
    try {
        switch (in.integer(0, 3)) {
        case 0: {
            plot::line_plot p;
            p.title = text(in);
            p.x = axis(in);
            p.y = axis(in);
            p.width = side(in);
            p.height = side(in);
            for (int c = in.integer(0, 3); c > 0; --c) {
                plot::curve k;
                const auto n = in.integer<std::size_t>(0, 6);
                k.name = text(in);
                k.x = numbers(in, n);
                k.y = numbers(in, n);
                if (in.boolean()) k.error = numbers(in, n);
                k.errors = in.boolean() ? plot::error_style::bars : plot::error_style::band;
                k.joined = in.boolean();
                k.marked = in.boolean();
                p.curves.push_back(k);
            }
            for (int c = in.integer(0, 2); c > 0; --c) p.references.push_back({any(in), text(in)});
            p.equal_aspect = in.boolean();
            for (auto& k : p.curves)
                if (in.boolean()) k.width = any(in);
            write_small(file, p);
            break;
        }
        case 1: {
            plot::image_grid g;
            g.title = text(in);
            g.shape = {in.integer<std::size_t>(0, 4), in.integer<std::size_t>(0, 9),
                       in.integer<std::size_t>(0, 9)};
            if (in.integer(0, 31) == 0) g.shape = {3, in.integer<std::size_t>(), in.integer<std::size_t>()};
            g.shades = {any(in), any(in)};
            g.zoom = in.integer(0, 15) ? in.integer(-1, 6) : in.integer<int>();
            for (int c = in.integer(0, 3); c > 0; --c) g.headings.push_back(text(in));
            for (int c = in.integer(0, 3); c > 0; --c) {
                plot::image_row r;
                r.label = text(in);
                r.note = text(in);
                const auto n = in.boolean() ? g.shape.size() % 1000 * in.integer<std::size_t>(0, 3)
                                            : in.integer<std::size_t>(0, 99);
                r.pixels.resize(n);
                for (auto& x : r.pixels) x = static_cast<float>(any(in));
                g.rows.push_back(r);
            }
            write_small(file, g);
            break;
        }
        case 2: {
            plot::panel_row r;
            r.title = text(in);
            r.x = axis(in);
            r.y = axis(in);
            r.columns = in.integer<std::size_t>(0, 3);
            r.width = side(in);
            for (int c = in.integer(0, 3); c > 0; --c) {
                plot::panel p;
                p.title = text(in);
                if (in.boolean()) {
                    plot::heat_map m;
                    m.columns = in.integer<std::size_t>(0, 4);
                    m.rows = in.integer<std::size_t>(0, 4);
                    m.values = numbers(in, m.columns * m.rows);
                    if (in.boolean()) m.shades = plot::value_range{any(in), any(in)};
                    p.density = m;
                }
                plot::point_cloud cloud;
                cloud.points.resize(in.integer<std::size_t>(0, 10));
                for (auto& x : cloud.points) x = static_cast<float>(any(in));
                cloud.radius = in.boolean() ? any(in) : 1;
                cloud.alpha = in.boolean() ? any(in) : 0.5;
                p.clouds.push_back(cloud);
                if (in.boolean()) p.curves = {{.x = numbers(in, 3), .y = numbers(in, 3)}};
                r.panels.push_back(p);
            }
            write_small(file, r);
            break;
        }
        default: {
            nlohmann::ordered_json j{{"a", any(in)}, {text(in), text(in)}, {"b", {any(in), any(in)}}};
            io::write_json(file, j);
            static_cast<void>(io::read_json(file));
            io::tensor_file t;
            t.metadata[text(in)] = text(in);
            t.tensors[text(in)] = io::tensor{
                static_cast<io::dtype>(in.integer(0, 5)),
                {in.integer<diamond::index_t>(-2, 4), in.integer<diamond::index_t>()},
                std::vector<std::byte>(in.integer<std::size_t>(0, 32))};
            io::write_safetensors(file, t);
            static_cast<void>(io::read_safetensors(file));
        }
        }
    } catch (const std::invalid_argument&) {
    } catch (const io::file_error&) {
    }
    return 0;
}
