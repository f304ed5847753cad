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

/// Sum of `term(a[i], b[i])`; the shorter slice ends it.
#[inline]
fn sum_of(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
    for (x, y) in a_blocks.iter().zip(b_blocks) {
        for i in 0..LANES {
            lanes[i] += term(x[i], y[i]);
        }
    }
    for (i, (x, y)) in a_rest.iter().zip(b_rest).enumerate() {
        lanes[i] += term(*x, *y);
    }
    sum_lanes(lanes)
}

/// Dot product of two slices of equal length.
#[must_use]
#[inline]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    sum_of(a, b, |x, y| x * y)
}

/// Sum of the squares.
#[must_use]
#[inline]
pub fn sum_of_squares(x: &[f32]) -> f32 {
    sum_of(x, x, |x, y| x * y)
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
