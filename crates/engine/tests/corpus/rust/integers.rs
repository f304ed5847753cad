// Integer methods of every width: checked, wrapping, saturating, overflowing, rotations, powers, logs, conversions.
#![no_std]
#![no_main]
include!("support.rs");

struct Hash(u64);
impl Hash {
    fn put(&mut self, x: impl fmt::Debug) {
        struct Sink<'a>(&'a mut u64);
        impl fmt::Write for Sink<'_> {
            fn write_str(&mut self, s: &str) -> fmt::Result {
                for b in s.bytes() {
                    *self.0 = (*self.0 ^ u64::from(b)).wrapping_mul(0x100_0000_01b3);
                }
                Ok(())
            }
        }
        let _ = write!(Sink(&mut self.0), "{x:?},");
    }
}
macro_rules! exercise {
    ($t:ty) => {{
        let mut h = Hash(0xcbf2_9ce4_8422_2325);
        let edge = [<$t>::MIN, <$t>::MIN + 1, <$t>::MAX / 2, 0, 1, 2, 5, 7, 10, <$t>::MAX - 1, <$t>::MAX];
        for a in edge {
            for b in edge {
                h.put((a.checked_add(b), a.checked_sub(b), a.checked_mul(b), a.checked_div(b), a.checked_rem(b)));
                h.put((a.wrapping_add(b), a.wrapping_sub(b), a.wrapping_mul(b), a.saturating_add(b), a.saturating_sub(b), a.saturating_mul(b)));
                h.put((a.overflowing_add(b), a.overflowing_sub(b), a.overflowing_mul(b), a.cmp(&b), a & b, a | b, a ^ b));
                if b != 0 {
                    h.put((a.wrapping_div(b), a.wrapping_rem(b), a.overflowing_div(b), a.checked_rem_euclid(b), a.checked_div_euclid(b)));
                }
                h.put((a.abs_diff(b), a.min(b), a.max(b)));
            }
            for s in [0, 1, 3, 7, 8, 31, 33, 64, 200] {
                h.put((a.checked_shl(s), a.checked_shr(s), a.wrapping_shl(s), a.wrapping_shr(s), a.rotate_left(s), a.rotate_right(s)));
            }
            h.put((a.count_ones(), a.leading_zeros(), a.trailing_zeros(), a.leading_ones(), a.trailing_ones(), a.swap_bytes(), a.reverse_bits(), !a));
            h.put((a.checked_pow(3), a.wrapping_pow(5), a.saturating_pow(2), a.checked_ilog2(), a.checked_ilog10(), a.checked_neg(), a.wrapping_neg()));
            h.put((a.to_le_bytes(), <$t>::from_be_bytes(a.to_le_bytes())));
            h.put((i8::try_from(a).ok(), u16::try_from(a).ok(), i32::try_from(a).ok(), u64::try_from(a).ok(), i128::try_from(a).ok()));
            h.put((a as u8, a as i16, a as u32, a as i64, a as u128, a as f32, a as f64, a as usize));
            h.put((format!("{a:x}{a:b}{a:o}"), format!("{a}").parse::<$t>().ok() == Some(a)));
        }
        println!("{:5} {:016x}", stringify!($t), h.0);
    }};
}
fn isqrt(n: u64) -> u64 {
    let (mut lo, mut hi) = (0, 1_u64 << 32);
    while lo + 1 < hi {
        let mid = lo + (hi - lo) / 2;
        if mid * mid <= n { lo = mid } else { hi = mid }
    }
    lo
}
fn run() -> i32 {
    exercise!(i8);
    exercise!(u8);
    exercise!(i16);
    exercise!(u16);
    exercise!(i32);
    exercise!(u32);
    exercise!(i64);
    exercise!(u64);
    exercise!(isize);
    println!("{} {} {}", isqrt(1 << 60), isqrt(99), 10_u64.isqrt());
    println!("{:?} {:?}", (-128_i8).checked_abs(), (-7_i32).rem_euclid(3));
    println!("{} {} {}", (300_i32 as u8) as char, -1_i32 as u32 >> 28, 'é' as u32);
    println!("{} {}", u32::MAX.next_power_of_two_checked(), 37_u32.next_power_of_two());
    i32::from(u8::MAX.wrapping_add(3))
}
trait NextPower {
    fn next_power_of_two_checked(self) -> bool;
}
impl NextPower for u32 {
    fn next_power_of_two_checked(self) -> bool {
        self.checked_next_power_of_two().is_none()
    }
}
