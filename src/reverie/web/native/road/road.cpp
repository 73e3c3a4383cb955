// What the page calls: one road in a module's memory.
#include "track.h"

#define EXPORT(name) __attribute__((export_name(#name)))

namespace {

Track track;

}  // namespace

extern "C" {

// Starts an episode on the track of this seed, given by its lower and upper 32 bits.
EXPORT(reset) void reset(uint32_t low, uint32_t high) {
    Generator generator(static_cast<uint64_t>(high) << 32 | low);
    make_track(generator, track);
}

EXPORT(num_tiles) int num_tiles() { return track.count; }

// (n, 4) float64: left x, y and right x, y of the road at each track point.
EXPORT(edges) const Edge* edges() { return track.edges; }

// (n) int8: the side of each tile's kerb, -1 left, 1 right, 0 none.
EXPORT(kerbs) const signed char* kerbs() { return track.kerbs; }

}
