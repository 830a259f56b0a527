"""The only folder that needs numba: kernels, and what compiles and starts them."""
