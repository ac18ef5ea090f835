// What the device tells: a callback in Python gets each transfer and each synchronisation, and operators are counted.
#pragma once
#include <torch/extension.h>

#include <atomic>
#include <string>

namespace openreg {

inline PyObject* callback = nullptr;
inline thread_local int silent = 0;
inline std::atomic<int64_t> operators{0};  // those that a GPU would launch; views are not counted

struct Silent {  // work of the device itself, inside of which nothing is reported
  Silent() { silent++; }
  ~Silent() { silent--; }
};

inline void report(const std::string& kind, const std::string& what, int64_t bytes = 0) {
  if (!callback || silent) return;
  pybind11::gil_scoped_acquire gil;
  Silent inside;
  PyObject* result = PyObject_CallFunction(callback, "ssL", kind.c_str(), what.c_str(), (long long)bytes);
  if (!result) {
    PyErr_WriteUnraisable(callback);
  } else {
    Py_DECREF(result);
  }
}

}  // namespace openreg
