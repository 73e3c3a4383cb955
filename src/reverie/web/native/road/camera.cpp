#include "camera.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "scene.h"

Camera::Camera(const double* state) : car_x(state[kHull]), car_y(state[kHull + 1]) {
    const double angle = -state[kHull + 2], t = state[kTime];
    zoom = 0.1 * 6.0 * std::max(1 - t, 0.0) + 2.7 * 6.0 * std::min(t, 1.0);
    c = std::cos(angle);
    s = std::sin(angle);
    const double x = -car_x * zoom, y = -car_y * zoom;
    tx = 500.0 + (x * c - y * s);
    ty = 200.0 + (x * s + y * c);
}

Point Camera::pixel(double x, double y) const {
    auto middle = [](double place) { return static_cast<double>(static_cast<int64_t>(place)) + 0.5; };
    return {middle((x * c - y * s) * zoom + tx), middle((x * s + y * c) * zoom + ty)};
}

double fat(double x, double y) {
    x = std::fabs(x);
    y = std::fabs(y);
    return x > y ? 0.625 * x : 0.5 * y;
}
