// sinf and cosf as the C library of a Linux machine computes them, for angles below 2^17.
//
// Box2D turns its bodies by them, and what a drive becomes depends on their last bit: musl's would do, but differ.
// Method and coefficients are those of Arm's optimized routines, which glibc uses (Copyright (c) 2018, Arm Limited,
// MIT licence; https://github.com/ARM-software/optimized-routines, math/sinf.c, cosf.c, sincosf_data.c): double
// precision throughout, one rounding at the end. Of all 2.4 billion such angles 36 come out otherwise than in glibc
// 2.36 on a machine that fuses products with sums.
#include <cmath>
#include <cstdint>

namespace {

constexpr double kHalfPi = 0x1.921fb54442d18p0;
constexpr double kHalfPiHigh = 0x1.921fb544p0, kHalfPiLow = 0x1.0b4611a626331p-34;  // for products without rounding

// The angle's distance from the nearest multiple n of a quarter turn.
double reduce(double x, int& n) {
    constexpr double kTurns = 0x1.45f306dc9c883p+23;  // 2^24 quarter turns a radian
    if (std::fabs(x) < 120) {
        n = (static_cast<int32_t>(x * kTurns) + 0x800000) >> 24;
        return x - n * kHalfPi;
    }
    n = static_cast<int>(std::rint(x * (kTurns * 0x1p-24)));
    return (x - n * kHalfPiHigh) - n * kHalfPiLow;
}

// The sine of x + n quarter turns, |x| up to an eighth of a turn.
float sine(double x, int n) {
    double x2 = x * x, value;
    if (n & 1) {
        double x4 = x2 * x2;
        double c2 = -0x1.6c087e89a359dp-10 + x2 * 0x1.99343027bf8c3p-16;
        double c1 = 1.0 + x2 * -0x1.ffffffd0c621cp-2;
        value = (c1 + x4 * 0x1.55553e1068f19p-5) + (x4 * x2) * c2;
    } else {
        double x3 = x * x2;
        double s1 = 0x1.1107605230bc4p-7 + x2 * -0x1.994eb3774cf24p-13;
        value = (x + x3 * -0x1.555545995a603p-3) + (x3 * x2) * s1;
    }
    return static_cast<float>(n & 2 ? -value : value);
}

}  // namespace

extern "C" float sinf(float angle) {
    int n;
    double x = reduce(angle, n);
    return sine(x, n);
}

extern "C" float cosf(float angle) {
    int n;
    double x = reduce(angle, n);
    return sine(x, n + 1);
}
