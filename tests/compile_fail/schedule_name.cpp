// expect: a schedule of your own needs `std::string name() const` to be saved in a file, or read from one: another must not be taken for it
#include <diamond/io/schedule_name.hpp>

struct nameless {
    double alpha(double t) const { return t; }
    double sigma(double t) const { return 1.0 - t; }
    double d_alpha(double) const { return 1.0; }
    double d_sigma(double) const { return -1.0; }
};

std::string broken() { return diamond::io::schedule_name(nameless{}); }
