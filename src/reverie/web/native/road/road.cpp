// What the page calls: one road in a module's memory.
#include <memory>

#include "picture.h"

#define EXPORT(name) __attribute__((export_name(#name)))

namespace {

Track track;
std::unique_ptr<Simulation> simulation;
double state[kStateSize];
uint8_t pixels[kSide * kSide * 3];

}  // namespace

extern "C" {

// Starts an episode on the track of this seed, given by its lower and upper 32 bits.
EXPORT(reset) void reset(uint32_t low, uint32_t high) {
    Generator generator(static_cast<uint64_t>(high) << 32 | low);
    simulation.reset();
    make_track(generator, track);
    simulation = std::make_unique<Simulation>(track);
    simulation->step();
    read_state(*simulation, state);
}

// One frame of 1/50 s: returns its reward.
EXPORT(step) double step(double steer, double gas, double brake) {
    const double gained = simulation->step(steer, gas, brake);
    read_state(*simulation, state);
    return gained;
}

EXPORT(terminated) bool terminated() { return simulation->terminated; }

// The episode's reward up to now, and the tiles that a wheel has touched.
EXPORT(reward) double reward() { return simulation->reward; }
EXPORT(num_visited) int num_visited() { return simulation->num_visited; }

// 27 float64, laid out as in scene.h.
EXPORT(state) const double* state_vector() { return state; }

// Draws the observation: (96, 96, 3) uint8.
EXPORT(draw) const uint8_t* draw() {
    draw_picture(pixels, *simulation, state);
    return pixels;
}

EXPORT(wheels_on_grass) int wheels_on_grass() {
    int count = 0;
    for (const Wheel& wheel : simulation->car.wheels) count += wheel.tiles == 0;
    return count;
}

EXPORT(num_tiles) int num_tiles() { return track.count; }

// (n, 4) float64: left x, y and right x, y of the road at each track point.
EXPORT(edges) const Edge* edges() { return track.edges; }

// (n) int8: the side of each tile's kerb, -1 left, 1 right, 0 none.
EXPORT(kerbs) const signed char* kerbs() { return track.kerbs; }

// (n) bool: tiles that any part of the car has touched, which are all of one grey.
EXPORT(touched) const bool* touched() { return simulation->tiles.touched; }

}
