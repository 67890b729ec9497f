/// This header takes what an exact model knows apart, into networks that predict one reading and nothing
/// else.
#pragma once

#include <utility>

#include <diamond/concepts/velocity_field.hpp>

namespace predictions {

/// This network is the velocity of a model, with its products and its schedule but without a denoiser.
template <class Model>
struct velocity_of {
    using batch_type = typename Model::batch_type;
    using view = diamond::view_t<batch_type>;
    using const_view = diamond::const_view_t<batch_type>;
    using workspace = typename Model::workspace_type;
    Model model;

    [[nodiscard]] diamond::index_t dimension() const { return model.dimension(); }
    [[nodiscard]] workspace make_workspace(const diamond::backend_of_t<batch_type>& context,
                                           diamond::index_t n) const {
        return model.make_workspace(context, n);
    }
    void operator()(const_view x, diamond::time_view t, diamond::no_condition c, workspace& space,
                    view out) const {
        model(x, t, c, space, out);
    }
    void vjp(const_view x, diamond::time_view t, diamond::no_condition c, const_view w, workspace& space,
             view out) const {
        model.vjp(x, t, c, w, space, out);
    }
    void jvp(const_view x, diamond::time_view t, diamond::no_condition c, const_view w, workspace& space,
             view out) const {
        model.jvp(x, t, c, w, space, out);
    }
};
/// This network is the denoiser of a model, for denoiser_network.
template <class Model>
struct denoiser_of : velocity_of<Model> {
    using typename velocity_of<Model>::view;
    using typename velocity_of<Model>::const_view;
    using typename velocity_of<Model>::workspace;
    explicit denoiser_of(Model model) : velocity_of<Model>{std::move(model)} {}
    void operator()(const_view x, diamond::time_view t, diamond::no_condition c, workspace& space,
                    view out) const {
        this->model.denoiser(x, t, c, space, out);
    }
    void vjp(const_view x, diamond::time_view t, diamond::no_condition c, const_view w, workspace& space,
             view out) const {
        this->model.denoiser_vjp(x, t, c, w, space, out);
    }
    void jvp(const_view x, diamond::time_view t, diamond::no_condition c, const_view w, workspace& space,
             view out) const {
        this->model.denoiser_jvp(x, t, c, w, space, out);
    }
};
/// This network is the noise prediction of a model, for noise_network.
template <class Model>
struct noise_of : velocity_of<Model> {
    using typename velocity_of<Model>::view;
    using typename velocity_of<Model>::const_view;
    using typename velocity_of<Model>::workspace;
    explicit noise_of(Model model) : velocity_of<Model>{std::move(model)} {}
    void operator()(const_view x, diamond::time_view t, diamond::no_condition c, workspace& space,
                    view out) const {
        this->model.noise(x, t, c, space, out);
    }
};

} // namespace predictions
