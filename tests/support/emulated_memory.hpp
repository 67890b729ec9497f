/// This header defines memory that the host can touch only while it is open, which an emulated device has.
#pragma once

#include <cstdlib>
#include <map>
#include <vector>

#include <sys/mman.h>

namespace emulated {

/// This is room for everything that a test allocates. Only what is touched costs memory.
inline constexpr std::size_t memory_bytes = std::size_t{1} << 36;

class memory {
public:
    memory()
        : base_(static_cast<char*>(
              mmap(nullptr, memory_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))) {
        if (base_ == MAP_FAILED) std::abort();
    }
    memory(const memory&) = delete;
    memory& operator=(const memory&) = delete;
    ~memory() { munmap(base_, memory_bytes); }

    void* take(std::size_t bytes) {
        auto& spare = free_[rounded(bytes)];
        if (!spare.empty()) {
            void* result = spare.back();
            spare.pop_back();
            return result;
        }
        void* result = base_ + used_;
        used_ += rounded(bytes);
        if (used_ > memory_bytes) std::abort();
        return result;
    }
    void give_back(void* p, std::size_t bytes) { free_[rounded(bytes)].push_back(p); }
    void open() const { protect(PROT_READ | PROT_WRITE); }
    void close() const { protect(PROT_NONE); }

private:
    // CudaMalloc aligns like this.
    static std::size_t rounded(std::size_t bytes) { return (bytes + 255) / 256 * 256; }
    void protect(int rights) const {
        constexpr std::size_t page = 4096;
        if (used_ > 0 && mprotect(base_, (used_ + page - 1) / page * page, rights) != 0) std::abort();
    }

    char* base_;
    std::size_t used_ = 0;
    std::map<std::size_t, std::vector<void*>> free_;
};

} // namespace emulated
