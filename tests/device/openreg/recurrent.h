// LSTM, GRU and RNN: a GPU has them as one operator each, so they are handed to the CPU's whole, with their gradient.
#pragma once
#include <ATen/autocast_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include "operators.h"

namespace openreg {

// Moves a tensor between the CPU and a device, in both passes.
struct Move : torch::autograd::Function<Move> {
  static Tensor forward(torch::autograd::AutogradContext* context, Tensor tensor, bool down, int64_t index) {
    context->saved_data["down"] = down;
    context->saved_data["index"] = index;
    at::AutoDispatchBelowADInplaceOrView below;
    return moved(tensor, down, index);
  }
  static torch::autograd::tensor_list backward(torch::autograd::AutogradContext* context,
                                               torch::autograd::tensor_list gradients) {
    if (!gradients[0].defined()) return {Tensor(), Tensor(), Tensor()};
    const bool down = context->saved_data["down"].toBool();
    return {moved(gradients[0].contiguous(), !down, context->saved_data["index"].toInt()), Tensor(), Tensor()};
  }
  static Tensor moved(const Tensor& tensor, bool down, int64_t index) {
    Silent inside;
    return down ? on_cpu(tensor).clone() : to_device(tensor, c10::Device(at::kPrivateUse1, index));
  }
};

// One call of a recurrent layer: brings its arguments to the CPU, in the precision of autocast.
class Recurrent {
 public:
  explicit Recurrent(const Tensor& input) : device_(input.device()) {
    if (at::autocast::is_autocast_enabled(at::kPrivateUse1))
      dtype_ = at::autocast::get_autocast_dtype(at::kPrivateUse1);
  }
  Tensor down(const Tensor& tensor) const {
    if (!tensor.defined()) return tensor;
    TORCH_CHECK(tensor.device() == device_, "Input and parameter tensors are not at the same device, found ",
                tensor.device(), " and ", device_);
    const Tensor moved = Move::apply(tensor, true, (int64_t)device_.index());
    return dtype_ && moved.is_floating_point() ? moved.to(*dtype_) : moved;
  }
  std::vector<Tensor> down(at::TensorList tensors) const {
    std::vector<Tensor> moved;
    for (const Tensor& tensor : tensors) moved.push_back(down(tensor));
    return moved;
  }
  Tensor up(const Tensor& tensor) const { return Move::apply(tensor, false, (int64_t)device_.index()); }

 private:
  c10::impl::ExcludeDispatchKeyGuard without_autocast_{c10::autocast_dispatch_keyset};
  c10::Device device_;
  std::optional<c10::ScalarType> dtype_;
};

using Three = std::tuple<Tensor, Tensor, Tensor>;
using Two = std::tuple<Tensor, Tensor>;

inline Three lstm_input(const Tensor& x, at::TensorList state, at::TensorList weights, bool biases, int64_t layers,
                        double dropout, bool train, bool bidirectional, bool batch_first) {
  Recurrent call(x);
  auto [y, h, c] = at::lstm(call.down(x), call.down(state), call.down(weights), biases, layers, dropout, train,
                            bidirectional, batch_first);
  return {call.up(y), call.up(h), call.up(c)};
}
inline Three lstm_data(const Tensor& x, const Tensor& sizes, at::TensorList state, at::TensorList weights, bool biases,
                       int64_t layers, double dropout, bool train, bool bidirectional) {
  TORCH_CHECK(sizes.is_cpu(), "batch_sizes should be on CPU");
  Recurrent call(x);
  auto [y, h, c] = at::lstm(call.down(x), sizes, call.down(state), call.down(weights), biases, layers, dropout, train,
                            bidirectional);
  return {call.up(y), call.up(h), call.up(c)};
}

// The other layers have one state and equal arguments.
template <Two (*layer)(const Tensor&, const Tensor&, at::TensorList, bool, int64_t, double, bool, bool, bool)>
Two layer_input(const Tensor& x, const Tensor& state, at::TensorList weights, bool biases, int64_t layers,
                double dropout, bool train, bool bidirectional, bool batch_first) {
  Recurrent call(x);
  auto [y, h] = layer(call.down(x), call.down(state), call.down(weights), biases, layers, dropout, train, bidirectional,
                      batch_first);
  return {call.up(y), call.up(h)};
}
template <Two (*layer)(const Tensor&, const Tensor&, const Tensor&, at::TensorList, bool, int64_t, double, bool, bool)>
Two layer_data(const Tensor& x, const Tensor& sizes, const Tensor& state, at::TensorList weights, bool biases,
               int64_t layers, double dropout, bool train, bool bidirectional) {
  TORCH_CHECK(sizes.is_cpu(), "batch_sizes should be on CPU");
  Recurrent call(x);
  auto [y, h] = layer(call.down(x), sizes, call.down(state), call.down(weights), biases, layers, dropout, train,
                      bidirectional);
  return {call.up(y), call.up(h)};
}

inline void register_recurrent(torch::Library& library) {
  library.impl("lstm.input", &lstm_input);
  library.impl("lstm.data", &lstm_data);
  library.impl("gru.input", &layer_input<at::gru>);
  library.impl("gru.data", &layer_data<at::gru>);
  library.impl("rnn_tanh.input", &layer_input<at::rnn_tanh>);
  library.impl("rnn_tanh.data", &layer_data<at::rnn_tanh>);
  library.impl("rnn_relu.input", &layer_input<at::rnn_relu>);
  library.impl("rnn_relu.data", &layer_data<at::rnn_relu>);
}

}  // namespace openreg
