//! Rounding that `compiler_builtins` does not have: `nearbyint`, `nearbyintf`.
//!
//! Adding and taking away 2 to the number of fraction bits rounds to an integer as the processor rounds: to the nearest, ties
//! to even, which nothing here ever changes.

/// To the nearest integer, ties to even; the sign of zero stays.
fn nearest(x: f64) -> f64 {
    const FROM: f64 = (1u64 << 52) as f64;
    if x.is_nan() || x.abs() >= FROM {
        return x;
    }
    let shift = core::hint::black_box(FROM.copysign(x));
    ((x + shift) - shift).copysign(x)
}

/// The same for single precision.
fn nearest_f32(x: f32) -> f32 {
    const FROM: f32 = (1u32 << 23) as f32;
    if x.is_nan() || x.abs() >= FROM {
        return x;
    }
    let shift = core::hint::black_box(FROM.copysign(x));
    ((x + shift) - shift).copysign(x)
}

#[cfg(feature = "freestanding")]
mod symbols {
    #[unsafe(no_mangle)]
    extern "C" fn nearbyint(x: f64) -> f64 {
        super::nearest(x)
    }

    #[unsafe(no_mangle)]
    extern "C" fn nearbyintf(x: f32) -> f32 {
        super::nearest_f32(x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_that_of_the_library() {
        let halves = (-40..40).map(|i| f64::from(i) / 4.0);
        let special = [
            f64::INFINITY,
            -0.0,
            4503599627370495.5,
            4503599627370497.0,
            1e300,
            5e-324,
        ];
        for x in halves.chain(special).flat_map(|x| [x, -x]) {
            assert_eq!(nearest(x).to_bits(), x.round_ties_even().to_bits(), "{x}");
            let y = x as f32;
            assert_eq!(
                nearest_f32(y).to_bits(),
                y.round_ties_even().to_bits(),
                "{y}"
            );
        }
        assert!(nearest(f64::NAN).is_nan() && nearest_f32(f32::NAN).is_nan());
    }
}
