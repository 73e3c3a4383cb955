// The indicator panel: score, speed, four wheels, steering and gyroscope (see envs/car_racing/panel.py).
#include <algorithm>
#include <cmath>

#include "picture.h"
#include "scores.h"

namespace {

constexpr int kPanelRows = 12, kTop = 700;  // the panel's first window row

// Red, green, blue, and the share that is covered.
float cells[kPanelRows][kSide][4];

// Blends a rectangle given by its first and last window pixels; nothing if it is empty.
void bar(int x0, int y0, int x1, int y1, double r, double g, double b) {
    if (x1 < x0 || y1 < y0) return;
    const double left = std::max(x0, 0) * 0.096, right = std::min(x1 + 1, 1000) * 0.096;
    const double top = (std::max(y0, kTop) - kTop) * 0.12, bottom = (std::min(y1 + 1, 800) - kTop) * 0.12;
    for (int i = static_cast<int>(top); i < std::min(static_cast<int>(std::ceil(bottom)), kPanelRows); ++i) {
        const double high = std::min(bottom, i + 1.0) - std::max(top, static_cast<double>(i));
        for (int j = static_cast<int>(left); j < std::min(static_cast<int>(std::ceil(right)), kSide); ++j) {
            const double a = high * (std::min(right, j + 1.0) - std::max(left, static_cast<double>(j)));
            // bars lie side by side; where one is drawn over another, that one keeps what is left of the cell
            float* cell = cells[i][j];
            const double covered = cell[3];
            const double keep = a + covered > 1.0 ? (1.0 - a) / covered : 1.0;
            cell[0] = static_cast<float>(cell[0] * keep + a * r);
            cell[1] = static_cast<float>(cell[1] * keep + a * g);
            cell[2] = static_cast<float>(cell[2] * keep + a * b);
            cell[3] = static_cast<float>(std::min(covered + a, 1.0));
        }
    }
}

struct Rows {
    int first, last;
};

// First and last window row of a vertical bar.
Rows rows(double value, double scale) {
    const int y = static_cast<int>(800 - (20 + 20 * (scale * value)));
    return {std::min(y, 780), std::max(y, 780)};
}

bool shown(double value) {
    return std::fabs(value) > 1e-4;
}

// Four bars of 26 pixels, 25 apart: each hides a column of the one before it, as far as it reaches.
void wheel_bars(const double* omega) {
    for (int k = 0; k < kWheels; ++k) {
        if (!shown(omega[k])) continue;
        const int x = 175 + 25 * k;
        const double red = k < 2 ? 0.0 : 51.0;
        const auto [lo, hi] = rows(omega[k], 0.01);
        bar(x, lo, x + 24, hi, red, 0.0, 255.0);
        if (k < 3 && shown(omega[k + 1])) {
            const auto [next_lo, next_hi] = rows(omega[k + 1], 0.01);
            bar(x + 25, lo, x + 25, next_lo - 1, red, 0.0, 255.0);
            bar(x + 25, next_hi + 1, x + 25, hi, red, 0.0, 255.0);
        } else {
            bar(x + 25, lo, x + 25, hi, red, 0.0, 255.0);
        }
    }
}

// The columns of the score's picture. Python's "%.0f" rounds halves to even and shows the sign of what rounds to nought.
const uint16_t* score(double reward) {
    const double whole = std::nearbyint(reward);
    if (whole == 0 && std::signbit(whole)) return kScores[kHighestScore - kLowestScore + 1];
    return kScores[std::clamp(static_cast<int>(whole), kLowestScore, kHighestScore) - kLowestScore];
}

}  // namespace

void draw_panel(uint8_t* out, const double* state, double reward) {
    std::fill_n(&cells[0][0][0], sizeof cells / sizeof(float), 0.0f);
    if (shown(state[kSpeed])) {
        const auto [lo, hi] = rows(state[kSpeed], 0.02);
        bar(125, lo, 150, hi, 255.0, 255.0, 255.0);
    }
    wheel_bars(state + kOmega);
    if (shown(state[kSteer])) {
        const int x = static_cast<int>((20 - 10.0 * state[kSteer]) * 25);
        bar(std::min(x, 500), 720, std::max(x, 500), 760, 0.0, 255.0, 0.0);
    }
    if (shown(state[kGyro])) {
        const int x = static_cast<int>((30 - 0.8 * state[kGyro]) * 25);
        bar(std::min(x, 750), 720, std::max(x, 750), 760, 255.0, 0.0, 0.0);
    }
    const uint16_t* columns = score(reward);
    for (int y = 0; y < kPanelRows; ++y) {
        for (int x = 0; x < kSide; ++x) {
            const uint8_t ink = x < kScoreSide ? kScoreColumns[columns[x]][y] : 0;
            for (int c = 0; c < 3; ++c) {
                *out++ = std::max(static_cast<uint8_t>(std::max(cells[y][x][c] - kLoss, 0.0f)), ink);
            }
        }
    }
}
