// Floats: saturating casts, rounding methods, classes, total order, bits, parsing and printing back.
#![no_std]
#![no_main]
include!("support.rs");

extern "C" {
    fn sin(x: f64) -> f64;
    fn powf(x: f32, y: f32) -> f32;
}
fn casts(x: f64) {
    println!("{x:?}: {} {} {} {} {} {} {} {} {}", x as i8, x as u8, x as i16, x as u32, x as i64, x as u64, x as i128, x as f32, x as u128 as f32);
}
fn newton(x: f64) -> f64 {
    let mut r = x.max(1.0);
    for _ in 0..60 {
        r = 0.5 * (r + x / r);
    }
    r
}
fn mean_and_deviation(v: &[f64]) -> (f64, f64) {
    let mean = v.iter().sum::<f64>() / v.len() as f64;
    (mean, newton(v.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / v.len() as f64))
}
fn run() -> i32 {
    for x in [0.0, -0.0, 1.9, -1.9, 127.5, -129.0, 255.9, 70000.0, -1e10, 4.3e9, 1e19, -1e30, 1e39, f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
        casts(x);
    }
    for x in [f32::NAN, f32::INFINITY, -3.7, 1e9, 3e9, -1e20] {
        print!("{} {} {} {}; ", x as i32, x as u16, x as i64, x as u8);
    }
    println!();
    let mut v = [2.5, f64::NAN, -0.0, 1e300, f64::NEG_INFINITY, 0.0, -7.25, 5e-324];
    v.sort_by(f64::total_cmp);
    println!("{v:?} {:?} {:?}", 1.0_f64.partial_cmp(&f64::NAN), 2.0_f32.partial_cmp(&1.0));
    println!("{} {} {} {}", 1.5_f64.max(f64::NAN), (-3.5_f32).abs(), 9.0_f64.clamp(-1.0, 4.0), (-2.0_f64).signum());
    println!("{:x} {:x} {} {}", 1.5_f64.to_bits(), (-0.1_f32).to_bits(), f64::from_bits(0x4009_21FB_5444_2D18), f32::from_bits(1));
    println!("{:?} {:?} {:?} {}", 1e-310_f64.classify(), 0.0_f32.classify(), f64::NAN.classify(), f64::MAX.is_normal());
    for s in ["0.1", "1e308", "1e309", "-2.2250738585072011e-308", "123456789.123456789", ".5", "nan", "9007199254740993", "x"] {
        print!("{:?} {:?}; ", s.parse::<f64>().ok(), s.parse::<f32>().ok());
    }
    println!();
    let data: Vec<f64> = (0..200).map(|i| f64::from(i * i % 37) / 7.0 - 2.0).collect();
    let (m, d) = mean_and_deviation(&data);
    println!("{m:.12} {d:.12} {:.15}", newton(2.0));
    let (mut s, mut t) = (0.0_f64, 0.0_f32);
    for i in 1..100 {
        s += unsafe { sin(f64::from(i)) } / f64::from(i);
        t += unsafe { powf(1.01, i as f32) } - t * 0.25;
    }
    println!("{s:.10} {t:.4}");
    println!("{} {} {}", 7.5_f64 % 2.0, -7.5_f64 % 2.0, 1e300_f64 % 0.3 < 0.3);
    println!("{} {}", 1e6_f64.to_radians(), f64::EPSILON);
    println!("{} {} {}", (0.1_f32 + 0.2_f32) as f64, 16777217_i32 as f32, u64::MAX as f64);
    0
}
