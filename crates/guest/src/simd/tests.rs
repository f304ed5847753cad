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
        let start = [s.splat_i(7), s.splat_i(-7), s.splat_i(0)];
        for i in s.dot_u4(w4, x, start) {
            keep(s.to_f32(i));
        }
        for i in s.dot_u8(&self.w, x, start) {
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
            x: [[if round == 0 {
                0x7f7f_7f7f
            } else {
                -0x7e7e_7e7f
            }; 8]; 3],
            f: [0.0; 16],
            g: [1.0; 16],
        };
        // The first two rounds are the extremes: nothing may overflow.
        if round > 1 {
            data.w.fill_with(|| random.next() as u8);
            data.hi.fill_with(|| random.next() as u8);
            for word in data.x.iter_mut().flatten() {
                let bytes = [(); 4].map(|()| (random.next() as i8).max(-127) as u8);
                *word = i32::from_le_bytes(bytes);
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
