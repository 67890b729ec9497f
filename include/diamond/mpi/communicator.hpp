/// The ranks of a program: a communicator begins MPI, says which rank of how many this process is, and
/// carries the few messages that islands, chains and trainings over ranks need.
///
/// Every message is bytes of numbers in host memory. Calls that all ranks must make, in the same order, say
/// so: one rank that does not come leaves the others waiting.
#pragma once

#include <algorithm>
#include <climits>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <mpi.h>

#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>
#include <diamond/core/scalar.hpp>

namespace diamond::mpi {

namespace detail {
/// What is said of an exception that has no sentence.
inline constexpr const char* unknown_exception = "an exception that is no std::exception";
} // namespace detail

/// Consecutive numbers of things that are dealt to ranks.
struct part {
    index_t first, count; ///< first ... first + count - 1
};

/// Returns what rank `rank` of `size` has of `count` things: consecutive ones, as many on each rank as can
/// be.
[[nodiscard]] inline part part_of(index_t count, index_t rank, index_t size) {
    const index_t first = count * rank / size;
    return {first, count * (rank + 1) / size - first};
}
/// Returns the rank that has thing number `which` of `count`.
[[nodiscard]] inline index_t owner_of(index_t which, index_t count, index_t size) {
    return ((which + 1) * size - 1) / count;
}

/// The ranks of a program, or some of them.
///
/// It begins MPI where nobody has, and then ends it when it goes. A program that is started without mpirun is
/// one rank. It lives as long as the program works with ranks, since MPI begins once in a process. Where it
/// goes because an exception does, it leaves MPI as it is: the others may be waiting elsewhere, and ending
/// would wait for them; `run` ends all ranks then. An error of MPI itself ends all ranks, whatever the
/// handler of the communicator that it is made of.
///
/// One thread of each rank calls it; a back end's own threads work beside that (MPI_THREAD_FUNNELED).
class communicator {
public:
    /// All ranks of the program. @throws std::invalid_argument where MPI has ended already, or allows no
    /// threads beside the one that calls it.
    communicator() {
        int begun = 0, ended = 0, threads = MPI_THREAD_SINGLE;
        MPI_Initialized(&begun);
        MPI_Finalized(&ended);
        require(ended == 0,
                "MPI has ended in this process and cannot begin again: keep one communicator that "
                "lives as long as the program");
        if (begun == 0) {
            MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &threads);
            begins_ = true;
        } else {
            MPI_Query_thread(&threads);
        }
        require(
            threads >= MPI_THREAD_FUNNELED,
            "MPI allows no threads in this process: begin it by MPI_Init_thread with MPI_THREAD_FUNNELED, "
            "or let the communicator begin it");
        take(MPI_COMM_WORLD);
    }
    /// The ranks of a communicator of MPI's, as of MPI_Comm_split, or MPI_COMM_SELF for this one alone. MPI
    /// must have begun, and end later. All its ranks make this call.
    explicit communicator(MPI_Comm of) { take(of); }
    communicator(const communicator&) = delete;
    communicator& operator=(const communicator&) = delete;
    ~communicator() {
        int ended = 0;
        MPI_Finalized(&ended);
        if (ended != 0 || std::uncaught_exceptions() > exceptions_) return;
        MPI_Comm_free(&comm_);
        if (begins_) MPI_Finalize();
    }

    [[nodiscard]] int rank() const { return rank_; }        ///< the number of this rank, 0 ... size() - 1
    [[nodiscard]] int size() const { return size_; }        ///< how many ranks there are
    [[nodiscard]] bool first() const { return rank_ == 0; } ///< says whether this is rank 0
    [[nodiscard]] MPI_Comm handle() const { return comm_; } ///< the communicator as MPI knows it
    /// Returns what this rank has of `count` things.
    [[nodiscard]] part part_of(index_t count) const { return mpi::part_of(count, rank_, size_); }
    /// Returns the rank that has thing number `which` of `count`.
    [[nodiscard]] int owner_of(index_t which, index_t count) const {
        return static_cast<int>(mpi::owner_of(which, count, size_));
    }

    /// Waits until all ranks have come here. All ranks make this call.
    void wait() const { MPI_Barrier(comm_); }

    /// Writes the sentence to standard error, with the rank, and ends all ranks by MPI_Abort.
    [[noreturn]] void abort(const std::string& sentence) const {
        const std::string line = "rank " + digits_of(rank_) + " of " + digits_of(size_) + ": " + sentence +
                                 "\n";
        std::fputs(line.c_str(), stderr);
        std::fflush(stderr);
        MPI_Abort(comm_, 1);
        std::abort(); // MPI_Abort does not return
    }

    /// Sends bytes to another rank, which receives them.
    void send(std::span<const std::byte> bytes, int to) const {
        const auto size = static_cast<unsigned long long>(bytes.size());
        MPI_Send(&size, 1, MPI_UNSIGNED_LONG_LONG, to, tag, comm_);
        for (std::size_t at = 0; at < bytes.size(); at += most_bytes)
            MPI_Send(bytes.data() + at, length(bytes.size(), at), MPI_BYTE, to, tag, comm_);
    }
    /// Returns the bytes that another rank sends; messages of one rank come in the order in which it sent
    /// them.
    [[nodiscard]] std::vector<std::byte> receive(int from) const {
        std::vector<std::byte> bytes(announced(from));
        take_bytes(bytes, from);
        return bytes;
    }
    /// Writes the numbers that another rank sends to a contiguous range. @throws std::invalid_argument where
    /// they are not as many.
    template <class Numbers>
    void receive(int from, Numbers&& numbers) const {
        const auto bytes = std::as_writable_bytes(std::span(numbers));
        const std::size_t size = announced(from);
        require(size == bytes.size(), [&] {
            return "rank " + digits_of(from) + " sends " + digits_of(size) + " bytes where rank " +
                   digits_of(rank_) + " waits for " + digits_of(bytes.size()) +
                   ": all ranks make the same calls, with the same arguments";
        });
        take_bytes(bytes, from);
    }
    /// Gives all ranks the numbers that rank `from` has in a contiguous range, as long everywhere. All ranks
    /// make this call.
    template <class Numbers>
    void broadcast(Numbers&& numbers, int from = 0) const {
        const auto bytes = std::as_writable_bytes(std::span(numbers));
        for (std::size_t at = 0; at < bytes.size(); at += most_bytes)
            MPI_Bcast(bytes.data() + at, length(bytes.size(), at), MPI_BYTE, from, comm_);
    }
    /// Returns the numbers of all ranks, one rank's behind another's; each may have another count. All ranks
    /// make this call. @throws std::invalid_argument where they take 2^31 bytes or more.
    template <class T>
    [[nodiscard]] std::vector<T> all_gather(const std::vector<T>& own) const {
        static_assert(std::is_trivially_copyable_v<T>);
        const auto ranks = static_cast<std::size_t>(size_);
        const auto count = static_cast<unsigned long long>(own.size() * sizeof(T));
        std::vector<unsigned long long> counts(ranks);
        MPI_Allgather(&count, 1, MPI_UNSIGNED_LONG_LONG, counts.data(), 1, MPI_UNSIGNED_LONG_LONG, comm_);
        std::vector<int> lengths(ranks), places(ranks);
        unsigned long long total = 0;
        for (std::size_t i = 0; i < ranks; ++i) {
            places[i] = static_cast<int>(total);
            total += counts[i];
            require(total <= static_cast<unsigned long long>(INT_MAX), [&] {
                return "the numbers that all ranks gather take more than 2^31 bytes, " +
                       digits_of(counts[i]) + " of rank " + digits_of(i) + ": gather less, or on fewer ranks";
            });
            lengths[i] = static_cast<int>(counts[i]);
        }
        std::vector<T> all(static_cast<std::size_t>(total) / sizeof(T));
        MPI_Allgatherv(own.data(), static_cast<int>(count), MPI_BYTE, all.data(), lengths.data(),
                       places.data(), MPI_BYTE, comm_);
        return all;
    }

    /// Does `work`, which sends and receives nothing, on each rank, and waits for all: where it fails on some
    /// ranks, none goes on. All ranks make this call.
    /// @throws on a rank where `work` throws what it throws, and on the others std::runtime_error with the
    /// sentence of the lowest rank where it does.
    template <class Work>
    void on_each(const Work& work) const {
        std::exception_ptr thrown;
        std::string failure;
        try {
            work();
        } catch (const std::exception& error) {
            thrown = std::current_exception();
            failure = error.what();
        } catch (...) {
            thrown = std::current_exception();
            failure = detail::unknown_exception;
        }
        const std::size_t none = static_cast<std::size_t>(-1);
        const auto lengths = all_gather(std::vector<std::size_t>{thrown ? failure.size() : none});
        const auto lowest = std::find_if(lengths.begin(), lengths.end(),
                                         [&](std::size_t length) { return length != none; });
        if (lowest == lengths.end()) return;
        const auto rank = static_cast<int>(lowest - lengths.begin());
        std::string sentence = rank == rank_ ? failure : std::string(*lowest, ' ');
        broadcast(sentence, rank);
        if (thrown) std::rethrow_exception(thrown);
        throw std::runtime_error("rank " + digits_of(rank) + ": " + sentence);
    }
    /// Lets rank 0 do `work`, as the writing of a file, while the others wait for it. All ranks make this
    /// call.
    /// @throws on rank 0 what `work` does, and on the others std::runtime_error with its sentence.
    template <class Work>
    void on_first(const Work& work) const {
        on_each([&] {
            if (first()) work();
        });
    }

private:
    static constexpr int tag = 0; // MPI keeps the messages of one rank in order
    static constexpr std::size_t most_bytes = std::size_t{1} << 30; // MPI counts by int

    static int length(std::size_t size, std::size_t at) {
        return static_cast<int>(std::min(most_bytes, size - at));
    }
    /// Returns how many bytes the next message of a rank has.
    [[nodiscard]] std::size_t announced(int from) const {
        unsigned long long size = 0;
        MPI_Recv(&size, 1, MPI_UNSIGNED_LONG_LONG, from, tag, comm_, MPI_STATUS_IGNORE);
        return static_cast<std::size_t>(size);
    }
    void take_bytes(std::span<std::byte> to, int from) const {
        for (std::size_t at = 0; at < to.size(); at += most_bytes)
            MPI_Recv(to.data() + at, length(to.size(), at), MPI_BYTE, from, tag, comm_, MPI_STATUS_IGNORE);
    }
    void take(MPI_Comm of) {
        MPI_Comm_dup(of, &comm_); // so that our messages are not taken for the caller's
        // A copy has the caller's handler, which may return errors that nobody here reads.
        MPI_Comm_set_errhandler(comm_, MPI_ERRORS_ARE_FATAL);
        MPI_Comm_rank(comm_, &rank_);
        MPI_Comm_size(comm_, &size_);
    }

    MPI_Comm comm_ = MPI_COMM_NULL;
    int rank_ = 0, size_ = 1;
    bool begins_ = false;
    int exceptions_ = std::uncaught_exceptions();
};

/// Runs a program on all ranks, and returns the exit status of this one: what `program(communicator)`
/// returns, or 0 where it returns nothing. An exception that it lets go ends all ranks by MPI_Abort, its
/// sentence on standard error, so that none waits for ever, and so does a status other than 0 where there are
/// several ranks; a rank that the system kills is seen by mpirun, which ends the others.
///
/// `int main() { return diamond::mpi::run([](const auto& ranks) { ... }); }`
template <class Program>
[[nodiscard]] int run(const Program& program) {
    try {
        const communicator ranks;
        const auto fail = [&](const std::string& sentence) {
            if (ranks.size() > 1) ranks.abort(sentence);
            std::fprintf(stderr, "%s\n", sentence.c_str());
            return 1;
        };
        try {
            if constexpr (std::is_void_v<std::invoke_result_t<const Program&, const communicator&>>) {
                program(ranks);
                return 0;
            } else {
                const int status = program(ranks);
                if (status != 0 && ranks.size() > 1) ranks.abort("this rank returned " + digits_of(status));
                return status;
            }
        } catch (const std::exception& error) {
            return fail(error.what());
        } catch (...) {
            return fail(detail::unknown_exception);
        }
    } catch (const std::exception& error) { // MPI could not begin
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}

} // namespace diamond::mpi
