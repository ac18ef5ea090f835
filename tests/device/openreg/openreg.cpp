// A test accelerator for torch, the device type `openreg` in the place PrivateUse1. See README.md beside this file.
#include <torch/csrc/Generator.h>
#include <torch/csrc/utils/device_lazy_init.h>

#include "recurrent.h"

namespace openreg {

using at::IntArrayRef, at::Scalar, at::ScalarType;  // torch's macros for autocast name them so

C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard)

static const bool registered = [] {
  c10::SetAllocator(c10::kPrivateUse1, &device_memory);
  at::setHostAllocator(at::kPrivateUse1, &pinned_memory);
  at::RegisterPrivateUse1HooksInterface(new Hooks());
  return true;
}();

TORCH_LIBRARY_IMPL(_, PrivateUse1, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&fallback>());
}
TORCH_LIBRARY_IMPL(aten, PrivateUse1, library) {
  library.impl("empty.memory_format", &empty);
  library.impl("empty_strided", &empty_strided);
  library.impl("as_strided", &as_strided);
  library.impl("resize_", &resize);
  library.impl("_reshape_alias", &reshape_alias);
  library.impl("view", &view);
  library.impl("unfold", &unfold);
  library.impl("_copy_from", &copy_from);
  library.impl("_copy_from_and_resize", &copy_from_and_resize);
  library.impl("_local_scalar_dense", &item);
  library.impl("set_.source_Tensor", &set_to_tensor);
  library.impl("set_.source_Storage", &set_to_storage);
  library.impl("set_.source_Storage_storage_offset", &set_to_part);
  library.impl("view_as_real", &view_as_real);
  // Torch has a composite of other operators for these, which a GPU does not use.
  for (const char* name :
       {"convolution", "convolution_backward", "embedding", "embedding_dense_backward", "native_group_norm"})
    library.impl(name, torch::CppFunction::makeFromBoxedFunction<&fallback>());
  register_recurrent(library);
}
TORCH_LIBRARY_IMPL(aten, AutogradPrivateUse1, library) { register_recurrent(library); }

// Autocast, by torch's own lists of operators.
TORCH_LIBRARY_IMPL(_, AutocastPrivateUse1, library) { library.fallback(torch::CppFunction::makeFallthrough()); }
TORCH_LIBRARY_IMPL(aten, AutocastPrivateUse1, m) {  // the macros say `m`
#define LOWER(...) KERNEL_PRIVATEUSEONE(__VA_ARGS__, lower_precision_fp)
#define FULL(...) KERNEL_PRIVATEUSEONE(__VA_ARGS__, fp32)
#define FULL_UNLESS_SET(...) KERNEL_PRIVATEUSEONE(__VA_ARGS__, fp32_set_opt_dtype)
#define WIDEST(...) KERNEL_PRIVATEUSEONE(__VA_ARGS__, promote)
  AT_FORALL_LOWER_PRECISION_FP(LOWER)
  AT_FORALL_FP32(FULL)
  AT_FORALL_FP32_SET_OPT_DTYPE(FULL_UNLESS_SET)
  AT_FORALL_DIFFERENT_REDISPATCH_SIGNATURE(KERNEL_DIFFERENT_REDISPATCH_SIGNATURE_PRIVATEUSEONE)
  AT_FORALL_PROMOTE(WIDEST)
}

static void start() {
  torch::utils::register_fork_handler_for_device_init(at::kPrivateUse1);
  at::globalContext().lazyInitDevice(at::kPrivateUse1);
}
static int exchange_device(int device) {
  const int before = current_device;
  TORCH_CHECK(device < device_count(), "openreg: invalid device ordinal ", device);
  if (device >= 0) current_device = device;
  return before;
}
static void seed_all(uint64_t seed) {
  for (int device = 0; device < device_count(); device++) {
    auto generator = default_generator(device);
    generator.set_current_seed(seed);
  }
}
static void set_callback(py::object function) {
  PyObject* before = callback;
  callback = function.is_none() ? nullptr : function.release().ptr();
  Py_XDECREF(before);
}

PYBIND11_MODULE(TORCH_EXTENSION_NAME, module) {
  module.def("start", &start);
  module.def("is_in_bad_fork", [] { return torch::utils::is_device_in_bad_fork(at::kPrivateUse1); });
  module.def("device_count", [] { return device_count(); });
  module.def("current_device", [] { return (int)current_device; });
  module.def("exchange_device", &exchange_device);
  module.def("seed_all", &seed_all);
  module.def("default_generator", [](int device) {
    return py::reinterpret_steal<py::object>(THPGenerator_initDefaultGenerator(default_generator(device)));
  });
  module.def("set_callback", &set_callback);
  module.def("operators", [] { return operators.load(); });
}

}  // namespace openreg
