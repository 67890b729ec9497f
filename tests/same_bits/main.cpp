// same_bits [--write FILE] [--against FILE]: runs every composition on every host back end by 1 and 2
// threads, prints its hash, and fails where threads move a bit. --write keeps the numbers; --against says
// which of them another build gave otherwise, and by how much at most: it fails where any did. `cmake -P
// cmake/same_bits.cmake -- COMMIT` does both for a commit and this tree.
#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

#include "record.hpp"

namespace {

struct back_end {
    const char* name;
    std::vector<same_bits::record> (*run)(int threads);
};
constexpr back_end back_ends[] = {
    {"eigen, double", same_bits::eigen_double},
    {"eigen, float", same_bits::eigen_float},
    {"thrust, double", same_bits::thrust_cpu_double},
#if defined(DIAMOND_SAME_BITS_OPENMP)
    {"thrust with OpenMP, float", same_bits::thrust_omp_float},
#endif
};

using numbers = std::map<std::string, std::vector<double>>;

[[noreturn]] void fail(const std::string& sentence) {
    std::fprintf(stderr, "same_bits: %s\n", sentence.c_str());
    std::exit(EXIT_FAILURE);
}

/// A composition a line: its name and hexadecimal doubles, which lose nothing.
void write(const char* path, const numbers& all) {
    std::ofstream file(path);
    for (const auto& [name, values] : all) {
        file << name;
        char text[40];
        for (const double x : values) {
            std::snprintf(text, sizeof text, "\t%a", x);
            file << text;
        }
        file << '\n';
    }
    file.close();
    if (!file) fail(std::string(path) + " could not be written");
}
numbers read(const char* path) {
    std::ifstream file(path);
    if (!file) fail(std::string(path) + " cannot be read");
    numbers all;
    for (std::string line; std::getline(file, line);) {
        std::istringstream words(line);
        std::string name, word;
        std::getline(words, name, '\t');
        while (std::getline(words, word, '\t')) all[name].push_back(std::strtod(word.c_str(), nullptr));
    }
    return all;
}

/// The largest of |x - y| over the largest |y|, which a number near 0 among others does not blow up.
double largest_change(const std::vector<double>& now, const std::vector<double>& before) {
    double difference = 0.0, size = 0.0;
    for (std::size_t i = 0; i < now.size(); ++i) {
        if (now[i] == before[i] || (now[i] != now[i] && before[i] != before[i])) continue;
        difference = std::max(difference, std::fabs(now[i] - before[i]));
        if (!(std::fabs(now[i] - before[i]) < HUGE_VAL)) return HUGE_VAL;
    }
    for (const double y : before)
        if (std::fabs(y) < HUGE_VAL) size = std::max(size, std::fabs(y));
    return difference / size;
}
int compare(const numbers& now, const numbers& before) {
    int moved = 0;
    for (const auto& [name, values] : now) {
        const auto found = before.find(name);
        if (found == before.end()) {
            std::printf("new                %s\n", name.c_str());
        } else if (found->second.size() != values.size()) {
            ++moved;
            std::printf("%zu numbers for %zu  %s\n", values.size(), found->second.size(), name.c_str());
        } else if (const double change = largest_change(values, found->second); change != 0.0) {
            ++moved;
            std::printf("moved by %8.1e  %s\n", change, name.c_str());
        }
    }
    for (const auto& [name, values] : before)
        if (!now.contains(name)) {
            ++moved;
            std::printf("gone               %s\n", name.c_str());
        }
    std::printf("%d of %zu compositions moved\n", moved, now.size());
    return moved;
}

} // namespace

int main(int count, char** arguments) {
    const char *kept = nullptr, *other = nullptr;
    for (int k = 1; k < count; k += 2) {
        const std::string option = arguments[k];
        if (k + 1 == count || (option != "--write" && option != "--against"))
            fail("the options are --write FILE and --against FILE, not " + option);
        (option == "--write" ? kept : other) = arguments[k + 1];
    }
    int moved = 0;
    numbers all;
    for (const back_end& b : back_ends) {
        const auto one = b.run(1), two = b.run(2);
        for (std::size_t k = 0; k < one.size(); ++k) {
            const std::string name = std::string(b.name) + ": " + one[k].name();
            if (!other) std::printf("%016" PRIx64 "  %s\n", one[k].hash(), name.c_str());
            if (one[k].hash() != two[k].hash()) {
                ++moved;
                std::printf("%016" PRIx64 "  by two threads, its bits depend on their number: %s\n",
                            two[k].hash(), name.c_str());
            }
            all[name] = one[k].values();
        }
    }
    if (kept) write(kept, all);
    if (other) moved += compare(all, read(other));
    return moved == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
