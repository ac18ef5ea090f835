// Operators: each runs on the CPU, on the same memory, after the checks that a GPU makes.
#pragma once
#include <ATen/ATen.h>
#include <ATen/EmptyTensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/native/CPUFallback.h>
#include <ATen/native/Resize.h>
#include <ATen/native/TensorFactories.h>
#include <ATen/ops/as_strided_cpu_dispatch.h>
#include <ATen/ops/set_cpu_dispatch.h>
#include <torch/library.h>

#include "runtime.h"

namespace openreg {

using at::Tensor;
using c10::IValue;

const c10::DispatchKeySet ON_DEVICE(c10::DispatchKey::PrivateUse1);

// Operators whose result has a size that only the device knows, or that a GPU computes in several passes.
const std::unordered_set<std::string> WAITING = {
    "aten::nonzero",  "aten::masked_select",      "aten::_unique",  "aten::_unique2", "aten::unique_dim",
    "aten::equal",    "aten::unique_consecutive", "aten::bincount", "aten::histc",    "aten::repeat_interleave",
    "aten::nonzero_static"};
// Operators that take indices of the CPU, or none of whose tensors must be on the device. A mask as an index waits.
const std::unordered_set<std::string> INDEXING = {
    "aten::_index_put_impl_", "aten::index_put_", "aten::index_put", "aten::index"};

inline bool is_on_device(const Tensor& tensor) {
  return tensor.defined() && tensor.device().type() == at::kPrivateUse1;
}

inline bool is_number(const Tensor& tensor) { return tensor.unsafeGetTensorImpl()->is_wrapped_number(); }

// The tensor's memory as a tensor of the CPU.
inline Tensor on_cpu(const Tensor& tensor) {
  if (!is_on_device(tensor)) return tensor;
  void* memory = tensor.numel() ? tensor.mutable_data_ptr() : nullptr;
  const auto options = at::TensorOptions().dtype(tensor.dtype()).device(at::kCPU);
  Tensor result = at::from_blob(memory, tensor.sizes(), tensor.strides(), options);
  if (is_number(tensor)) result.unsafeGetTensorImpl()->set_wrapped_number(true);
  return result;
}

inline Tensor empty_on_device(c10::IntArrayRef sizes, c10::IntArrayRef strides, c10::ScalarType dtype) {
  return at::detail::empty_strided_generic(sizes, strides, &device_memory, ON_DEVICE, dtype);
}

// A copy of the tensor on the device.
inline Tensor to_device(const Tensor& tensor, c10::Device device) {
  if (!tensor.defined() || tensor.device() == device) return tensor;
  TORCH_CHECK(tensor.layout() == at::kStrided, "openreg: only strided tensors");
  c10::DeviceGuard guard(device);
  const Tensor dense = tensor.is_non_overlapping_and_dense() ? tensor : tensor.contiguous();
  Tensor result = empty_on_device(dense.sizes(), dense.strides(), dense.scalar_type());
  if (dense.numel()) memcpy(result.mutable_data_ptr(), dense.const_data_ptr(), dense.numel() * dense.itemsize());
  if (is_number(tensor)) result.unsafeGetTensorImpl()->set_wrapped_number(true);
  return result;
}

// The device of an operator's arguments. Raises for tensors of two devices, or of the CPU beside those of the device.
class Devices {
 public:
  Devices(const c10::OperatorHandle& op, const IValue* values)
      : name_(op.schema().operator_name().name), is_indexing_(INDEXING.count(name_) > 0) {
    const auto& arguments = op.schema().arguments();
    for (size_t i = 0; i < arguments.size(); i++) see(values[i], arguments[i].name());
    // Writing a number of the CPU through a mask is a masked_fill. Reading through one calls nonzero, which is reported.
    if (is_indexing_ && has_mask_ && !has_number_ && name_ != "aten::index")
      report("waiting operator", name_ + " with a mask");
    if (!device_) device_ = asked_;
    TORCH_CHECK(device_.has_value(), "openreg: no device for ", name_);
    TORCH_CHECK(of_cpu_.empty() || is_indexing_, "Expected all tensors to be on the same device, but found at least two ",
                "devices, ", *device_, " and cpu! (when checking argument ", of_cpu_, " of ", name_, ")");
  }

  c10::Device device() const {
    return device_->has_index() ? *device_ : c10::Device(at::kPrivateUse1, current_device);
  }

 private:
  void see(const IValue& value, const std::string& argument) {
    if (value.isTensor()) {
      see(value.toTensor(), argument);
    } else if (value.isTensorList()) {
      for (const Tensor& tensor : value.toTensorVector()) see(tensor, argument);
    } else if (value.isOptionalTensorList()) {
      for (const auto& tensor : value.toOptionalTensorVector()) {
        if (!tensor) continue;
        see(*tensor, argument);
        has_mask_ |= is_on_device(*tensor) && tensor->scalar_type() == at::kBool;
      }
    } else if (value.isDevice() && value.toDevice().type() == at::kPrivateUse1) {
      asked_ = value.toDevice();
    }
  }

  void see(const Tensor& tensor, const std::string& argument) {
    if (!tensor.defined()) return;
    if (is_on_device(tensor)) {
      const auto found = tensor.device();
      TORCH_CHECK(!device_ || *device_ == found, "Expected all tensors to be on the same device, but found at least two ",
                  "devices, ", *device_, " and ", found, "! (", name_, ", argument ", argument, ")");
      device_ = found;
    } else if (tensor.dim() > 0 || !tensor.is_cpu()) {  // a scalar of the CPU may be mixed, as on a GPU
      of_cpu_ += (of_cpu_.empty() ? "" : ", ") + argument;
    } else {
      has_number_ = true;
    }
  }

  std::string name_, of_cpu_;
  bool is_indexing_, has_mask_ = false, has_number_ = false;
  std::optional<c10::Device> device_, asked_;
};

// The arguments of an operator as tensors of the CPU, and what it has written as tensors of the device again.
class Call {
 public:
  Call(const c10::OperatorHandle& op, torch::jit::Stack* stack, c10::Device device)
      : arguments_(op.schema().arguments()), returns_(op.schema().returns()), name_(op.schema().operator_name().name),
        stack_(stack), device_(device) {
    const size_t begin = stack->size() - arguments_.size();
    for (size_t i = 0; i < arguments_.size(); i++) {
      IValue& value = (*stack)[begin + i];
      originals_.push_back(value);
      value = converted(value, arguments_[i]);
    }
  }

  void take_back() {
    for (auto& [tensor, result] : written_) {
      const bool moved = result.numel() && (!tensor.numel() || result.const_data_ptr() != tensor.const_data_ptr());
      if (result.sizes() != tensor.sizes()) at::native::resize_(tensor, result.sizes(), std::nullopt);
      if (moved) on_cpu(tensor).copy_(result);
    }
    const size_t begin = stack_->size() - returns_.size();
    for (size_t i = 0; i < returns_.size(); i++) (*stack_)[begin + i] = returned((*stack_)[begin + i], returns_[i]);
  }

 private:
  IValue converted(const IValue& value, const c10::Argument& argument) {
    const bool is_written = argument.alias_info() && argument.alias_info()->isWrite();
    if (value.isTensor()) return converted(value.toTensor(), is_written, argument.kwarg_only());
    if (value.isTensorList()) {
      c10::List<Tensor> list;
      for (const Tensor& tensor : value.toTensorVector()) list.push_back(converted(tensor, is_written, false));
      return list;
    }
    if (value.isOptionalTensorList()) {
      c10::List<std::optional<Tensor>> list;
      for (const auto& tensor : value.toOptionalTensorVector())
        list.push_back(tensor ? std::optional<Tensor>(on_cpu(*tensor)) : std::nullopt);
      return list;
    }
    if (value.isDevice()) return c10::Device(at::kCPU);
    if (value.isGenerator() || (value.isNone() && argument.type()->str().find("Generator") != std::string::npos)) {
      const at::Generator generator = value.isGenerator() ? value.toGenerator() : default_generator(device_.index());
      TORCH_CHECK(generator.device().type() == at::kPrivateUse1, "Expected a 'openreg' device type for generator but ",
                  "found '", generator.device().type(), "' (", name_, ")");
      return static_cast<Generator*>(generator.unsafeGetGeneratorImpl())->on_cpu;
    }
    return value;
  }

  Tensor converted(const Tensor& tensor, bool is_written, bool is_out) {
    if (!is_on_device(tensor) || !is_written) return on_cpu(tensor);
    const bool keep = tensor.numel() && !is_out;  // an `out` may get another size
    Tensor result = keep ? on_cpu(tensor)
                         : at::empty_strided(tensor.sizes(), tensor.strides(), tensor.options().device(at::kCPU));
    written_.push_back({tensor, result});
    return result;
  }

  IValue returned(const IValue& value, const c10::Argument& result) {
    if (result.alias_info()) {
      for (size_t i = 0; i < arguments_.size(); i++)
        if (arguments_[i].alias_info() && *arguments_[i].alias_info() == *result.alias_info()) return originals_[i];
      TORCH_CHECK(!value.isTensor(), "openreg: the view ", name_, " has no kernel");
    }
    if (value.isTensor()) return to_device(value.toTensor(), device_);
    if (!value.isTensorList()) return value;
    c10::List<Tensor> list;
    for (const Tensor& tensor : value.toTensorVector()) list.push_back(to_device(tensor, device_));
    return list;
  }

  const std::vector<c10::Argument>&arguments_, &returns_;
  std::string name_;
  torch::jit::Stack* stack_;
  c10::Device device_;
  std::vector<IValue> originals_;
  std::vector<std::pair<Tensor, Tensor>> written_;  // on the device, and on the CPU
};

inline void fallback(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  operators++;
  const auto& schema = op.schema();
  const Devices devices(op, stack->data() + stack->size() - schema.arguments().size());
  const std::string& name = schema.operator_name().name;
  if (WAITING.count(name)) report("waiting operator", name);
  const c10::Device device = devices.device();
  c10::DeviceGuard guard(device);
  Call call(op, stack, device);
  op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), stack);
  call.take_back();
}

// Kernels that a fallback cannot give: memory, views, and copies between the devices.

inline c10::Device chosen(std::optional<c10::Device> device) {
  const auto found = c10::device_or_default(device);
  return found.has_index() ? found : c10::Device(at::kPrivateUse1, current_device);
}
inline Tensor empty(c10::IntArrayRef sizes, std::optional<c10::ScalarType> dtype, std::optional<c10::Layout>,
                    std::optional<c10::Device> device, std::optional<bool>, std::optional<c10::MemoryFormat> format) {
  c10::DeviceGuard guard(chosen(device));
  return at::detail::empty_generic(sizes, &device_memory, ON_DEVICE, c10::dtype_or_default(dtype), format);
}
inline Tensor empty_strided(c10::IntArrayRef sizes, c10::IntArrayRef strides, std::optional<c10::ScalarType> dtype,
                            std::optional<c10::Layout>, std::optional<c10::Device> device, std::optional<bool>) {
  c10::DeviceGuard guard(chosen(device));
  return empty_on_device(sizes, strides, c10::dtype_or_default(dtype));
}
inline const Tensor& resize(const Tensor& self, c10::SymIntArrayRef sizes, std::optional<at::MemoryFormat> format) {
  c10::DeviceGuard guard(self.device());
  return at::native::resize_(self, C10_AS_INTARRAYREF_SLOW(sizes), format);
}
inline Tensor as_strided(const Tensor& self, c10::SymIntArrayRef sizes, c10::SymIntArrayRef strides,
                         std::optional<c10::SymInt> offset) {
  return at::cpu::as_strided_symint(self, sizes, strides, offset);
}
inline Tensor reshape_alias(const Tensor& self, c10::SymIntArrayRef sizes, c10::SymIntArrayRef strides) {
  return at::native::_reshape_alias(self, C10_AS_INTARRAYREF_SLOW(sizes), C10_AS_INTARRAYREF_SLOW(strides));
}
inline Tensor view(const Tensor& self, c10::SymIntArrayRef sizes) {
  return at::native::view(self, C10_AS_INTARRAYREF_SLOW(sizes));
}
inline Tensor unfold(const Tensor& self, int64_t dimension, int64_t size, int64_t step) {
  return at::native::unfold(self, dimension, size, step);
}
inline Tensor view_as_real(const Tensor& self) { return at::native::view_as_real(self); }
inline Tensor& set_to_tensor(Tensor& self, const Tensor& source) { return at::native::set_tensor_(self, source); }
inline Tensor& set_to_storage(Tensor& self, at::Storage source) { return at::native::set_(self, source); }
inline Tensor& set_to_part(Tensor& self, at::Storage source, int64_t offset, c10::IntArrayRef sizes,
                           c10::IntArrayRef strides) {
  return at::cpu::set_(self, source, offset, sizes, strides);
}

inline bool is_pinned(const Tensor& tensor) {
  return tensor.numel() && tensor.is_cpu() && is_pinned(tensor.storage().data());
}

inline Tensor copy_from(const Tensor& from, const Tensor& to, bool non_blocking) {
  operators++;
  if (is_on_device(from) != is_on_device(to)) {
    const bool is_up = is_on_device(to);
    const std::string way = is_up ? "to device" : "from device";
    const bool pinned_side = is_pinned(is_up ? from : to);
    // From memory that is not pinned, a copy that does not block is staged by the driver: slow, but no wait.
    const bool waits = is_up ? !non_blocking : !(non_blocking && pinned_side);
    report(waits ? "waiting copy" : pinned_side ? "copy" : "staged copy", way, (int64_t)from.nbytes());
  }
  on_cpu(to).copy_(on_cpu(from));
  return to;
}
inline Tensor copy_from_and_resize(const Tensor& from, const Tensor& to) {
  std::optional<c10::DeviceGuard> guard;
  if (is_on_device(to)) guard.emplace(to.device());
  at::native::resize_(to, from.sizes(), std::nullopt);
  return copy_from(from, to, false);
}
inline at::Scalar item(const Tensor& self) {
  report("item", "item");
  return on_cpu(self).item();
}

}  // namespace openreg
