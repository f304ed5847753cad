// Vector intrinsics of x86-64's baseline (SSE2) beside scalar code that does the same.
#![no_std]
#![no_main]
include!("support.rs");
use core::arch::x86_64::*;

fn sum_i32(v: &[i32]) -> i32 {
    unsafe {
        let mut s = _mm_setzero_si128();
        for c in v.chunks_exact(4) {
            s = _mm_add_epi32(s, _mm_loadu_si128(c.as_ptr().cast()));
        }
        let mut out = [0_i32; 4];
        _mm_storeu_si128(out.as_mut_ptr().cast(), s);
        out.iter().fold(0, |a: i32, x| a.wrapping_add(*x)) + v.chunks_exact(4).remainder().iter().sum::<i32>()
    }
}
fn dot(a: &[f32], b: &[f32]) -> f32 {
    unsafe {
        let mut s = _mm_setzero_ps();
        for (x, y) in a.chunks_exact(4).zip(b.chunks_exact(4)) {
            s = _mm_add_ps(s, _mm_mul_ps(_mm_loadu_ps(x.as_ptr()), _mm_loadu_ps(y.as_ptr())));
        }
        let h = _mm_add_ps(s, _mm_movehl_ps(s, s));
        _mm_cvtss_f32(_mm_add_ss(h, _mm_shuffle_ps(h, h, 1)))
    }
}
fn count(haystack: &[u8], needle: u8) -> u32 {
    let (chunks, rest) = haystack.split_at(haystack.len() & !15);
    let mut n = rest.iter().filter(|b| **b == needle).count() as u32;
    unsafe {
        let wanted = _mm_set1_epi8(needle as i8);
        for c in chunks.chunks_exact(16) {
            let equal = _mm_cmpeq_epi8(_mm_loadu_si128(c.as_ptr().cast()), wanted);
            n += (_mm_movemask_epi8(equal) as u32).count_ones();
        }
    }
    n
}
fn blend(a: &[u8; 16], b: &[u8; 16]) -> [u8; 16] {
    unsafe {
        let (a, b) = (_mm_loadu_si128(a.as_ptr().cast()), _mm_loadu_si128(b.as_ptr().cast()));
        let r = _mm_max_epu8(_mm_avg_epu8(a, b), _mm_subs_epu8(a, b));
        let r = _mm_xor_si128(_mm_adds_epu8(r, b), _mm_unpacklo_epi8(a, b));
        let mut out = [0; 16];
        _mm_storeu_si128(out.as_mut_ptr().cast(), _mm_or_si128(_mm_srli_si128(r, 3), _mm_slli_epi16(r, 2)));
        out
    }
}
fn distance(a: [f64; 2], b: [f64; 2]) -> f64 {
    unsafe {
        let d = _mm_sub_pd(_mm_loadu_pd(a.as_ptr()), _mm_loadu_pd(b.as_ptr()));
        let q = _mm_mul_pd(d, d);
        _mm_cvtsd_f64(_mm_sqrt_sd(q, _mm_add_sd(q, _mm_unpackhi_pd(q, q))))
    }
}
fn pack(v: [i32; 8]) -> [i16; 8] {
    unsafe {
        let p = _mm_packs_epi32(_mm_loadu_si128(v.as_ptr().cast()), _mm_loadu_si128(v[4..].as_ptr().cast()));
        core::mem::transmute(_mm_mullo_epi16(p, _mm_set1_epi16(3)))
    }
}
fn run() -> i32 {
    let v: Vec<i32> = (0..103).map(|i| i * i - 500).collect();
    println!("{} {}", sum_i32(&v), v.iter().sum::<i32>());
    let (a, b): (Vec<f32>, Vec<f32>) = (0..64).map(|i| (i as f32 / 8.0, 4.0 - i as f32)).unzip();
    println!("{} {}", dot(&a, &b), a.iter().zip(&b).map(|(x, y)| x * y).sum::<f32>());
    let text: Vec<u8> = (0..1000_u32).map(|i| (i * i % 251) as u8).collect();
    println!("{} {}", count(&text, 4), text.iter().filter(|b| **b == 4).count());
    let (x, y) = (core::array::from_fn(|i| (i * 17) as u8), core::array::from_fn(|i| (200 - i * 9) as u8));
    println!("{:?} {:?}", blend(&x, &y), blend(&y, &x));
    println!("{} {:?}", distance([1.0, 2.0], [4.0, 6.0]), pack([1, -2, 40000, -40000, 5, 70000, 7, -8]));
    0
}
