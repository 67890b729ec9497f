/// Numbers, texts and lists of them as bytes, to be sent from rank to rank.
#pragma once

#include <cstddef>
#include <cstring>
#include <map>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <diamond/align/smc_state.hpp>

namespace diamond::mpi::detail {

/// Appends what it is given to bytes.
class packer {
public:
    template <class... Parts>
    void operator()(const Parts&... parts) {
        (put(parts), ...);
    }
    [[nodiscard]] const std::vector<std::byte>& bytes() const { return bytes_; }

private:
    void put_bytes(std::span<const std::byte> bytes) {
        bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    }
    template <class T>
    void put(const T& one) {
        static_assert(std::is_trivially_copyable_v<T>);
        put_bytes(std::as_bytes(std::span(&one, 1)));
    }
    void put(const std::string& text) {
        put(text.size());
        put_bytes(std::as_bytes(std::span(text)));
    }
    template <class T>
    void put(const std::vector<T>& list) {
        put(list.size());
        if constexpr (std::is_trivially_copyable_v<T>)
            put_bytes(std::as_bytes(std::span(list)));
        else
            for (const T& one : list) put(one);
    }
    void put(const std::map<std::string, std::string>& texts) {
        put(texts.size());
        for (const auto& [name, text] : texts) (*this)(name, text);
    }

    std::vector<std::byte> bytes_;
};

/// Takes what a packer has put, in the same order. The bytes, of a packer of the same program, outlive it.
class unpacker {
public:
    explicit unpacker(std::span<const std::byte> bytes) : left_(bytes) {}

    template <class... Parts>
    void operator()(Parts&... parts) {
        (take(parts), ...);
    }

private:
    void take_bytes(std::span<std::byte> to) {
        if (!to.empty()) std::memcpy(to.data(), left_.data(), to.size());
        left_ = left_.subspan(to.size());
    }
    template <class T>
    void take(T& one) {
        static_assert(std::is_trivially_copyable_v<T>);
        take_bytes(std::as_writable_bytes(std::span(&one, 1)));
    }
    [[nodiscard]] std::size_t size() {
        std::size_t count = 0;
        take(count);
        return count;
    }
    void take(std::string& text) {
        text.resize(size());
        take_bytes(std::as_writable_bytes(std::span(text)));
    }
    template <class T>
    void take(std::vector<T>& list) {
        list.resize(size());
        if constexpr (std::is_trivially_copyable_v<T>)
            take_bytes(std::as_writable_bytes(std::span(list)));
        else
            for (T& one : list) take(one);
    }
    void take(std::map<std::string, std::string>& texts) {
        for (std::size_t left = size(); left > 0; --left) {
            std::string name;
            take(name);
            take(texts[name]);
        }
    }

    std::span<const std::byte> left_;
};

/// Gives an archive, a packer or an unpacker, the parts of a snapshot.
template <class Archive, class Snapshot>
void pack_snapshot(Archive& archive, Snapshot& s) {
    archive(s.step, s.particles, s.values, s.log_weights, s.log_densities, s.families, s.log_z, s.log_delta,
            s.resamplings, s.steps, s.ancestors, s.spent, s.pilot, s.plan.draws, s.plan.relative_variance,
            s.plan.reason, s.seed, s.setting);
}

} // namespace diamond::mpi::detail
