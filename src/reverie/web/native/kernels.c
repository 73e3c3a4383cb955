// What V, M and C of a run compute, for WebAssembly with SIMD: products of matrices and vectors, convolutions of stride
// 2 and their transposes, the LSTM's gates. All numbers are float32. Maps are laid out (row, column, channel); counts of
// channels are multiples of 8 and lengths of vectors multiples of 4, filled up with zeros by whoever calls.
#include <wasm_simd128.h>

#define EXPORT(name) __attribute__((export_name(#name)))
#define INLINE static inline __attribute__((always_inline))
#define MULTIPLY_ADD(sum, x, y) wasm_f32x4_add(sum, wasm_f32x4_mul(x, y))
#define SPLAT wasm_f32x4_splat
#define LOAD wasm_v128_load
#define STORE wasm_v128_store

extern unsigned char __heap_base;

// `bytes` of memory, of zeros, at a multiple of 16; it is never given back.
EXPORT(allocate) void *allocate(unsigned bytes) {
  static unsigned top = 0;
  if (!top) top = (unsigned)&__heap_base;
  unsigned start = (top + 15) & ~15u;
  top = start + bytes;
  unsigned have = __builtin_wasm_memory_size(0) << 16;
  if (top > have && __builtin_wasm_memory_grow(0, (top - have + 65535) >> 16) == (unsigned long)-1) __builtin_trap();
  return (void *)start;
}

// e to the x: a power of two times a polynomial (Cephes), within 2 units in the last place; x is cut at +-87.
INLINE v128_t exponential(v128_t x) {
  x = wasm_f32x4_pmax(SPLAT(-87.f), wasm_f32x4_pmin(SPLAT(87.f), x));
  v128_t k = wasm_f32x4_nearest(wasm_f32x4_mul(x, SPLAT(1.44269504f)));
  v128_t r = MULTIPLY_ADD(MULTIPLY_ADD(x, k, SPLAT(-.693359375f)), k, SPLAT(2.12194440e-4f));
  v128_t p = MULTIPLY_ADD(SPLAT(1.3981999507e-3f), r, SPLAT(1.9875691500e-4f));
  p = MULTIPLY_ADD(SPLAT(8.3334519073e-3f), r, p);
  p = MULTIPLY_ADD(SPLAT(4.1665795894e-2f), r, p);
  p = MULTIPLY_ADD(SPLAT(1.6666665459e-1f), r, p);
  p = MULTIPLY_ADD(SPLAT(5.0000001201e-1f), r, p);
  p = wasm_f32x4_add(MULTIPLY_ADD(r, wasm_f32x4_mul(r, r), p), SPLAT(1.f));
  v128_t power = wasm_i32x4_shl(wasm_i32x4_add(wasm_i32x4_trunc_sat_f32x4(k), wasm_i32x4_splat(127)), 23);
  return wasm_f32x4_mul(p, power);
}

INLINE v128_t sigmoid(v128_t x) {
  return wasm_f32x4_div(SPLAT(1.f), wasm_f32x4_add(SPLAT(1.f), exponential(wasm_f32x4_neg(x))));
}

INLINE v128_t tangent(v128_t x) {
  return wasm_f32x4_sub(wasm_f32x4_mul(SPLAT(2.f), sigmoid(wasm_f32x4_add(x, x))), SPLAT(1.f));
}

// (sum of a, sum of b, sum of c, sum of d)
INLINE v128_t sums(v128_t a, v128_t b, v128_t c, v128_t d) {
  v128_t ab = wasm_f32x4_add(wasm_i32x4_shuffle(a, b, 0, 1, 4, 5), wasm_i32x4_shuffle(a, b, 2, 3, 6, 7));
  v128_t cd = wasm_f32x4_add(wasm_i32x4_shuffle(c, d, 0, 1, 4, 5), wasm_i32x4_shuffle(c, d, 2, 3, 6, 7));
  return wasm_f32x4_add(wasm_i32x4_shuffle(ab, cd, 0, 2, 4, 6), wasm_i32x4_shuffle(ab, cd, 1, 3, 5, 7));
}

// y (n) = w (n, m) x (m) + b (n); n and m are multiples of 4.
EXPORT(linear) void linear(const float *w, const float *b, const float *x, float *y, int n, int m) {
  for (int i = 0; i < n; i += 4, w += 4 * m) {
    v128_t s0 = SPLAT(0), s1 = s0, s2 = s0, s3 = s0;
    for (int j = 0; j < m; j += 4) {
      v128_t v = LOAD(x + j);
      s0 = MULTIPLY_ADD(s0, LOAD(w + j), v);
      s1 = MULTIPLY_ADD(s1, LOAD(w + m + j), v);
      s2 = MULTIPLY_ADD(s2, LOAD(w + 2 * m + j), v);
      s3 = MULTIPLY_ADD(s3, LOAD(w + 3 * m + j), v);
    }
    STORE(y + i, wasm_f32x4_add(sums(s0, s1, s2, s3), LOAD(b + i)));
  }
}

EXPORT(rectify) void rectify(float *x, int n) {
  for (int i = 0; i < n; i += 4) STORE(x + i, wasm_f32x4_pmax(SPLAT(0), LOAD(x + i)));
}

EXPORT(squash) void squash(float *x, int n) {
  for (int i = 0; i < n; i += 4) STORE(x + i, tangent(LOAD(x + i)));
}

// A step of an LSTM: gates (4, n) in torch's order i, f, g, o; c (n) is changed in place, h (n) written.
EXPORT(lstm) void lstm(const float *gates, float *h, float *c, int n) {
  for (int i = 0; i < n; i += 4) {
    v128_t in = wasm_f32x4_mul(sigmoid(LOAD(gates + i)), tangent(LOAD(gates + 2 * n + i)));
    v128_t cell = MULTIPLY_ADD(in, sigmoid(LOAD(gates + n + i)), LOAD(c + i));
    STORE(c + i, cell);
    STORE(h + i, wasm_f32x4_mul(sigmoid(LOAD(gates + 3 * n + i)), tangent(cell)));
  }
}

// `rows` rows of n numbers, one after the other at x, to y at a distance of `stride`: a map into one with borders.
EXPORT(place) void place(const float *x, float *y, int rows, int n, int stride) {
  for (int i = 0; i < rows; i++, y += stride)
    for (int j = 0; j < n; j += 4, x += 4) STORE(y + j, LOAD(x));
}

// A pixel's channels in one row of taps: what `pixels` neighbours (at distance `step`) gather in 4 * `wide` channels.
INLINE void gather(v128_t *sum, const float *x, const float *w, int n, int co, int step, const int pixels, const int wide) {
  for (int i = 0; i < n; i++, w += co) {
    v128_t u = LOAD(w), v = wide == 2 ? LOAD(w + 4) : u;
#pragma unroll
    for (int k = 0; k < pixels; k++) {
      v128_t s = wasm_v128_load32_splat(x + k * step + i);
      sum[wide * k] = MULTIPLY_ADD(sum[wide * k], s, u);
      if (wide == 2) sum[2 * k + 1] = MULTIPLY_ADD(sum[2 * k + 1], s, v);
    }
  }
}

// The first `num` of these pixels, at distance `step`; rectified where they are hidden features, eight at a time.
INLINE void keep(const v128_t *sum, float *y, int num, int step, const int pixels, const int wide) {
#pragma unroll
  for (int k = 0; k < pixels; k++) {
    if (k >= num) break;
    if (wide == 1) STORE(y + k * step, sum[k]);
    else {
      STORE(y + k * step, wasm_f32x4_pmax(SPLAT(0), sum[2 * k]));
      STORE(y + k * step + 4, wasm_f32x4_pmax(SPLAT(0), sum[2 * k + 1]));
    }
  }
}

INLINE void begin(v128_t *sum, const float *b, const int pixels, const int wide) {
#pragma unroll
  for (int k = 0; k < pixels * wide; k++) sum[k] = LOAD(b + 4 * (k % wide));
}

// A transposed convolution of stride 2 from a map (h, h, ci) to (2 (h - 1) + k, ., co), k being 5 or 6: pixels of equal
// parity (y, x) are ordinary convolutions, with the taps of that parity. x has rows of h pixels after BORDER of zeros,
// and BORDER of zeros and SLACK pixels of anything after them; w holds the four parities one after the other, each
// (taps, taps, ci, co), the taps of a parity (k + 1 - parity) / 2.
enum { BORDER = 2, SLACK = 8 };

INLINE void doubling(const float *x, const float *w, const float *b, float *y, int h, int k, int ci, int co, int stride,
                     const int pixels, const int wide) {
  int row = (h + 2 * BORDER + SLACK) * ci, size = 2 * (h - 1) + k;
  for (int py = 0; py < 2; py++)
    for (int px = 0; px < 2; px++) {
      int ny = (k + 1 - py) / 2, nx = (k + 1 - px) / 2;
      for (int oy = py; oy < size; oy += 2)
        for (int ox = px; ox < size; ox += 2 * pixels)
          for (int c = 0; c < co; c += 4 * wide) {
            v128_t sum[8];
            begin(sum, b + c, pixels, wide);
            for (int ty = 0; ty < ny; ty++) {
              int iy = oy / 2 - ty;
              if (iy < 0 || iy >= h) continue;
              for (int tx = 0; tx < nx; tx++)
                gather(sum, x + iy * row + (ox / 2 - tx + BORDER) * ci, w + (ty * nx + tx) * ci * co + c, ci, co, ci,
                       pixels, wide);
            }
            keep(sum, y + oy * stride + ox * co + c, (size - ox + 1) / 2, 2 * co, pixels, wide);
          }
      w += ny * nx * ci * co;
    }
}

// To hidden features: co is a multiple of 8, the result rectified.
EXPORT(double_features)
void double_features(const float *x, const float *w, const float *b, float *y, int h, int k, int ci, int co, int stride) {
  doubling(x, w, b, y, h, k, ci, co, stride, 4, 2);
}

// To the logits of colours: red, green, blue and one that nobody reads.
EXPORT(double_colours)
void double_colours(const float *x, const float *w, const float *b, float *y, int h, int k, int ci, int stride) {
  doubling(x, w, b, y, h, k, ci, 4, stride, 8, 1);
}

// A 4x4 convolution of stride 2 without borders, rectified: x (h, h, ci), w (4, 4, ci, co) -> y (h / 2 - 1, ., co). Of x
// up to 4 pixels beyond the end are read, and do not matter. ci may be any number.
EXPORT(halve) void halve(const float *x, const float *w, const float *b, float *y, int h, int ci, int co) {
  int size = h / 2 - 1;
  for (int oy = 0; oy < size; oy++)
    for (int ox = 0; ox < size; ox += 4)
      for (int c = 0; c < co; c += 8) {
        v128_t sum[8];
        begin(sum, b + c, 4, 2);
        const float *from = x + (2 * oy * h + 2 * ox) * ci;
        int left = size - ox;
        for (int ky = 0; ky < 4; ky++) {
          const float *taps = w + 4 * ky * ci * co + c;
          if (left <= 2) gather(sum, from + ky * h * ci, taps, 4 * ci, co, 2 * ci, 2, 2);
          else gather(sum, from + ky * h * ci, taps, 4 * ci, co, 2 * ci, 4, 2);
        }
        keep(sum, y + (oy * size + ox) * co + c, left, co, 4, 2);
      }
}

// n pixels of 4 logits -> red, green, blue as bytes, each rounded as torch does, and 255.
EXPORT(paint) void paint(const float *x, unsigned char *y, int n) {
  v128_t opaque = wasm_i32x4_splat(0xff000000);
  for (int i = 0; i < n; i += 4, x += 16, y += 16) {
    v128_t level[4];
#pragma unroll
    for (int k = 0; k < 4; k++)
      level[k] = wasm_i32x4_trunc_sat_f32x4(wasm_f32x4_nearest(wasm_f32x4_mul(sigmoid(LOAD(x + 4 * k)), SPLAT(255.f))));
    v128_t low = wasm_i16x8_narrow_i32x4(level[0], level[1]), high = wasm_i16x8_narrow_i32x4(level[2], level[3]);
    STORE(y, wasm_v128_or(wasm_u8x16_narrow_i16x8(low, high), opaque));
  }
}

// Bytes -> between 0 and 1.
EXPORT(scale) void scale(const unsigned char *x, float *y, int n) {
  for (int i = 0; i < n; i++) y[i] = x[i] / 255.f;
}
