/// This header owns what cairo hands out, and turns what cairo reports into exceptions.
#pragma once

#include <memory>
#include <new>
#include <stdexcept>
#include <string>

#include <cairo.h>

namespace diamond::plot::detail {

struct release {
    void operator()(cairo_surface_t* surface) const noexcept { cairo_surface_destroy(surface); }
    void operator()(cairo_t* context) const noexcept { cairo_destroy(context); }
    void operator()(cairo_font_face_t* face) const noexcept { cairo_font_face_destroy(face); }
    void operator()(cairo_scaled_font_t* font) const noexcept { cairo_scaled_font_destroy(font); }
    void operator()(cairo_font_options_t* options) const noexcept { cairo_font_options_destroy(options); }
};

using surface_handle = std::unique_ptr<cairo_surface_t, release>;
using context_handle = std::unique_ptr<cairo_t, release>;
using face_handle = std::unique_ptr<cairo_font_face_t, release>;
using font_handle = std::unique_ptr<cairo_scaled_font_t, release>;
using font_options_handle = std::unique_ptr<cairo_font_options_t, release>;

/// Returns unless the status is an error; `doing` completes the sentence "while ...".
/// @throws std::bad_alloc if there is no memory, std::runtime_error for every other error.
inline void check(cairo_status_t status, const char* doing) {
    if (status == CAIRO_STATUS_SUCCESS) return;
    if (status == CAIRO_STATUS_NO_MEMORY) throw std::bad_alloc{};
    throw std::runtime_error{std::string{"plot: cairo fails while "} + doing + ": " +
                             cairo_status_to_string(status) +
                             "; update libcairo, and where it is current, report the picture that does this"};
}

} // namespace diamond::plot::detail
