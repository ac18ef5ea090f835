// The device's memory: memory of the host, counted for each device, with a limit. And pinned memory.
#pragma once
#include <ATen/core/CachingHostAllocator.h>
#include <c10/core/CachingDeviceAllocator.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <unordered_set>

namespace openreg {

constexpr int MAX_DEVICES = 8;
constexpr size_t BLOCK = 512;  // bytes; sizes are rounded up to it

inline int number_from_environment(const char* name, int otherwise) {
  const char* value = getenv(name);
  return value && *value ? atoi(value) : otherwise;
}

inline int device_count() {
  static const int count = number_from_environment("OPENREG_COUNT", 2);
  return count;
}

inline int64_t memory_limit() {  // read at each call, so that a test can change it
  return (int64_t)number_from_environment("OPENREG_MEMORY_MIB", 16384) << 20;
}

inline thread_local c10::DeviceIndex current_device = 0;

struct Use {
  int64_t bytes = 0, peak = 0;
};
inline Use use[MAX_DEVICES];
inline std::mutex memory_mutex;

struct Allocation {
  void* pointer;
  size_t bytes;
  c10::DeviceIndex device;
};

inline void free_allocation(void* context) {
  auto* allocation = static_cast<Allocation*>(context);
  if (!allocation) return;
  {
    std::lock_guard<std::mutex> lock(memory_mutex);
    use[allocation->device].bytes -= allocation->bytes;
  }
  free(allocation->pointer);
  delete allocation;
}

struct DeviceMemory final : c10::DeviceAllocator {
  c10::DataPtr allocate(size_t size) override {
    const c10::Device device(c10::kPrivateUse1, current_device);
    if (!size) return {nullptr, nullptr, &free_allocation, device};
    const size_t bytes = (size + BLOCK - 1) / BLOCK * BLOCK;
    {
      std::lock_guard<std::mutex> lock(memory_mutex);
      Use& mine = use[current_device];
      const bool fits = mine.bytes + (int64_t)bytes <= memory_limit();
      TORCH_CHECK_WITH(OutOfMemoryError, fits, "openreg out of memory. Tried to allocate ", bytes, " bytes");
      mine.bytes += bytes;
      mine.peak = std::max(mine.peak, mine.bytes);
    }
    void* pointer = nullptr;
    TORCH_CHECK(posix_memalign(&pointer, BLOCK, bytes) == 0, "the host has no memory left");
    return {pointer, new Allocation{pointer, bytes, current_device}, &free_allocation, device};
  }
  c10::DeleterFnPtr raw_deleter() const override { return nullptr; }
  void copy_data(void* to, const void* from, size_t size) const override { memcpy(to, from, size); }
  bool initialized() override { return true; }
  void emptyCache(c10::MempoolId_t) override {}
  void recordStream(const c10::DataPtr&, c10::Stream) override {}
  c10::CachingDeviceAllocator::DeviceStats getDeviceStats(c10::DeviceIndex device) override {
    std::lock_guard<std::mutex> lock(memory_mutex);
    c10::CachingDeviceAllocator::DeviceStats stats;
    for (auto* bytes : {&stats.allocated_bytes, &stats.reserved_bytes, &stats.active_bytes, &stats.requested_bytes}) {
      (*bytes)[0].current = use[device].bytes;
      (*bytes)[0].peak = use[device].peak;
    }
    return stats;
  }
  void resetAccumulatedStats(c10::DeviceIndex) override {}
  void resetPeakStats(c10::DeviceIndex device) override {
    std::lock_guard<std::mutex> lock(memory_mutex);
    use[device].peak = use[device].bytes;
  }
  std::pair<size_t, size_t> getMemoryInfo(c10::DeviceIndex device) override {
    return {memory_limit() - use[device].bytes, memory_limit()};
  }
};
inline DeviceMemory device_memory;

inline std::unordered_set<const void*> pinned;

inline bool is_pinned(const void* pointer) {
  std::lock_guard<std::mutex> lock(memory_mutex);
  return pinned.count(pointer) > 0;
}

inline void free_pinned(void* pointer) {
  if (!pointer) return;
  {
    std::lock_guard<std::mutex> lock(memory_mutex);
    pinned.erase(pointer);
  }
  free(pointer);
}

struct PinnedMemory final : at::HostAllocator {
  at::DataPtr allocate(size_t size) override {
    void* pointer = nullptr;
    if (size) {
      TORCH_CHECK(posix_memalign(&pointer, BLOCK, size) == 0, "the host has no memory left");
      std::lock_guard<std::mutex> lock(memory_mutex);
      pinned.insert(pointer);
    }
    return {pointer, pointer, &free_pinned, at::Device(at::kCPU)};
  }
  at::DeleterFnPtr raw_deleter() const override { return &free_pinned; }
  void copy_data(void* to, const void* from, size_t size) const override { memcpy(to, from, size); }
  bool record_event(void*, void*, c10::Stream) override { return true; }
  void empty_cache() override {}
  at::HostStats get_stats() override { return {}; }
  void reset_accumulated_stats() override {}
  void reset_peak_stats() override {}
};
inline PinnedMemory pinned_memory;

}  // namespace openreg
