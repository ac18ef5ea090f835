// Random numbers: a generator of the device owns one of the CPU, which does the work.
#pragma once
#include <ATen/CPUGeneratorImpl.h>

#include <vector>

#include "memory.h"

namespace openreg {

struct Generator final : at::CPUGeneratorImpl {
  explicit Generator(c10::DeviceIndex index) : at::CPUGeneratorImpl(c10::default_rng_seed_val) {
    device_ = c10::Device(c10::kPrivateUse1, index);
    key_set_ = c10::DispatchKeySet(c10::DispatchKey::PrivateUse1);
    on_cpu = at::make_generator<at::CPUGeneratorImpl>(c10::default_rng_seed_val);
  }
  void set_current_seed(uint64_t seed) override { on_cpu.set_current_seed(seed); }
  uint64_t current_seed() const override { return on_cpu.current_seed(); }
  uint64_t seed() override { return on_cpu.seed(); }
  void set_state(const c10::TensorImpl& state) override { on_cpu.unsafeGetGeneratorImpl()->set_state(state); }
  c10::intrusive_ptr<c10::TensorImpl> get_state() const override { return on_cpu.unsafeGetGeneratorImpl()->get_state(); }
  void set_offset(uint64_t) override { TORCH_CHECK(false, "openreg: a generator has no offset"); }
  uint64_t get_offset() const override { TORCH_CHECK(false, "openreg: a generator has no offset"); }

  at::Generator on_cpu;
};

inline const at::Generator& default_generator(c10::DeviceIndex index) {
  static const std::vector<at::Generator> generators = [] {
    std::vector<at::Generator> made;
    for (int device = 0; device < device_count(); device++) made.push_back(at::make_generator<Generator>(device));
    return made;
  }();
  return generators[index < 0 ? current_device : index];
}

}  // namespace openreg
