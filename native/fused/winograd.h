// Convolution with kernel 3 x 3, stride 1 and padding 1 by Winograd's minimal filtering F(2 x 2, 3 x 3), with 16 instead of 36
// multiplications per channel and filter for a tile of 2 x 2 outputs (Lavin and Gray, "Fast Algorithms for Convolutional Neural
// Networks", 2016, section 4.1): y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A, summed over the channels. For each of the 16 points of a
// transformed tile that sum is a product of matrices: tiles x channels by channels x filters. The gradient of the filter is the
// adjoint: dg = Gᵀ [(A dy Aᵀ) ⊙ (Bᵀ d B)] G, summed over the tiles by products of channels x tiles and tiles x filters.
#pragma once
#include "products.h"

namespace fused {

constexpr long POINTS = 16;

struct Winograd {
  long height, width, channels, filters;  // of images x [H][W][C] and y [H][W][K]
  long down, across;                      // tiles of an image
  Panels panels;                          // of the filters
  // Elements between tiles, and between points: V [POINTS][tiles][rowV], M [POINTS][tiles][rowM], U [POINTS][panels][channels]
  // [width of a panel].
  long rowV, rowM, stepV, stepM, stepU;
};

// For the tiles [first, first + count), which are numbered through the images.
struct WinogradLoops {
  // U = G g Gᵀ of the channels [from, to). filter [3][3][C][K], or with `transposed` [3][3][K][C], its taps in reverse order
  void (*filter)(const Winograd& w, const float* filter, bool transposed, long from, long to, float* u);
  // V = Bᵀ d B. zeros: `channels` zeros, which are read outside of the image
  void (*input)(const Winograd& w, const float* x, const float* zeros, long first, long count, float* v);
  // y = Aᵀ M A + bias, then SiLU. bias: nullptr for none
  void (*output)(const Winograd& w, const float* m, const float* bias, bool silu, long first, long count, float* y);

  // For the gradient of the filter, with the layout of GradProduct: U = A dy Aᵀ of the filters of a panel
  void (*grad)(const Winograd& w, const GradProduct& p, const float* dy, long panel, long first, long count, float* u);
  // dw = Gᵀ M G of the channels [from, to) and the filters of a panel, of the sum of `count` M, `next` elements apart.
  void (*taps)(const Winograd& w, const GradProduct& p, long panel, const float* m, long count, long next, long from, long to,
               float* dw);
};

const WinogradLoops& winogradLoops();

// Whether these loops are faster than TensorFlow's convolution on this processor.
bool hasWinograd();

}  // namespace fused
