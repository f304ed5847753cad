//! Every level gives the same bits as the portable one.

use super::*;
use alloc::vec::Vec;

/// A small generator of test numbers (xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

#[derive(Clone)]
struct Everything {
    w: [u8; 512],
    hi: [u8; 128],
    x: [Words; 3],
    f: [f32; 16],
    g: [f32; 16],
}

impl Task for Everything {
    type Output = Vec<u32>;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Vec<u32> {
        let mut out = Vec::new();
        let mut keep = |x: S::F| {
            let mut lanes = [0.0; 16];
            s.store(x, &mut lanes);
            out.extend(lanes.map(f32::to_bits));
        };
        let x = [&self.x[0], &self.x[1], &self.x[2]];
        let w4: &[u8; 256] = self.w[..256].try_into().unwrap();
        for i in s.dot_u4(w4, x) {
            keep(s.to_f32(i));
        }
        for i in s.dot_u8(&self.w, x) {
            keep(s.to_f32(i));
        }
        for [a, b] in s.dot_u6(w4, &self.hi, x) {
            keep(s.to_f32(s.add_i(s.mul_i(a, s.splat_i(-3)), b)));
        }
        let (f, g) = (s.load(&self.f), s.load(&self.g));
        keep(s.add(f, g));
        keep(s.sub(f, g));
        keep(s.mul(f, g));
        keep(s.div(f, g));
        keep(s.max(f, g));
        keep(s.min(f, g));
        keep(s.exp(f));
        keep(s.load_f16(self.w[..32].try_into().unwrap()));
        keep(s.to_f32(s.load_i8(self.w[..16].try_into().unwrap())));
        let mut halves = [0; 32];
        s.store_f16(s.mul(f, s.splat(1000.0)), &mut halves);
        keep(s.load_f16(&halves));
        keep(s.splat(s.sum(f)));
        keep(s.splat(s.largest(f)));
        out
    }
}

#[test]
fn all_levels_agree() {
    let mut random = Random(88_172_645_463_325_252);
    for round in 0..200 {
        let mut data = Everything {
            w: [255; 512],
            hi: [255; 128],
            x: [cut(&[[32_512, -32_512, 127, 128][round % 4]; 32]); 3],
            f: [0.0; 16],
            g: [1.0; 16],
        };
        // The first rounds are the extremes: nothing may overflow.
        if round > 3 {
            data.w.fill_with(|| random.next() as u8);
            data.hi.fill_with(|| random.next() as u8);
            for x in &mut data.x {
                *x = cut(&[(); 32].map(|()| ((random.next() % 65_025) as i32 - 32_512) as i16));
            }
            data.f.fill_with(|| f32::from(random.next() as i16) / 300.0);
            data.g
                .fill_with(|| f32::from(random.next() as i16 | 1) / 300.0);
        }
        // Halves that are NaN have no one bit pattern.
        for half in data.w[..32].chunks_exact_mut(2) {
            half[1] &= 0xbf;
        }
        let expected = dispatch_at(Level::Portable, data.clone());
        for level in Level::ALL {
            if level.is_supported() {
                let found = dispatch_at(level, data.clone());
                assert_eq!(found, expected, "{level:?} round {round}");
            }
        }
    }
}

struct Exp([f32; 16]);

impl Task for Exp {
    type Output = [f32; 16];
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> [f32; 16] {
        let mut out = [0.0; 16];
        s.store(s.exp(s.load(&self.0)), &mut out);
        out
    }
}

#[test]
fn exp_is_close_to_the_real_one() {
    for i in -87_000..88_000 {
        let x = i as f32 / 1000.0;
        let found = dispatch(Exp([x; 16]))[3];
        let exact = f64::from(x).exp();
        let error = ((f64::from(found) - exact) / exact).abs();
        assert!(error < 2.5e-7, "exp({x}) = {found}, exact {exact}");
    }
    assert!(dispatch(Exp([-1000.0; 16]))[0] < 1.3e-38);
    assert_eq!(dispatch(Exp([0.0; 16])), [1.0; 16]);
}

#[test]
fn halves_convert_both_ways() {
    for bits in 0..=u16::MAX {
        let x = f16_to_f32(bits);
        if bits & 0x7fff > 0x7c00 {
            assert!(x.is_nan());
            continue;
        }
        assert_eq!(f16_from_f32(x), bits);
        let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
        let magnitude = match exponent {
            31 => f64::INFINITY,
            0 => fraction / 1024.0 * 2f64.powi(-14),
            e => (1.0 + fraction / 1024.0) * 2f64.powi(e - 15),
        };
        let expected = if bits >> 15 == 1 {
            -magnitude
        } else {
            magnitude
        };
        assert_eq!(f64::from(x), expected);
        // Halfway to the next goes to the even one.
        if bits & 0x7fff < 0x7bff {
            let middle = (x + f16_to_f32(bits + 1)) / 2.0;
            let even = if bits % 2 == 0 { bits } else { bits + 1 };
            assert_eq!(f16_from_f32(middle), even, "{middle}");
        }
    }
    assert_eq!(f16_from_f32(65520.0), 0x7c00);
    assert_eq!(f16_from_f32(65519.9), 0x7bff);
}

#[test]
fn cut_numbers_are_put_together_by_the_products() {
    // One number at a time: weight 1 for number `i` of row 0, and every value in turn.
    struct One([u8; 512], Words);
    impl Task for One {
        type Output = f32;
        #[inline(always)]
        fn run<S: Simd>(self, s: S) -> f32 {
            let mut lanes = [0.0; 16];
            s.store(s.to_f32(s.dot_u8(&self.0, [&self.1])[0]), &mut lanes);
            lanes[0]
        }
    }
    for (step, x) in (-32_512..=32_512i16).enumerate() {
        let i = step % 32;
        let mut w = [0; 512];
        w[64 * (i / 4) + i % 4] = 1;
        let mut numbers = [0; 32];
        numbers[i] = x;
        assert_eq!(dispatch(One(w, cut(&numbers))), f32::from(x));
    }
}
