#include "random.h"

namespace {

constexpr int kPool = 4;

// SeedSequence's hash, whose constant changes with every use.
struct Hash {
    uint32_t constant, factor;

    uint32_t operator()(uint32_t value) {
        value ^= constant;
        constant *= factor;
        value *= constant;
        return value ^ value >> 16;
    }
};

uint32_t mix(uint32_t x, uint32_t y) {
    uint32_t result = 0xca01f9ddu * x - 0x4973f715u * y;
    return result ^ result >> 16;
}

constexpr unsigned __int128 wide(uint64_t high, uint64_t low) {
    return static_cast<unsigned __int128>(high) << 64 | low;
}

}  // namespace

Generator::Generator(uint64_t seed) {
    // SeedSequence: the seed's words are stirred into a pool, from which the generator's are drawn.
    uint32_t entropy[kPool] = {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32), 0, 0};
    uint32_t pool[kPool];
    Hash in{0x43b0d7e5u, 0x931e8875u};
    for (int i = 0; i < kPool; ++i) pool[i] = in(entropy[i]);
    for (int from = 0; from < kPool; ++from) {
        for (int to = 0; to < kPool; ++to) {
            if (from != to) pool[to] = mix(pool[to], in(pool[from]));
        }
    }
    Hash out{0x8b51f9ddu, 0x58f38dedu};
    uint64_t words[4];
    for (int i = 0; i < 4; ++i) {
        uint64_t low = out(pool[2 * i % kPool]);
        words[i] = static_cast<uint64_t>(out(pool[(2 * i + 1) % kPool])) << 32 | low;
    }
    // PCG64: 128 bits of state, the increment is odd.
    increment_ = wide(words[2], words[3]) << 1 | 1;
    advance();
    state_ += wide(words[0], words[1]);
    advance();
}

void Generator::advance() {
    state_ = state_ * wide(2549297995355413924ull, 4865540595714422341ull) + increment_;
}

uint64_t Generator::next() {
    advance();
    uint64_t folded = static_cast<uint64_t>(state_ >> 64) ^ static_cast<uint64_t>(state_);
    unsigned turn = static_cast<unsigned>(state_ >> 122);
    return folded >> turn | folded << (-turn & 63);
}

double Generator::uniform(double low, double high) {
    double share = static_cast<double>(next() >> 11) * (1.0 / 9007199254740992.0);
    return low + (high - low) * share;
}
