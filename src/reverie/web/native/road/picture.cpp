#include "picture.h"

#include <cstring>

#include "surface.h"

namespace {

constexpr float kField[3] = {102, 204, 102}, kGrass[3] = {102, 230, 102};

Cover<2> ground;
Cover<4> road;
Planes planes;

// Sums the signed areas down the columns and mixes the colours: road over grass over field.
void compose() {
    float below[2][kSide] = {}, above[4][kSide] = {};  // running sums of ground and road
    for (int y = 0; y < kRows; ++y) {
        float under[kSide], scale[kSide];
        for (int k = 0; k < 2; ++k) {
            for (int x = 0; x < kSide; ++x) below[k][x] += ground.areas[y][k][x];
        }
        for (int k = 0; k < 4; ++k) {
            for (int x = 0; x < kSide; ++x) above[k][x] += road.areas[y][k][x];
        }
        for (int x = 0; x < kSide; ++x) {
            const float a = above[0][x];
            scale[x] = 1.0f / (a > 1.0f ? a : 1.0f);
            under[x] = 1.0f - a * scale[x];
        }
        for (int c = 0; c < 3; ++c) {
            const float grass = kGrass[c] - kField[c];
            for (int x = 0; x < kSide; ++x) {
                const float level = below[0][x] * kField[c] + below[1][x] * grass;
                planes.rows[y][c][x] = under[x] * level + scale[x] * above[c + 1][x];
            }
        }
    }
}

}  // namespace

void draw_picture(uint8_t* out, const Simulation& simulation, const double* state) {
    const Camera camera(state);
    std::memset(&ground, 0, sizeof ground);
    std::memset(&road, 0, sizeof road);
    add_ground(ground, camera);
    add_road(road, simulation, camera);
    compose();
    draw_car(planes, state);
    for (int y = 0; y < kRows; ++y) {
        for (int x = 0; x < kSide; ++x) {
            for (int c = 0; c < 3; ++c) {
                const float level = planes.rows[y][c][x] - kLoss;
                *out++ = static_cast<uint8_t>(level > 0.0f ? level : 0.0f);
            }
        }
    }
    draw_panel(out, state, simulation.reward);
}
