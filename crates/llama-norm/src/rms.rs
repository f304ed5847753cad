//! RMSNorm: Zhang & Sennrich, "Root Mean Square Layer Normalization", 2019.

use crate::sum_of_squares;

/// `out[i] = x[i] / sqrt(mean(x^2) + eps) * weight[i]`, all slices `(dim)`.
pub fn rms_norm(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
    let mean = sum_of_squares(x) / x.len() as f32;
    let scale = 1.0 / libm::sqrtf(mean + eps);
    for ((out, x), weight) in out.iter_mut().zip(x).zip(weight) {
        *out = x * scale * weight;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_result_has_mean_square_one() {
        let x: [f32; 64] = core::array::from_fn(|i| i as f32 - 20.0);
        let mut out = [0.0; 64];
        rms_norm(&x, &[2.0; 64], 1e-6, &mut out);
        let mean = sum_of_squares(&out) / 64.0;
        assert!((mean - 4.0).abs() < 1e-4, "{mean}");
        assert!(out[0] < 0.0 && out[20] == 0.0);
    }
}
