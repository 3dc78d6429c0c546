"""The tail of the normal distribution, which NumPy lacks: gelu needs it."""

import math

import numpy as np


def normal_tail(x):
    """The chance that a normally distributed number is above x ≥ 0. (...) -> (...)

    erfc(x/√2) / 2, which NumPy lacks, as t · exp(p(t) - x²/2) / 2 with a polynomial p in
    t = 1 / (1 + x/√8): the form of Press et al. 2007, "Numerical Recipes", section 6.2.2.
    """
    t = 1 / (1 + x / 8**0.5)  # 1 at x = 0, 0 at infinity
    p = polynomial(2 * t - 1, TAIL.get(x.dtype, TAIL[np.dtype(np.float32)]))
    return 0.5 * t * np.exp(p - 0.5 * x * x)


def polynomial(x, coefficients):
    """c₀ + c₁x + c₂x² + … as c₀ + x(c₁ + x(c₂ + …)), all in one array. (...) -> (...)"""
    total = np.full(x.shape, coefficients[-1], np.result_type(x, coefficients))
    for c in coefficients[-2::-1]:
        total *= x
        total += c
    return total


def _tail_polynomial(degree):
    """p of `normal_tail`, from the standard library's erfc: coefficients of powers of 2t - 1."""

    def exponent(place):
        t = (place + 1) / 2
        z = 2 / t - 2  # x / √2
        if z < 4:
            return math.log(math.erfc(z)) + z * z - math.log(t)
        below = z  # erfc(z) is tiny: its fraction
        for k in range(60, 0, -1):  # exp(-z²)/√π / (z + ½/(z + 1/(z + …
            below = z + 0.5 * k / below
        return -math.log(below * math.sqrt(math.pi)) - math.log(t)

    fit = np.polynomial.chebyshev.chebinterpolate(np.vectorize(exponent), degree)
    return np.polynomial.chebyshev.cheb2poly(fit)


TAIL = {
    np.dtype(np.float32): _tail_polynomial(8).astype(np.float32),
    np.dtype(np.float64): _tail_polynomial(27),
}
