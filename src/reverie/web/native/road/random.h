// NumPy's SeedSequence and PCG64 for seeds below 2^64: the numbers of `numpy.random.default_rng(seed)`.
#pragma once
#include <cstdint>

class Generator {
public:
    explicit Generator(uint64_t seed);

    // Uniform in [low, high), as numpy.random.Generator.uniform with arrays for its bounds.
    double uniform(double low, double high);

private:
    unsigned __int128 state_ = 0, increment_;

    void advance();
    uint64_t next();
};
