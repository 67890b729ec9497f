// The ranks of a test program, and how its random results are held against what one rank computes alone.
#pragma once

#include <doctest/doctest.h>

#include <diamond/mpi/communicator.hpp>

namespace diamond_test {

/// All ranks of this program, until it exits: MPI begins once in a process.
inline const diamond::mpi::communicator& world() {
    static const diamond::mpi::communicator ranks;
    return ranks;
}
/// This rank alone.
inline const diamond::mpi::communicator& alone() {
    world();
    static const diamond::mpi::communicator rank(MPI_COMM_SELF);
    return rank;
}
/// The even and the odd ranks of the world, apart.
inline const diamond::mpi::communicator& half() {
    static const diamond::mpi::communicator ranks([] {
        MPI_Comm split = MPI_COMM_NULL;
        MPI_Comm_split(world().handle(), world().rank() % 2, world().rank(), &split);
        return split;
    }());
    return ranks;
}

} // namespace diamond_test
