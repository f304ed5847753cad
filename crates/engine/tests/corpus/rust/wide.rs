// 128-bit integers: arithmetic, formatting, parsing, shifts, in structs, in loops, modular exponentiation.
#![no_std]
#![no_main]
include!("support.rs");

fn mul_mod(a: u128, b: u128, m: u128) -> u128 {
    let (mut a, mut b, mut r) = (a % m, b, 0_u128);
    while b > 0 {
        if b & 1 == 1 {
            r = if r >= m - a { r - (m - a) } else { r + a };
        }
        a = if a >= m - a { a - (m - a) } else { a + a };
        b >>= 1;
    }
    r
}
fn pow_mod(b: u64, mut e: u64, m: u64) -> u64 {
    let (mut r, mut b, m) = (1_u128, u128::from(b), u128::from(m));
    while e > 0 {
        if e & 1 == 1 {
            r = r * b % m;
        }
        b = b * b % m;
        e >>= 1;
    }
    r as u64
}
fn is_prime(n: u64) -> bool {
    if n < 2 || n % 2 == 0 {
        return n == 2;
    }
    let s = (n - 1).trailing_zeros();
    [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37].iter().all(|&a| {
        if a % n == 0 {
            return true;
        }
        let mut x = pow_mod(a, (n - 1) >> s, n);
        x == 1 || (0..s).any(|_| {
            let hit = x == n - 1;
            x = (u128::from(x) * u128::from(x) % u128::from(n)) as u64;
            hit
        })
    })
}
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Fixed {
    tag: u8,
    v: i128,
}
impl Fixed {
    fn mul(self, o: Self) -> Self {
        Fixed { tag: self.tag ^ o.tag, v: (self.v >> 20) * (o.v >> 20) >> 24 }
    }
}
fn run() -> i32 {
    let a = 0x0123_4567_89ab_cdef_fedc_ba98_7654_3210_u128;
    let b = -170_141_183_460_469_231_731_687_303_715_884_105_727_i128;
    println!("{a} {b} {:x} {:#b}", !a, a >> 100);
    println!("{} {} {} {}", a / 1_000_000_007, a % 1_000_000_007, b / 12345678901234567890, b % 12345678901234567890);
    println!("{:?} {:?} {:?}", a.checked_mul(17), b.checked_sub(2), b.checked_neg());
    println!("{:?} {} {}", a.overflowing_add(u128::MAX), a.wrapping_mul(a), b.saturating_sub(100));
    println!("{} {} {} {}", a.count_ones(), a.leading_zeros(), a.rotate_left(77), a.swap_bytes());
    println!("{} {} {}", a as f64, b as f32, 1e30_f64 as i128);
    println!("{:?} {:?}", "340282366920938463463374607431768211456".parse::<u128>().is_err(), "-99999999999999999999".parse::<i128>());
    println!("{}", mul_mod(a, a - 1, u128::MAX - 158));
    println!("{:?}", [97, 561, 7919, 1_000_000_007, 18_446_744_073_709_551_557, 18_446_744_073_709_551_559].map(is_prime));
    let mut f = Fixed { tag: 1, v: 3 << 63 };
    let k = Fixed { tag: 3, v: (1 << 64) + (1 << 62) };
    for _ in 0..8 {
        f = f.mul(k);
    }
    println!("{f:?} {}", f < k);
    let mut fib = (0_u128, 1_u128);
    for i in 0..186 {
        fib = (fib.1, fib.0 + fib.1);
        if i % 60 == 59 {
            println!("{}", fib.0);
        }
    }
    let mut v: Vec<i128> = (0..20).map(|i| (i * 7919 % 31 - 15) << (i * 5)).collect();
    v.sort();
    println!("{:?} {}", v.binary_search(&0), v.iter().sum::<i128>());
    (a % 50) as i32
}
