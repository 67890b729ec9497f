/// This header shows the progress of a training on the terminal.
#pragma once

#include <cstdio>
#include <string>
#include <utility>

#include <diamond/align/run.hpp>
#include <diamond/core/stopwatch.hpp>
#include <diamond/train/training_state.hpp>

#include "progress_line.hpp"

namespace studies {

/// Prints the losses of a training, as means since the last line, and the time left: five times a second on a
/// terminal, and ten times in a training elsewhere.
class training_line {
public:
    training_line(std::string name, diamond::time_left left) : name_(std::move(name)), left_(left) {}

    void operator()(const diamond::training_report& report) {
        const double now = clock_.seconds(), left = left_(report.step, now - before_);
        before_ = now;
        diagonal_.add(report.diagonal_loss);
        off_diagonal_.add(report.off_diagonal_loss);
        const diamond::index_t step = report.step + 1;
        const bool last = step == report.steps,
                   tenth = step * 10 / report.steps != (step - 1) * 10 / report.steps;
        if (line_.on_terminal() ? !last && now - told_ < 0.2 : !tenth) return;
        char text[160];
        std::snprintf(text, sizeof text, "step %lld of %lld, diagonal loss %s, off it %s, %d:%02d left",
                      static_cast<long long>(step), static_cast<long long>(report.steps),
                      diagonal_.mean().c_str(), off_diagonal_.mean().c_str(), static_cast<int>(left) / 60,
                      static_cast<int>(left) % 60);
        if (line_.on_terminal() && !last)
            line_.show(name_ + ": " + text);
        else
            line_.finish(name_ + ": " + text);
        diagonal_ = off_diagonal_ = {};
        told_ = now;
    }

private:
    struct average {
        double sum = 0.0;
        int count = 0;
        void add(double loss) {
            sum += loss;
            count += loss > 0.0;
        }
        [[nodiscard]] std::string mean() const {
            if (count == 0) return "–";
            char text[32];
            std::snprintf(text, sizeof text, "%.4g", sum / count);
            return text;
        }
    };
    std::string name_;
    diamond::time_left left_;
    progress_line line_;
    diamond::stopwatch clock_;
    double before_ = 0.0, told_ = 0.0;
    average diagonal_, off_diagonal_;
};

} // namespace studies
