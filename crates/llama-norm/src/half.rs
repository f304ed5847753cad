//! IEEE 754 half precision, stored as `u16`; conversions that vectorise.

/// The exact value.
#[must_use]
#[inline]
pub fn to_f32(half: u16) -> f32 {
    /// Moves the exponent's bias from 15 to 127: 2^112.
    const REBIAS: f32 = f32::from_bits((127 + 112) << 23);
    const INFINITE: u32 = 0x7C00 << 13;
    let sign = u32::from(half & 0x8000) << 16;
    let rest = u32::from(half & 0x7FFF) << 13;
    // A subnormal half is a subnormal float here, which the multiplication makes normal.
    let value = (f32::from_bits(rest) * REBIAS).to_bits();
    let special = if rest >= INFINITE { 0x7F80_0000 } else { 0 };
    f32::from_bits(value | special | sign)
}

/// The nearest half, ties to even; beyond the largest it is infinity.
#[must_use]
#[inline]
pub fn from_f32(value: f32) -> u16 {
    /// 2^-24, the smallest subnormal half, sits at the last bit of a float near 0.5.
    const SUBNORMAL: f32 = 0.5;
    let bits = value.to_bits();
    let sign = ((bits >> 16) & 0x8000) as u16;
    let magnitude = bits & 0x7FFF_FFFF;
    let half = if magnitude >= 0x4780_0000 {
        // 2^16 and more, infinity, NaN.
        if magnitude > 0x7F80_0000 {
            0x7E00
        } else {
            0x7C00
        }
    } else if magnitude < 0x3880_0000 {
        // Below 2^-14: adding 0.5 rounds to multiples of 2^-24.
        ((f32::from_bits(magnitude) + SUBNORMAL).to_bits() - SUBNORMAL.to_bits()) as u16
    } else {
        let odd = (magnitude >> 13) & 1;
        ((magnitude + 0xFFF + odd - (112 << 23)) >> 13) as u16
    };
    half | sign
}

/// `value` rounded to half precision.
#[must_use]
#[inline]
pub fn round(value: f32) -> f32 {
    to_f32(from_f32(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, in double precision.
    fn reference(half: u16) -> f64 {
        let sign = if half & 0x8000 == 0 { 1.0 } else { -1.0 };
        let (exponent, fraction) = (i32::from(half >> 10 & 31), f64::from(half & 1023));
        sign * match exponent {
            0 => fraction * libm::exp2(-24.0),
            31 if fraction == 0.0 => f64::INFINITY,
            31 => f64::NAN,
            e => (1.0 + fraction / 1024.0) * libm::exp2(f64::from(e - 15)),
        }
    }

    #[test]
    fn every_half_becomes_its_value_and_comes_back() {
        for half in 0..=u16::MAX {
            let (found, expected) = (to_f32(half), reference(half));
            if expected.is_nan() {
                assert!(found.is_nan(), "{half:#x}");
            } else {
                assert_eq!(f64::from(found), expected, "{half:#x}");
                assert_eq!(from_f32(found), half, "{half:#x}");
            }
        }
    }

    #[test]
    fn between_two_halves_the_nearest_wins_and_ties_go_to_even() {
        for half in 0..0x7BFFu16 {
            let (low, high) = (to_f32(half), to_f32(half + 1));
            let middle = ((f64::from(low) + f64::from(high)) / 2.0) as f32;
            let even = if half & 1 == 0 { half } else { half + 1 };
            assert_eq!(from_f32(middle), even, "{half:#x}");
            assert_eq!(from_f32(f32::from_bits(middle.to_bits() - 1)), half);
            assert_eq!(from_f32(f32::from_bits(middle.to_bits() + 1)), half + 1);
        }
        assert_eq!(from_f32(65519.9), 0x7BFF);
        assert_eq!(from_f32(65520.0), 0x7C00);
    }
}
