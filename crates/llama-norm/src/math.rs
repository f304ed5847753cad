//! Elementary functions with the same bits on every platform.
//!
//! Only additions, multiplications and bit patterns, so that a loop over them becomes vector code.

/// `e^x`, within 2 ulp; 0 below about -87, capped at about `e^88` above.
///
/// `x = n ln 2 + r` with `|r| <= ln 2 / 2`; `e^r` by a polynomial (Cephes, `expf`), `2^n` by its
/// bits. `ln 2` is split in two so that `n` times its first part is exact.
#[must_use]
#[inline]
pub fn exp(x: f32) -> f32 {
    const LOG2_E: f32 = core::f32::consts::LOG2_E;
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    /// Added and taken away, it leaves a number rounded to an integer: 1.5 * 2^23.
    const ROUND: f32 = 12_582_912.0;
    const LOWEST: f32 = -87.0;
    const HIGHEST: f32 = 88.0;

    let bounded = if x > HIGHEST { HIGHEST } else { x };
    let bounded = if bounded < LOWEST { LOWEST } else { bounded };
    let n = (bounded * LOG2_E + ROUND) - ROUND;
    let r = (bounded - n * LN_2_HIGH) - n * LN_2_LOW;
    let mut p = 1.987_569_1e-4;
    p = p * r + 1.398_199_9e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_5e-1;
    p = p * r + 0.5;
    let e_r = (p * (r * r) + r) + 1.0;
    // The low bits of `n + ROUND` are `n` itself.
    let two_n = f32::from_bits(((n + ROUND).to_bits() << 23).wrapping_add(1.0f32.to_bits()));
    if x < LOWEST { 0.0 } else { e_r * two_n }
}

/// Square root, correctly rounded.
#[must_use]
pub fn sqrt(x: f32) -> f32 {
    libm::sqrtf(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_within_two_ulp() {
        let mut x = -87.0f32;
        while x < 88.0 {
            let exact = libm::exp(f64::from(x)) as f32;
            let ulps = exp(x).to_bits().abs_diff(exact.to_bits());
            assert!(ulps <= 2, "exp({x}) = {} instead of {exact}", exp(x));
            x += 0.0137;
        }
    }

    #[test]
    fn exp_at_the_ends() {
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-1e9), 0.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert!(exp(1e9).is_finite());
        assert!(exp(f32::NAN).is_nan());
    }
}
