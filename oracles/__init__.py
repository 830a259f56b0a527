"""What the package is judged by: answers that share no numerics with it.

- `fields`: the ugly torus (even and odd N, L_x ≠ L_y, g^xx ≠ g^yy, origin ≠ 0, ħ, m ≠ 1), metrics and fields on it;
- `dense`: matrices of derivatives and operators in NumPy, from tabulated weights and closed formulas;
- `flows`: e^{zH} by the matrix exponential, and DOP853 for V(t) and V[T];
- `problems`: random problems for hypothesis, and their plain formulas.

Tests, validation and benchmarks import them; the wheel does not hold them. Closed forms that users need too (plane
waves, Mathieu lattices, manufactured fields) are in `spectral_ham.exact`.
"""
