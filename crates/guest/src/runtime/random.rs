//! Random numbers: SplitMix64, for simulations and games and not for secrets.
//!
//! Source: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", 2014.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

static STATE: AtomicU64 = AtomicU64::new(0);
static SEEDED: AtomicBool = AtomicBool::new(false);

/// Begins the sequence of this seed: the same seed gives the same numbers.
pub fn random_seed(seed: u64) {
    STATE.store(seed, Ordering::Relaxed);
    SEEDED.store(true, Ordering::Relaxed);
}

/// The next number of the sequence, all 64 bits alike. Without a seed it begins somewhere else in each run. Threads share it.
#[must_use]
pub fn random_u64() -> u64 {
    if !SEEDED.load(Ordering::Relaxed) {
        random_seed(crate::random_seed());
    }
    let mut x = STATE.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// A number below `bound`, all alike; 0 for a bound of 0.
#[must_use]
pub fn random_below(bound: u64) -> u64 {
    // Lemire, "Fast Random Integer Generation in an Interval", 2019: the upper half of the product, with the few products
    // that would make some results more frequent thrown away.
    if bound == 0 {
        return 0;
    }
    let excess = bound.wrapping_neg() % bound;
    loop {
        let product = u128::from(random_u64()) * u128::from(bound);
        if product as u64 >= excess {
            return (product >> 64) as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_its_sequence_and_bounds_hold() {
        random_seed(42);
        // The first numbers of SplitMix64 for this seed.
        assert_eq!(random_u64(), 13_679_457_532_755_275_413);
        assert_eq!(random_u64(), 2_949_826_092_126_892_291);
        for bound in [1, 2, 6, 1 << 40, u64::MAX] {
            assert!((0..100).all(|_| random_below(bound) < bound), "{bound}");
        }
        assert_eq!(random_below(0), 0);
        let mut seen = [0; 6];
        (0..600).for_each(|_| seen[random_below(6) as usize] += 1);
        assert!(seen.iter().all(|n| *n > 50), "{seen:?}");
    }
}
