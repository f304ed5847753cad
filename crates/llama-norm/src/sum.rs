//! Sums in a fixed order.

/// Partial sums of a long sum: a 512-bit register of `f32`.
pub const LANES: usize = 16;

/// Adds up the lanes: halves onto each other, `((l0+l8)+(l4+l12)) + ...`.
#[must_use]
#[inline]
pub fn sum_lanes(lanes: [f32; LANES]) -> f32 {
    let mut lanes = lanes;
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// Sum of the squares.
#[must_use]
#[inline]
pub fn sum_of_squares(x: &[f32]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (blocks, rest) = x.as_chunks::<LANES>();
    for x in blocks {
        for i in 0..LANES {
            lanes[i] += x[i] * x[i];
        }
    }
    for (lane, x) in lanes.iter_mut().zip(rest) {
        *lane += x * x;
    }
    sum_lanes(lanes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_the_documented_one() {
        let a: [f32; 37] = core::array::from_fn(|i| (i as f32 * 0.37).fract() * 1e3 - 400.0);
        let mut lanes = [0.0f32; LANES];
        for (i, x) in a.iter().enumerate() {
            lanes[i % LANES] += x * x;
        }
        let at = |i: usize| lanes[i] + lanes[i + 8];
        let four = |i: usize| at(i) + at(i + 4);
        let expected = (four(0) + four(2)) + (four(1) + four(3));
        assert_eq!(sum_of_squares(&a).to_bits(), expected.to_bits());
    }

    #[test]
    fn lanes_are_added_once_each() {
        assert_eq!(
            sum_lanes(core::array::from_fn(|i| (1 << i) as f32)),
            65535.0
        );
    }
}
