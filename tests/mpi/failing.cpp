// A program of ranks of which the last throws, returns a status, or is killed, while the others wait for it:
// failing throw|return|kill.
#include <csignal>
#include <stdexcept>
#include <string>

#include <diamond/mpi/communicator.hpp>

int main(int argc, char** argv) {
    const std::string how = argc > 1 ? argv[1] : "";
    return diamond::mpi::run([&](const diamond::mpi::communicator& ranks) {
        if (ranks.rank() == ranks.size() - 1) {
            if (how == "kill") std::raise(SIGKILL);
            if (how == "return") return 3;
            throw std::runtime_error("this rank cannot go on");
        }
        ranks.wait();
        return 0;
    });
}
