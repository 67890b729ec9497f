// A program of a user's over ranks, started without mpirun: it is one.
#include <diamond/mpi/communicator.hpp>

int main() {
    return diamond::mpi::run([](const auto& ranks) { return ranks.first() && ranks.size() == 1 ? 0 : 1; });
}
